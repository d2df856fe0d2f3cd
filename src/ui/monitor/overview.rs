//! The Overview tab: the layout of its panels at each screen size.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::panel::Panel;
use super::scene::Scene;
use super::{header, log, overlay_view, panels};

/// Rows of panels with their shares of the width.
type PanelRows = &'static [&'static [(Panel, u16)]];

const SMALL: PanelRows = &[&[(Panel::Loss, 1), (Panel::Score, 1)], &[(Panel::Mass, 1), (Panel::Selected, 1)]];
const MEDIUM: PanelRows = &[
    &[(Panel::Loss, 3), (Panel::Score, 2)],
    &[(Panel::Mass, 3), (Panel::Selected, 2)],
    &[(Panel::Memory, 1), (Panel::Throughput, 1), (Panel::LearningRate, 1)],
];
const LARGE: PanelRows = &[
    &[(Panel::Loss, 2), (Panel::Score, 1)],
    &[(Panel::Mass, 1), (Panel::Selected, 1), (Panel::Memory, 1)],
    &[(Panel::GradNorm, 1), (Panel::LearningRate, 1), (Panel::Throughput, 1)],
];

/// The areas of the overview.
pub(super) struct OverviewLayout {
    /// Row by row.
    pub(super) panels: Vec<(Panel, Rect)>,
    /// A line of values without panels of their own; empty on large screens.
    readout: Rect,
    log: Rect,
}

impl OverviewLayout {
    pub(super) fn new(area: Rect) -> OverviewLayout {
        let (rows, readout, log) = match (area.width, area.height) {
            (160.., 44..) => (LARGE, 0, 8),
            (100.., 28..) => (MEDIUM, 0, 5),
            _ => (SMALL, 1, 1),
        };
        let lines = [Constraint::Fill(1), Constraint::Length(readout), Constraint::Length(log)];
        let [body, readout, log] = Layout::vertical(lines).areas(area);
        let mut panels = Vec::new();
        // The first row, with the loss, is the tallest.
        let heights = (0..rows.len()).map(|row| Constraint::Fill(if row == 0 { 6 } else { 5 }));
        for (row, area) in rows.iter().zip(Layout::vertical(heights).split(body).iter()) {
            let widths = row.iter().map(|(_, share)| Constraint::Fill(*share));
            let areas = Layout::horizontal(widths).split(*area);
            panels.extend(row.iter().zip(areas.iter()).map(|((panel, _), area)| (*panel, *area)));
        }
        OverviewLayout { panels, readout, log }
    }
}

/// Draws the charts and the latest log lines, or one chart in full screen.
pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene) {
    let layout = OverviewLayout::new(area);
    if scene.view.full {
        return panels::draw_full(frame, area, scene, scene.view.focus);
    }
    for (panel, area) in &layout.panels {
        panels::draw(frame, *area, scene, *panel);
    }
    if let Some((_, first)) = layout.panels.first() {
        panels::name_axis(frame, *first, scene);
    }
    if layout.readout.height > 0 {
        panels::draw_readout(frame, layout.readout, scene);
    }
    if scene.overlaid().next().is_some() {
        overlay_view::draw_legend(frame, layout.log, scene, scene.view.focus);
    } else if layout.log.height > 2 {
        log::draw_latest(frame, layout.log, scene);
    } else {
        header::draw_log_line(frame, layout.log, scene);
    }
}
