//! The System tab: charts of the machine and its GPU, as far as they are measured.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::panel::Panel;
use super::panels;
use super::scene::Scene;
use crate::runs::History;
use crate::ui::format::plain;

/// The charts that have measurements, with their areas.
pub(super) fn layout(run: &History, body: Rect) -> Vec<(Panel, Rect)> {
    let machine = &run.machine;
    let charts = [
        (Panel::GpuMemory, &machine.gpu_memory),
        (Panel::Utilization, &machine.utilization),
        (Panel::Power, &machine.power),
        (Panel::Temperature, &machine.temperature),
    ];
    let mut panels: Vec<Panel> =
        charts.into_iter().filter(|(_, series)| series.last().is_some()).map(|(panel, _)| panel).collect();
    panels.extend([Panel::Rss, Panel::Cpu]);
    if machine.disk_free.last().is_some() {
        panels.push(Panel::Disk);
    }
    let columns = match (panels.len(), body.width) {
        (..4, ..160) => 1,
        (4.., 150..) => 3,
        (..4, _) => panels.len(),
        _ => 2,
    };
    let rows: Vec<&[Panel]> = panels.chunks(columns).collect();
    let areas = Layout::vertical(rows.iter().map(|_| Constraint::Fill(1))).split(below(body));
    let row = |(row, area): (&&[Panel], &Rect)| {
        let areas = Layout::horizontal(row.iter().map(|_| Constraint::Fill(1))).split(*area);
        row.iter().copied().zip(areas.to_vec()).collect::<Vec<_>>()
    };
    rows.iter().zip(areas.iter()).flat_map(row).collect()
}

/// The area of the charts, below the line with the device's name.
fn below(body: Rect) -> Rect {
    Rect { y: body.y + 1.min(body.height), height: body.height.saturating_sub(1), ..body }
}

/// Draws the charts, or one of them in full screen.
pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    if scene.view.full {
        return panels::draw_full(frame, body, scene, scene.view.machine);
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
