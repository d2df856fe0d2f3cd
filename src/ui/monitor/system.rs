//! The System tab: the ranks of a run that has several, and charts of the machine and its GPU, as far as they are
//! measured.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::panel::Panel;
use super::panels;
use super::ranks;
use super::scene::Scene;
use crate::runs::History;
use crate::ui::format::plain;

/// The lowest chart beside others that is still read, with its frame and its x axis.
const LOWEST: u16 = 6;

/// The width from which many ranks have charts beside them.
const SIDE_BY_SIDE: u16 = 160;

/// The panels that have something to show, with their areas. Charts without room among ranks are shown in full screen
/// only.
pub(super) fn layout(run: &History, body: Rect) -> Vec<(Panel, Rect)> {
    let area = below(body);
    let charts = charts(run);
    if run.rank_count() <= 1 {
        let columns = columns(charts.len(), body.width);
        return grid(&charts, columns, area);
    }
    let height = ranks::height(run);
    // More ranks than half of the screen: on a wide one all of its height is theirs.
    if body.width >= SIDE_BY_SIDE && height > area.height / 2 {
        let [table, beside] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(area);
        return with_charts((Panel::Ranks, table), &charts, 1, beside);
    }
    let most = (area.height * 3 / 5).max(area.height.saturating_sub(2 * LOWEST));
    let height = if area.height.saturating_sub(height.min(most)) < LOWEST { area.height } else { height.min(most) };
    let [table, beneath] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area);
    with_charts((Panel::Ranks, table), &charts, if body.width < 150 { 2 } else { 3 }, beneath)
}

/// A panel, and as many charts beside it as their area has room for.
fn with_charts(first: (Panel, Rect), charts: &[Panel], columns: usize, area: Rect) -> Vec<(Panel, Rect)> {
    let rows = usize::from(area.height / LOWEST);
    let shown = &charts[..charts.len().min(rows * columns)];
    std::iter::once(first).chain(grid(shown, columns, area)).collect()
}

/// The charts that have measurements.
fn charts(run: &History) -> Vec<Panel> {
    let (machine, ranks) = (&run.machine, &run.ranks);
    let measured = [
        (Panel::RankWait, &ranks.longest_wait),
        (Panel::RankCompute, &ranks.slowest),
        (Panel::GpuMemory, &machine.gpu_memory),
        (Panel::Utilization, &machine.utilization),
        (Panel::Power, &machine.power),
        (Panel::Temperature, &machine.temperature),
    ];
    let measured = measured.into_iter().filter(|(_, series)| series.last().is_some()).map(|(panel, _)| panel);
    let mut panels: Vec<Panel> = measured.collect();
    panels.extend([Panel::Rss, Panel::Cpu]);
    if machine.disk_free.last().is_some() {
        panels.push(Panel::Disk);
    }
    panels
}

/// Columns of charts alone.
fn columns(charts: usize, width: u16) -> usize {
    match (charts, width) {
        (..4, ..160) => 1,
        (4.., 150..) => 3,
        (..4, _) => charts,
        _ => 2,
    }
}

/// The areas of charts in rows of so many.
fn grid(charts: &[Panel], columns: usize, area: Rect) -> Vec<(Panel, Rect)> {
    let rows: Vec<&[Panel]> = charts.chunks(columns.max(1)).collect();
    let areas = Layout::vertical(rows.iter().map(|_| Constraint::Fill(1))).split(area);
    let row = |(row, area): (&&[Panel], &Rect)| {
        let areas = Layout::horizontal(row.iter().map(|_| Constraint::Fill(1))).split(*area);
        row.iter().copied().zip(areas.to_vec()).collect::<Vec<_>>()
    };
    rows.iter().zip(areas.iter()).flat_map(row).collect()
}

/// All panels, in the order in which the focus visits them in full screen.
pub(super) fn panels(run: &History) -> Vec<Panel> {
    let ranks = (run.rank_count() > 1).then_some(Panel::Ranks);
    ranks.into_iter().chain(charts(run)).collect()
}

/// The area of the panel of ranks.
pub(super) fn ranks_area(run: &History, body: Rect, full: bool) -> Rect {
    let shown = layout(run, body).into_iter().find(|(panel, _)| *panel == Panel::Ranks);
    if full { body } else { shown.map_or(Rect::ZERO, |(_, area)| area) }
}

/// The area of the panels, below the line with the device's name.
fn below(body: Rect) -> Rect {
    Rect { y: body.y + 1.min(body.height), height: body.height.saturating_sub(1), ..body }
}

/// Draws the panels, or one of them in full screen.
pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    if scene.view.full {
        return panels::draw_full(frame, body, scene, scene.view.chart(scene.run));
    }
    let theme = &scene.look.theme;
    let name = scene.run.system.as_ref().and_then(|system| system.gpu.as_ref()).map(|gpu| plain(&gpu.name));
    let note = scene.run.started.as_ref().map(|started| plain(&started.device_note)).unwrap_or_default();
    let mut line = Line::from(Span::styled(format!(" {note}  "), theme.style(theme.dim)));
    if let Some(name) = name {
        line.spans.insert(0, Span::styled(format!(" {name} "), theme.bold(theme.text)));
    }
    frame.render_widget(line, Rect { height: 1.min(body.height), ..body });
    for (panel, area) in layout(scene.run, body) {
        panels::draw(frame, area, scene, panel);
    }
}
