//! What runs are compared by: one chart each.

use super::curves::RunCurves;
use crate::series::Series;
use crate::ui::format::{Unit, plain, score};
use crate::ui::smoothing::Smoothing;
use crate::ui::widgets::chart::Shape;

/// A metric of a run over its steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    #[default]
    Loss,
    EvalLoss,
    /// A score of the evaluations, by its name.
    Score(String),
    Mass,
    Update,
    LearningRate,
    GradNorm,
    Throughput,
    Memory,
}

impl Metric {
    /// The metrics of which some run has a point, in the order of the screen. The loss is always among them.
    pub fn of<'a>(runs: impl Iterator<Item = &'a RunCurves> + Clone) -> Vec<Metric> {
        // The score that the first run's best checkpoint is chosen by comes first.
        let best = runs.clone().find_map(|run| run.scores.get_key_value(&run.best)).map(|(name, _)| name);
        let mut scores: Vec<&String> = runs.clone().flat_map(|run| run.scores.keys()).collect();
        scores.sort_by_key(|name| (Some(*name) != best, *name));
        scores.dedup();
        let mut metrics = vec![Metric::Loss, Metric::EvalLoss];
        metrics.extend(scores.into_iter().cloned().map(Metric::Score));
        metrics.extend([
            Metric::Mass,
            Metric::Update,
            Metric::LearningRate,
            Metric::GradNorm,
            Metric::Throughput,
            Metric::Memory,
        ]);
        let measured = |metric: &Metric| {
            let has_points =
                |run: &RunCurves| metric.series(run, Smoothing::None).is_some_and(|it| it.last().is_some());
            *metric == Metric::Loss || runs.clone().any(has_points)
        };
        metrics.retain(measured);
        metrics
    }

    /// The curve of a run; `None` for a score that it does not have.
    pub fn series<'a>(&self, run: &'a RunCurves, smoothing: Smoothing) -> Option<&'a Series> {
        Some(match self {
            Metric::Loss => smoothing.of(&run.loss),
            Metric::EvalLoss => &run.eval_loss,
            Metric::Score(name) => run.scores.get(name)?,
            Metric::Mass => &run.mass,
            Metric::Update => &run.update,
            Metric::LearningRate => &run.learning_rate,
            Metric::GradNorm => smoothing.of(&run.grad_norm),
            Metric::Throughput => smoothing.of(&run.throughput),
            Metric::Memory => &run.memory,
        })
    }

    /// Whether its curves are smoothed.
    pub fn is_smoothed(&self) -> bool {
        matches!(self, Metric::Loss | Metric::GradNorm | Metric::Throughput)
    }

    /// The name, as titles have it.
    pub fn name(&self) -> String {
        match self {
            Metric::Loss => "Loss".into(),
            Metric::EvalLoss => "Eval loss".into(),
            Metric::Score(name) => plain(name),
            Metric::Mass => "Gradient mass".into(),
            Metric::Update => "Update size".into(),
            Metric::LearningRate => "Learning rate".into(),
            Metric::GradNorm => "Gradient norm".into(),
            Metric::Throughput => "Tokens/s".into(),
            Metric::Memory => "Memory".into(),
        }
    }

    pub fn unit(&self) -> Unit {
        match self {
            Metric::Mass | Metric::Update => Unit::Percent,
            Metric::Memory => Unit::Bytes,
            _ => Unit::Number,
        }
    }

    /// A value as text, with as many decimals as other values of the metric where that is readable.
    pub fn text(&self, value: f64) -> String {
        match self {
            Metric::Score(_) => score(value),
            Metric::Loss | Metric::EvalLoss | Metric::GradNorm if (1e-3..1e3).contains(&value.abs()) => {
                format!("{value:.4}")
            }
            _ => self.unit().text(value),
        }
    }

    /// Evaluations are few, so that each has a mark.
    pub fn shape(&self) -> Shape {
        if matches!(self, Metric::EvalLoss | Metric::Score(_)) { Shape::MarkedLine } else { Shape::Line }
    }

    /// Whether a logarithmic axis makes sense. A size is compared with the whole, and a score may be negative.
    pub(super) fn is_positive(&self) -> bool {
        !matches!(self, Metric::Memory | Metric::Score(_))
    }
}
