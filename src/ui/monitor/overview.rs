//! The monitor: what lies where at each size.

use std::path::Path;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::view::Smoothing;
use super::{Scene, header, log, panels};
use crate::runs::{History, RunEnd};
use crate::series::Series;
use crate::ui::format::plain;
use crate::ui::overlay::popup;

/// A panel of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Panel {
    Loss,
    Score,
    Mass,
    Selected,
    Memory,
    Throughput,
    LearningRate,
    GradNorm,
    // The machine's.
    GpuMemory,
    Utilization,
    Power,
    Temperature,
    Cpu,
    Rss,
    Disk,
    // A target's, by its number.
    TargetMass(usize),
    TargetUpdate(usize),
}

impl Panel {
    /// The overview's charts.
    pub const CHARTS: [Panel; 7] = [
        Panel::Loss,
        Panel::Score,
        Panel::Mass,
        Panel::Memory,
        Panel::Throughput,
        Panel::LearningRate,
        Panel::GradNorm,
    ];

    /// The curve that the cursor follows.
    pub fn main(self, run: &History) -> Option<&Series> {
        let machine = &run.machine;
        match self {
            Panel::Loss => Some(&run.loss.raw),
            Panel::Score => {
                let best = run.started.as_ref().map(|started| &started.best)?;
                run.scores.get(best)
            }
            Panel::Mass => Some(&run.mass),
            Panel::Selected => None,
            Panel::Memory => Some(&run.memory),
            Panel::Throughput => Some(&run.throughput.raw),
            Panel::LearningRate => Some(&run.learning_rate),
            Panel::GradNorm => Some(&run.grad_norm.raw),
            Panel::GpuMemory => Some(&machine.gpu_memory),
            Panel::Utilization => Some(&machine.utilization),
            Panel::Power => Some(&machine.power),
            Panel::Temperature => Some(&machine.temperature),
            Panel::Cpu => Some(&machine.process_cpu),
            Panel::Rss => Some(&machine.rss),
            Panel::Disk => Some(&machine.disk_free),
            Panel::TargetMass(number) => Some(&run.targets.all.get(number)?.mass),
            Panel::TargetUpdate(number) => Some(&run.targets.all.get(number)?.update),
        }
    }

    /// The curve to compare with other runs' by.
    pub fn shown(self, run: &History, smoothing: Smoothing) -> Option<&Series> {
        let averaged = match self {
            Panel::Loss => &run.loss,
            Panel::Throughput => &run.throughput,
            Panel::GradNorm => &run.grad_norm,
            _ => return self.main(run),
        };
        Some(smoothing.of(averaged))
    }
}

/// Rows of panels and their shares of the width.
type Rows = &'static [&'static [(Panel, u16)]];

const SMALL: Rows = &[&[(Panel::Loss, 1), (Panel::Score, 1)], &[(Panel::Mass, 1), (Panel::Selected, 1)]];
const MEDIUM: Rows = &[
    &[(Panel::Loss, 3), (Panel::Score, 2)],
    &[(Panel::Mass, 3), (Panel::Selected, 2)],
    &[(Panel::Memory, 1), (Panel::Throughput, 1), (Panel::LearningRate, 1)],
];
const LARGE: Rows = &[
    &[(Panel::Loss, 2), (Panel::Score, 1)],
    &[(Panel::Mass, 1), (Panel::Selected, 1), (Panel::Memory, 1)],
    &[(Panel::GradNorm, 1), (Panel::LearningRate, 1), (Panel::Throughput, 1)],
];

/// What lies where.
pub struct Plan {
    /// The panels, row by row.
    pub panels: Vec<(Panel, Rect)>,
    body: Rect,
    /// A line of numbers for which there is no panel.
    readout: Rect,
    log: Rect,
}

impl Plan {
    /// For an area of this size.
    pub fn of(area: Rect) -> Plan {
        let (rows, readout, log) = match (area.width, area.height) {
            (160.., 44..) => (LARGE, 0, 8),
            (100.., 28..) => (MEDIUM, 0, 5),
            _ => (SMALL, 1, 1),
        };
        let lines = [Constraint::Fill(1), Constraint::Length(readout), Constraint::Length(log)];
        let [body, readout, log] = Layout::vertical(lines).areas(area);
        let mut panels = Vec::new();
        // The first row, with the loss, is the highest.
        let heights = (0..rows.len()).map(|row| Constraint::Fill(if row == 0 { 6 } else { 5 }));
        for (row, area) in rows.iter().zip(Layout::vertical(heights).split(body).iter()) {
            let widths = row.iter().map(|(_, share)| Constraint::Fill(*share));
            let areas = Layout::horizontal(widths).split(*area);
            panels.extend(row.iter().zip(areas.iter()).map(|((panel, _), area)| (*panel, *area)));
        }
        Plan { panels, body, readout, log }
    }
}

/// Draws the charts, or one of them in full, and the end of the log.
pub fn draw(frame: &mut Frame, area: Rect, scene: Scene) {
    let plan = Plan::of(area);
    if scene.view.full {
        panels::draw_full(frame, area, scene, scene.view.focus);
        return draw_end(frame, area, scene);
    }
    for (panel, area) in &plan.panels {
        panels::draw(frame, *area, scene, *panel);
    }
    if plan.readout.height > 0 {
        panels::draw_readout(frame, plan.readout, scene);
    }
    if plan.log.height > 2 {
        log::draw_end(frame, plan.log, scene);
    } else {
        header::draw_log_line(frame, plan.log, scene);
    }
    draw_end(frame, plan.body, scene);
}

/// What a run ended with, if that was an error.
fn draw_end(frame: &mut Frame, area: Rect, scene: Scene) {
    if let Some(RunEnd::Failed { error, checkpoint }) = &scene.run.end {
        failure(frame, area, scene, error, checkpoint.as_deref());
    }
}

fn failure(frame: &mut Frame, area: Rect, scene: Scene, error: &str, checkpoint: Option<&Path>) {
    let theme = &scene.look.theme;
    let error = error.lines().map(|line| Line::styled(format!(" {}", plain(line)), theme.style(theme.error)));
    let mut lines: Vec<Line> = error.collect();
    lines.push(Line::default());
    lines.push(Line::styled(
        match checkpoint {
            Some(path) => format!(" The latest checkpoint is {}", plain(&path.display().to_string())),
            None => " No checkpoint had been written.".to_owned(),
        },
        theme.style(theme.text),
    ));
    popup(frame, area, scene.look, "Failed", lines, 90);
}
