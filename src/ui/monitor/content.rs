//! The content of each chart: its curves, their unit, and the values in its title.

use ratatui::text::Span;

use super::panel::Panel;
use super::scene::Scene;
use super::{overlay_view, system_content};
use crate::protocol::Started;
use crate::runs::SmoothedSeries;
use crate::series::Series;
use crate::ui::format::{Unit, bytes, number, score};
use crate::ui::smoothing::Smoothing;
use crate::ui::theme::Hue;
use crate::ui::widgets::chart::{Curve, Shape};
use crate::ui::widgets::panel::Title;

/// The content of a chart.
pub(super) struct ChartContent<'a> {
    pub name: &'a str,
    /// The latest values, in their curves' colours.
    pub latest: Vec<Span<'a>>,
    /// A remark in the title.
    pub note: String,
    /// In drawing order: later curves lie on top.
    pub curves: Vec<Curve<'a>>,
    pub unit: Unit,
    /// Whether a logarithmic axis makes sense.
    pub positive: bool,
    /// Values that the y axis always includes.
    pub include: &'static [f64],
    /// The text of a chart without points.
    pub waiting: &'static str,
}

impl<'a> ChartContent<'a> {
    /// The content of a panel's chart, with the curves of overlaid runs beneath.
    pub(super) fn new(scene: Scene<'a>, panel: Panel) -> ChartContent<'a> {
        let mut content = ChartContent::without_overlays(scene, panel);
        let others = overlay_view::curves(scene, panel);
        if !others.is_empty() {
            content.distinguish(scene, panel);
            content.curves.splice(0..0, others);
        }
        content
    }

    /// Leaves out the raw trace, and gives the curve that is compared a colour which no other run has.
    fn distinguish(&mut self, scene: Scene<'a>, panel: Panel) {
        self.curves.retain(|curve| !curve.faint);
        let compared = panel.compared(scene.run, scene.view.smoothing);
        for curve in &mut self.curves {
            if compared.is_some_and(|compared| std::ptr::eq(compared, curve.series)) {
                curve.style = scene.own_style();
            }
        }
        if let Some(latest) = self.latest.first_mut() {
            latest.style = scene.own_style();
        }
    }

    /// Moves the values and the note into the title of the chart's panel.
    pub(super) fn take_title(&mut self) -> Title<'a> {
        Title { name: self.name, values: std::mem::take(&mut self.latest), note: std::mem::take(&mut self.note) }
    }

    fn without_overlays(scene: Scene<'a>, panel: Panel) -> ChartContent<'a> {
        let (run, theme) = (scene.run, &scene.look.theme);
        let target = |number: usize| run.targets.all.get(number);
        match panel {
            Panel::Loss => loss(scene),
            Panel::Score => scores(scene),
            Panel::Mass => ChartContent {
                note: "covered by the selection".into(),
                waiting: match &run.selected {
                    Some(selected) if selected.total == 0 => "no selection to measure",
                    _ => "waiting for the selection",
                },
                ..single(scene, "Gradient mass", Unit::Percent, &run.mass, theme.mass)
            },
            Panel::Memory => memory(scene),
            Panel::Throughput => ChartContent {
                note: "tokens/s".into(),
                ..averaged(scene, "Throughput", &run.throughput, theme.throughput, theme.raw)
            },
            Panel::LearningRate => {
                single(scene, "Learning rate", Unit::Number, &run.learning_rate, theme.learning_rate)
            }
            Panel::GradNorm | Panel::Selected => ChartContent {
                note: "before clipping".into(),
                ..averaged(scene, "Gradient norm", &run.grad_norm, theme.grad_norm, theme.raw)
            },
            Panel::TargetMass(number) => ChartContent {
                note: target(number).map(|target| target.name.clone()).unwrap_or_default(),
                waiting: "waiting for a measurement",
                ..single(
                    scene,
                    "Gradient mass",
                    Unit::Percent,
                    target(number).map_or(&run.mass, |target| &target.mass),
                    theme.mass,
                )
            },
            Panel::TargetUpdate(number) => ChartContent {
                note: if scene.look.ascii { "|w - w0| / |w0|" } else { "‖w − w₀‖ / ‖w₀‖" }.into(),
                waiting: "waiting for a measurement",
                ..single(
                    scene,
                    "Update size",
                    Unit::Percent,
                    target(number).map_or(&run.mass, |target| &target.update),
                    theme.evaluation,
                )
            },
            machine => system_content::content(scene, machine),
        }
    }
}

fn loss(scene: Scene<'_>) -> ChartContent<'_> {
    let (run, theme) = (scene.run, &scene.look.theme);
    let mut content = averaged(scene, "Loss", &run.loss, theme.loss, theme.loss_raw);
    let style = theme.style(theme.evaluation);
    content.curves.push(Curve { shape: Shape::Marks, ..Curve::line("eval", &run.eval_loss, style) });
    if let Some(loss) = scene.value(&run.eval_loss) {
        let mark = if scene.look.ascii { "o" } else { "◆" };
        content.latest.push(Span::styled(format!("{mark} {}", number(loss)), theme.bold(theme.evaluation)));
    }
    if let Some(best) = run.eval_loss.buckets().iter().map(|bucket| bucket.min).reduce(f64::min) {
        content.note = format!("best eval loss {}", number(best));
    }
    content
}

fn scores<'a>(scene: Scene<'a>) -> ChartContent<'a> {
    let (run, theme) = (scene.run, &scene.look.theme);
    let hues = [theme.score, theme.evaluation, theme.selected, theme.accent];
    let best_metric = run.started.as_ref().map(|started| started.best.as_str()).unwrap_or_default();
    let mut scores: Vec<(&'a String, &'a Series)> = run.scores.iter().collect();
    // The metric that decides which checkpoint is best comes first: it has the score's colour and is drawn on top.
    scores.sort_by_key(|(name, _)| *name != best_metric);
    let coloured = || scores.iter().zip(hues);
    let latest = coloured()
        .filter_map(|((name, series), hue)| Some((name, scene.value(series)?, hue)))
        .map(|(name, value, hue)| Span::styled(format!("{name} {}", score(value)), theme.bold(hue)));
    let best =
        run.best().and_then(|best| Some(format!("best {} at step {}", score(best.score(best_metric)?), best.step)));
    let curve = |(name, series): &(&'a String, &'a Series), hue: Hue| Curve {
        shape: Shape::MarkedLine,
        ..Curve::line(name, series, theme.style(hue))
    };
    ChartContent {
        name: "Evaluation",
        latest: latest.collect(),
        note: best.unwrap_or_default(),
        curves: coloured().map(|(named, hue)| curve(named, hue)).rev().collect(),
        unit: Unit::Number,
        positive: false,
        include: &[],
        waiting: "waiting for an evaluation",
    }
}

/// What the state of the trained components is called: other methods than SIFT have no selection in it.
pub(super) fn state_name(scene: Scene) -> &'static str {
    match scene.run.started.as_ref().and_then(Started::method_words) {
        Some(_) => "optimizer",
        None => "SIFT state",
    }
}

fn memory(scene: Scene<'_>) -> ChartContent<'_> {
    let run = scene.run;
    let gpu = run.system.as_ref().is_some_and(|system| system.gpu.is_some());
    let note = run.account.as_ref().map(|account| {
        let state = bytes((account.optimizer + account.indices) as f64);
        format!("weights {}, {} {state}", bytes(account.weights as f64), state_name(scene))
    });
    ChartContent {
        note: note.unwrap_or_default(),
        waiting: "waiting for a measurement",
        ..single(
            scene,
            if gpu { "GPU memory" } else { "Process memory" },
            Unit::Bytes,
            &run.memory,
            scene.look.theme.memory,
        )
    }
}

/// A chart of one curve.
pub(super) fn single<'a>(
    scene: Scene<'a>,
    name: &'a str,
    unit: Unit,
    series: &'a Series,
    hue: Hue,
) -> ChartContent<'a> {
    let theme = &scene.look.theme;
    ChartContent {
        name,
        latest: scene.value(series).map(|value| Span::styled(unit.text(value), theme.bold(hue))).into_iter().collect(),
        note: String::new(),
        curves: vec![Curve::line(name, series, theme.style(hue))],
        unit,
        // A size is compared with the whole, which a logarithmic axis hides.
        positive: unit != Unit::Bytes,
        include: &[],
        waiting: "waiting for the first step",
    }
}

/// A chart of a smoothed curve above the raw one.
fn averaged<'a>(
    scene: Scene<'a>,
    name: &'a str,
    curve: &'a SmoothedSeries,
    hue: Hue,
    raw_hue: Hue,
) -> ChartContent<'a> {
    let mut content = single(scene, name, Unit::Number, scene.view.smoothing.of(curve), hue);
    if scene.view.smoothing != Smoothing::None {
        let style = scene.look.theme.style(raw_hue);
        content.curves[0].name = "smoothed";
        content.curves.insert(0, Curve { faint: true, ..Curve::line("raw", &curve.raw, style) });
    }
    content
}
