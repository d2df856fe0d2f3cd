//! The System tab: charts of the machine and its GPU, as far as they are measured.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::Scene;
use super::content::{ChartContent, single};
use super::overview::Panel;
use super::panels;
use super::run::Run;
use crate::series::Series;
use crate::ui::format::{Unit, bytes, plain};
use crate::ui::theme::Hue;
use crate::ui::widgets::chart::{Curve, Shape};

/// The charts that have measurements, with their areas.
pub(super) fn layout(run: &Run, body: Rect) -> Vec<(Panel, Rect)> {
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

/// The content of a chart of this tab.
pub(super) fn content(scene: Scene<'_>, panel: Panel) -> ChartContent<'_> {
    let (machine, theme) = (&scene.run.machine, &scene.look.theme);
    let gpu = scene.run.system.as_ref().and_then(|system| system.gpu.as_ref());
    let of = |total: Option<u64>| total.map(|total| format!("of {}", bytes(total as f64))).unwrap_or_default();
    let content = match panel {
        Panel::GpuMemory => {
            let device = NamedSeries { name: "used", series: &machine.gpu_memory, hue: theme.raw };
            let process = NamedSeries { name: "process", series: &machine.gpu_process, hue: theme.memory };
            ChartContent {
                note: of(gpu.map(|gpu| gpu.memory_total)),
                ..whole_and_process(scene, "GPU memory", Unit::Bytes, device, process)
            }
        }
        Panel::Utilization => ChartContent {
            include: &[0.0, 100.0],
            note: "time with a kernel running".into(),
            ..single(scene, "GPU utilization", Unit::Percent, &machine.utilization, theme.throughput)
        },
        Panel::Power => ChartContent {
            note: gpu
                .and_then(|gpu| gpu.power_limit)
                .map(|limit| format!("W, limit {limit:.0} W"))
                .unwrap_or_else(|| "W".into()),
            ..single(scene, "GPU power", Unit::Number, &machine.power, theme.learning_rate)
        },
        Panel::Temperature => ChartContent {
            note: if scene.look.ascii { "C" } else { "°C" }.into(),
            ..single(scene, "GPU temperature", Unit::Number, &machine.temperature, theme.loss)
        },
        Panel::Cpu => {
            let all = NamedSeries { name: "machine", series: &machine.cpu, hue: theme.raw };
            let process = NamedSeries { name: "process", series: &machine.process_cpu, hue: theme.accent };
            ChartContent {
                include: &[0.0],
                note: "process: 100 % = one core".into(),
                ..whole_and_process(scene, "CPU", Unit::Percent, all, process)
            }
        }
        Panel::Disk => ChartContent {
            note: of(scene.run.system.as_ref().and_then(|system| system.disk_total)),
            ..single(scene, "Disk free", Unit::Bytes, &machine.disk_free, theme.selected)
        },
        _ => {
            let all = NamedSeries { name: "machine", series: &machine.used, hue: theme.raw };
            let process = NamedSeries { name: "process", series: &machine.rss, hue: theme.memory };
            ChartContent {
                note: of(scene.run.system.as_ref().map(|system| system.memory_total)),
                ..whole_and_process(scene, "Memory", Unit::Bytes, all, process)
            }
        }
    };
    ChartContent { waiting: "waiting for a measurement", ..content }
}

/// A curve of a chart of two.
struct NamedSeries<'a> {
    name: &'a str,
    series: &'a Series,
    hue: Hue,
}

/// A chart of the whole machine's or device's use, and of this process's part.
fn whole_and_process<'a>(
    scene: Scene<'a>,
    name: &'a str,
    unit: Unit,
    whole: NamedSeries<'a>,
    process: NamedSeries<'a>,
) -> ChartContent<'a> {
    let theme = &scene.look.theme;
    let latest = [&process, &whole].into_iter().filter_map(|NamedSeries { name, series, hue }| {
        Some(Span::styled(format!("{name} {}", unit.text(series.last()?)), theme.bold(*hue)))
    });
    let curve = |&NamedSeries { name, series, hue }: &NamedSeries<'a>| Curve {
        name,
        series,
        style: theme.style(hue),
        shape: Shape::Line,
    };
    ChartContent {
        latest: latest.collect(),
        curves: vec![curve(&whole), curve(&process)],
        ..single(scene, name, unit, process.series, process.hue)
    }
}
