//! The content of each chart of the System tab.

use ratatui::text::Span;

use super::content::{ChartContent, single};
use super::panel::Panel;
use super::scene::Scene;
use crate::series::Series;
use crate::ui::format::{Unit, bytes};
use crate::ui::theme::Hue;
use crate::ui::widgets::chart::Curve;

/// The content of a chart of this tab.
pub(super) fn content(scene: Scene<'_>, panel: Panel) -> ChartContent<'_> {
    let (machine, theme) = (&scene.run.machine, &scene.look.theme);
    let gpu = scene.run.system.as_ref().and_then(|system| system.gpu.as_ref());
    let of = |total: Option<u64>| total.map(|total| format!("of {}", bytes(total as f64))).unwrap_or_default();
    let ranks = &scene.run.ranks;
    let content = match panel {
        Panel::RankWait => {
            let mean = NamedSeries { name: "mean", series: &ranks.mean_wait, hue: theme.raw };
            let longest = NamedSeries { name: "longest", series: &ranks.longest_wait, hue: theme.throughput };
            ChartContent {
                include: &[0.0, 50.0],
                note: "of each step".into(),
                ..pair(scene, "Wait", Unit::Percent, mean, longest)
            }
        }
        Panel::RankCompute => {
            let median = NamedSeries { name: "median", series: &ranks.median, hue: theme.raw };
            let slowest = NamedSeries { name: "slowest", series: &ranks.slowest, hue: theme.learning_rate };
            ChartContent {
                include: &[0.0],
                note: "s per step".into(),
                ..pair(scene, "Compute", Unit::Number, median, slowest)
            }
        }
        Panel::GpuMemory => {
            let device = NamedSeries { name: "used", series: &machine.gpu_memory, hue: theme.raw };
            let process = NamedSeries { name: "process", series: &machine.gpu_process, hue: theme.memory };
            ChartContent {
                note: of(gpu.map(|gpu| gpu.memory_total)),
                ..pair(scene, "GPU memory", Unit::Bytes, device, process)
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
                ..pair(scene, "CPU", Unit::Percent, all, process)
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
                ..pair(scene, "Memory", Unit::Bytes, all, process)
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

/// A chart of two curves: of the whole machine's or device's use and this process's part, or of all ranks and one of
/// them. The second lies on top.
fn pair<'a>(
    scene: Scene<'a>,
    name: &'a str,
    unit: Unit,
    below: NamedSeries<'a>,
    above: NamedSeries<'a>,
) -> ChartContent<'a> {
    let theme = &scene.look.theme;
    let latest = [&above, &below].into_iter().filter_map(|NamedSeries { name, series, hue }| {
        Some(Span::styled(format!("{name} {}", unit.text(scene.value(series)?)), theme.bold(*hue)))
    });
    let curve = |&NamedSeries { name, series, hue }: &NamedSeries<'a>| Curve::line(name, series, theme.style(hue));
    ChartContent {
        latest: latest.collect(),
        curves: vec![curve(&below), curve(&above)],
        ..single(scene, name, unit, above.series, above.hue)
    }
}
