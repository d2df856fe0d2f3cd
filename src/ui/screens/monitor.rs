//! The monitor: what lies where at each size.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::{header, overlay, panels};
use crate::series::Series;
use crate::ui::app::App;
use crate::ui::run::Run;

/// Below this size there is no room for anything.
pub const LEAST: (u16, u16) = (60, 16);

/// A panel of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say what they show")]
pub enum Panel {
    Loss,
    Score,
    Mass,
    Selected,
    Memory,
    Throughput,
    LearningRate,
    GradNorm,
}

impl Panel {
    /// The curve that the cursor follows.
    pub fn main(self, run: &Run) -> Option<&Series> {
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
        }
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
    header: Rect,
    /// The panels, row by row.
    pub panels: Vec<(Panel, Rect)>,
    body: Rect,
    /// A line of numbers for which there is no panel.
    readout: Rect,
    log: Rect,
    footer: Rect,
}

impl Plan {
    /// For a screen of this size.
    pub fn of(area: Rect) -> Plan {
        let (rows, readout, log) = match (area.width, area.height) {
            (160.., 48..) => (LARGE, 0, 8),
            (100.., 30..) => (MEDIUM, 0, 5),
            _ => (SMALL, 1, 1),
        };
        let lines = [header::HEIGHT, 0, readout, log, 1];
        let constraints = lines.map(|lines| if lines == 0 { Constraint::Fill(1) } else { Constraint::Length(lines) });
        let mut constraints = constraints;
        if readout == 0 {
            constraints[2] = Constraint::Length(0);
        }
        let [header, body, readout, log, footer] = Layout::vertical(constraints).areas(area);
        let mut panels = Vec::new();
        // The first row, with the loss, is the highest.
        let heights = (0..rows.len()).map(|row| Constraint::Fill(if row == 0 { 6 } else { 5 }));
        for (row, area) in rows.iter().zip(Layout::vertical(heights).split(body).iter()) {
            let widths = row.iter().map(|(_, share)| Constraint::Fill(*share));
            let areas = Layout::horizontal(widths).split(*area);
            panels.extend(row.iter().zip(areas.iter()).map(|((panel, _), area)| (*panel, *area)));
        }
        Plan { header, panels, body, readout, log, footer }
    }
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, app: &App) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let theme = &app.look.theme;
        let notice = format!("finesift needs {} x {}", LEAST.0, LEAST.1);
        return frame.render_widget(Line::styled(notice, theme.style(theme.warning)), area);
    }
    let plan = Plan::of(area);
    header::draw(frame, plan.header, app);
    if app.view.full {
        panels::draw(frame, plan.body, app, app.view.focus);
    } else {
        for (panel, area) in &plan.panels {
            panels::draw(frame, *area, app, *panel);
        }
    }
    if plan.readout.height > 0 {
        panels::draw_readout(frame, plan.readout, app);
    }
    if plan.log.height > 2 {
        panels::draw_log(frame, plan.log, app);
    } else {
        header::draw_log_line(frame, plan.log, app);
    }
    header::draw_footer(frame, plan.footer, app);
    overlay::draw(frame, plan.body, app);
}
