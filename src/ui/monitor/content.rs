//! What each chart of the monitor shows: its curves, their unit, and the numbers in its title.

use ratatui::style::Modifier;
use ratatui::text::Span;

use super::panel::Panel;
use super::scene::Scene;
use super::smoothing::Smoothing;
use super::system_content;
use crate::runs::SmoothedSeries;
use crate::series::Series;
use crate::ui::format::{Unit, bytes, number, score};
use crate::ui::theme::Hue;
use crate::ui::widgets::chart::{Curve, Shape};

/// What a chart shows.
pub struct Content<'a> {
    /// Its name.
    pub name: &'a str,
    /// The values now, in their curves' colours.
    pub now: Vec<Span<'a>>,
    /// What else there is to say.
    pub note: String,
    /// The curves, later ones on top.
    pub curves: Vec<Curve<'a>>,
    /// What values count.
    pub unit: Unit,
    /// Whether a logarithmic scale makes sense.
    pub positive: bool,
    /// Values that the scale includes in any case.
    pub include: &'static [f64],
    /// What the chart waits for.
    pub waiting: &'static str,
}

impl<'a> Content<'a> {
    /// Of a panel that holds a chart, with other runs' curves beneath.
    pub fn of(scene: Scene<'a>, panel: Panel) -> Content<'a> {
        let mut content = Content::own(scene, panel);
        let theme = &scene.look.theme;
        let hues = [theme.throughput, theme.mass, theme.selected, theme.learning_rate, theme.memory];
        let others = scene.overlays.iter().zip(hues.into_iter().cycle()).filter_map(|((name, run), hue)| {
            let series = panel.shown(run, scene.view.smoothing)?;
            Some(Curve { name, series, style: theme.style(hue).add_modifier(Modifier::DIM), shape: Shape::Line })
        });
        content.curves.splice(0..0, others);
        content
    }

    fn own(scene: Scene<'a>, panel: Panel) -> Content<'a> {
        let (run, theme) = (scene.run, &scene.look.theme);
        let target = |number: usize| run.targets.all.get(number);
        match panel {
            Panel::Loss => loss(scene),
            Panel::Score => scores(scene),
            Panel::Mass => Content {
                note: "share of the gradient that is selected".into(),
                waiting: "waiting for the selection",
                ..plain(scene, "Gradient mass", Unit::Percent, &run.mass, theme.mass)
            },
            Panel::Memory => memory(scene),
            Panel::Throughput => Content {
                note: "tokens/s".into(),
                ..averaged(scene, "Throughput", &run.throughput, theme.throughput, theme.raw)
            },
            Panel::LearningRate => plain(scene, "Learning rate", Unit::Number, &run.learning_rate, theme.learning_rate),
            Panel::GradNorm | Panel::Selected => Content {
                note: "before clipping".into(),
                ..averaged(scene, "Gradient norm", &run.grad_norm, theme.grad_norm, theme.raw)
            },
            Panel::TargetMass(number) => Content {
                note: target(number).map(|target| target.name.clone()).unwrap_or_default(),
                waiting: "waiting for a measurement",
                ..plain(
                    scene,
                    "Gradient mass",
                    Unit::Percent,
                    target(number).map_or(&run.mass, |target| &target.mass),
                    theme.mass,
                )
            },
            Panel::TargetUpdate(number) => Content {
                note: if scene.look.ascii { "|w - w0| / |w0|" } else { "‖w − w₀‖ / ‖w₀‖" }.into(),
                waiting: "no update size was told",
                ..plain(
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

fn loss(scene: Scene<'_>) -> Content<'_> {
    let (run, theme) = (scene.run, &scene.look.theme);
    let mut content = averaged(scene, "Loss", &run.loss, theme.loss, theme.loss_raw);
    let style = theme.style(theme.evaluation);
    content.curves.push(Curve { name: "evaluation", series: &run.eval_loss, style, shape: Shape::Marks });
    if let Some(loss) = run.eval_loss.last() {
        let mark = if scene.look.ascii { "o" } else { "◆" };
        content.now.push(Span::styled(format!("{mark} {}", number(loss)), theme.bold(theme.evaluation)));
    }
    if let Some(best) = run.eval_loss.buckets().iter().map(|bucket| bucket.min).reduce(f64::min) {
        content.note = format!("least evaluation loss {}", number(best));
    }
    content
}

fn scores<'a>(scene: Scene<'a>) -> Content<'a> {
    let (run, theme) = (scene.run, &scene.look.theme);
    let hues = [theme.score, theme.evaluation, theme.selected, theme.accent];
    let deciding = run.started.as_ref().map(|started| started.best.as_str()).unwrap_or_default();
    let mut scores: Vec<(&'a String, &'a Series)> = run.scores.iter().collect();
    // The deciding one comes first and so has the score's own colour; the first is drawn last.
    scores.sort_by_key(|(name, _)| *name != deciding);
    let coloured = || scores.iter().zip(hues);
    let now = coloured()
        .filter_map(|((name, series), hue)| Some((name, series.last()?, hue)))
        .map(|(name, value, hue)| Span::styled(format!("{name} {}", score(value)), theme.bold(hue)));
    let best =
        run.best().and_then(|best| Some(format!("best {} at step {}", score(*best.scores.get(deciding)?), best.step)));
    let curve = |(name, series): &(&'a String, &'a Series), hue: Hue| Curve {
        name,
        series,
        style: theme.style(hue),
        shape: Shape::MarkedLine,
    };
    Content {
        name: "Evaluation",
        now: now.collect(),
        note: best.unwrap_or_default(),
        curves: coloured().map(|(named, hue)| curve(named, hue)).rev().collect(),
        unit: Unit::Number,
        positive: false,
        include: &[],
        waiting: "waiting for an evaluation",
    }
}

fn memory(scene: Scene<'_>) -> Content<'_> {
    let run = scene.run;
    let gpu = run.system.as_ref().is_some_and(|system| system.gpu.is_some());
    let note = run.account.as_ref().map(|account| {
        let state = bytes((account.optimizer + account.indices) as f64);
        format!("weights {}, SIFT {state}", bytes(account.weights as f64))
    });
    Content {
        note: note.unwrap_or_default(),
        waiting: "waiting for the first sample",
        ..plain(
            scene,
            if gpu { "GPU memory" } else { "Process memory" },
            Unit::Bytes,
            &run.memory,
            scene.look.theme.memory,
        )
    }
}

/// One curve as it came.
pub fn plain<'a>(scene: Scene<'a>, name: &'a str, unit: Unit, series: &'a Series, hue: Hue) -> Content<'a> {
    let theme = &scene.look.theme;
    Content {
        name,
        now: series.last().map(|value| Span::styled(unit.text(value), theme.bold(hue))).into_iter().collect(),
        note: String::new(),
        curves: vec![Curve { name, series, style: theme.style(hue), shape: Shape::Line }],
        unit,
        positive: true,
        include: &[],
        waiting: "waiting for the first step",
    }
}

/// The raw curve, and the smoothed one above it.
fn averaged<'a>(scene: Scene<'a>, name: &'a str, curve: &'a SmoothedSeries, hue: Hue, raw_hue: Hue) -> Content<'a> {
    let mut content = plain(scene, name, Unit::Number, scene.view.smoothing.of(curve), hue);
    if scene.view.smoothing != Smoothing::None {
        let style = scene.look.theme.style(raw_hue);
        content.curves[0].name = "smoothed";
        content.curves.insert(0, Curve { name: "as it came", series: &curve.raw, style, shape: Shape::Line });
    }
    content
}
