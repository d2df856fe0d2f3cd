//! What each chart of the machine and its GPU shows.

use ratatui::text::Span;

use super::content::{Content, plain};
use super::panel::Panel;
use super::scene::Scene;
use crate::series::Series;
use crate::ui::format::{Unit, bytes};
use crate::ui::theme::Hue;
use crate::ui::widgets::chart::{Curve, Shape};

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
