//! The monitor: what lies where at each size.

use std::path::Path;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::panel::Panel;
use super::scene::Scene;
use super::{header, log, panels};
use crate::runs::RunEnd;
use crate::ui::format::plain;
use crate::ui::widgets::popup::popup;

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
