//! The machine and its GPU over time: what there is of it, and nothing that is not.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::Scene;
use super::content::{Content, plain};
use super::overview::Panel;
use super::panels;
use crate::runs::History;
use crate::series::Series;
use crate::ui::format::{Unit, bytes, plain as plain_text};
use crate::ui::theme::Hue;
use crate::ui::widgets::chart::{Curve, Shape};

/// The charts for which there are numbers, and where they lie.
pub fn plan(run: &History, body: Rect) -> Vec<(Panel, Rect)> {
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

/// What is left for charts below the line that says what the machine is.
fn below(body: Rect) -> Rect {
    Rect { y: body.y + 1.min(body.height), height: body.height.saturating_sub(1), ..body }
}

/// Draws the charts, or one of them in full.
pub fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    if scene.view.full {
        return panels::draw_full(frame, body, scene, scene.view.machine);
    }
    let theme = &scene.look.theme;
    let name = scene.run.system.as_ref().and_then(|system| system.gpu.as_ref()).map(|gpu| plain_text(&gpu.name));
    let note = scene.run.started.as_ref().map(|started| plain_text(&started.device_note)).unwrap_or_default();
    let mut line = Line::from(Span::styled(format!(" {note}  "), theme.style(theme.dim)));
    if let Some(name) = name {
        line.spans.insert(0, Span::styled(format!(" {name} "), theme.bold(theme.text)));
    }
    frame.render_widget(line, Rect { height: 1.min(body.height), ..body });
    for (panel, area) in plan(scene.run, body) {
        panels::draw(frame, area, scene, panel);
    }
}

/// What a chart of the machine shows.
pub fn content(scene: Scene<'_>, panel: Panel) -> Content<'_> {
    let (machine, theme) = (&scene.run.machine, &scene.look.theme);
    let gpu = scene.run.system.as_ref().and_then(|system| system.gpu.as_ref());
    let of = |total: Option<u64>| total.map(|total| format!("of {}", bytes(total as f64))).unwrap_or_default();
    let content = match panel {
        Panel::GpuMemory => {
            let mut content = both(
                scene,
                ("GPU memory", Unit::Bytes),
                ("all", &machine.gpu_memory, theme.raw),
                ("process", &machine.gpu_process, theme.memory),
            );
            content.note = of(gpu.map(|gpu| gpu.memory_total));
            content
        }
        Panel::Utilization => Content {
            include: &[0.0, 100.0],
            note: "share of time in which it computed".into(),
            ..plain(scene, "GPU utilization", Unit::Percent, &machine.utilization, theme.throughput)
        },
        Panel::Power => Content {
            note: gpu
                .and_then(|gpu| gpu.power_limit)
                .map(|limit| format!("W, of {limit:.0} W"))
                .unwrap_or_else(|| "W".into()),
            ..plain(scene, "GPU power", Unit::Number, &machine.power, theme.learning_rate)
        },
        Panel::Temperature => Content {
            note: if scene.look.ascii { "C" } else { "°C" }.into(),
            ..plain(scene, "GPU temperature", Unit::Number, &machine.temperature, theme.loss)
        },
        Panel::Cpu => {
            let mut content = both(
                scene,
                ("CPU", Unit::Percent),
                ("machine", &machine.cpu, theme.raw),
                ("process", &machine.process_cpu, theme.accent),
            );
            content.include = &[0.0];
            content.note = "process of one core, machine of all".into();
            content
        }
        Panel::Disk => Content {
            note: of(scene.run.system.as_ref().and_then(|system| system.disk_total)),
            ..plain(scene, "Disk free for the run", Unit::Bytes, &machine.disk_free, theme.selected)
        },
        _ => {
            let mut content = both(
                scene,
                ("Memory", Unit::Bytes),
                ("machine", &machine.used, theme.raw),
                ("process", &machine.rss, theme.memory),
            );
            content.note = of(scene.run.system.as_ref().map(|system| system.memory_total));
            content
        }
    };
    Content { waiting: "waiting for the first sample", ..content }
}

type Named<'a> = (&'a str, &'a Series, Hue);

/// Two curves in one chart: a whole, and this process's part.
fn both<'a>(scene: Scene<'a>, (name, unit): (&'a str, Unit), all: Named<'a>, own: Named<'a>) -> Content<'a> {
    let theme = &scene.look.theme;
    let curve = |(name, series, hue): Named<'a>| Curve { name, series, style: theme.style(hue), shape: Shape::Line };
    let now = [own, all].into_iter().filter_map(|(name, series, hue)| {
        Some(Span::styled(format!("{name} {}", unit.text(series.last()?)), theme.bold(hue)))
    });
    Content { now: now.collect(), curves: vec![curve(all), curve(own)], ..plain(scene, name, unit, own.1, own.2) }
}
