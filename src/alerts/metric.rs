//! The metrics that rules can name, and their values in events.

use crate::metrics::Metrics;
use crate::protocol::{Event, PERPLEXITY, RankSample};
use crate::quantity::bytes;

/// A metric of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    Loss,
    GradNorm,
    LearningRate,
    TokensPerSecond,
    EvalLoss,
    /// A score of an evaluation, by its name.
    Score(String),
    GradientMass,
    /// GPU memory where there is a GPU, else the resident set of the process, as in the chart.
    Memory,
    DiskFree,
    Cpu,
    GpuUtilization,
    GpuMemory,
    GpuTemperature,
    GpuPower,
    /// The longest wait of a rank for others, as a share of a step.
    RankWait,
    /// Seconds since the latest sample of the rank that is the longest without one.
    RankAge,
}

/// The names of the metrics other than scores.
const NAMES: [(&str, Metric); 15] = [
    ("loss", Metric::Loss),
    ("grad_norm", Metric::GradNorm),
    ("learning_rate", Metric::LearningRate),
    ("tokens_per_second", Metric::TokensPerSecond),
    ("eval_loss", Metric::EvalLoss),
    ("gradient_mass", Metric::GradientMass),
    ("memory", Metric::Memory),
    ("disk_free", Metric::DiskFree),
    ("cpu", Metric::Cpu),
    ("gpu_utilization", Metric::GpuUtilization),
    ("gpu_memory", Metric::GpuMemory),
    ("gpu_temperature", Metric::GpuTemperature),
    ("gpu_power", Metric::GpuPower),
    ("rank_wait", Metric::RankWait),
    ("rank_age", Metric::RankAge),
];

/// The suffix of the scores of MNLI's second split.
const SECOND_SPLIT: &str = "_mismatched";

/// The unit of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Number,
    Percent,
    Bytes,
}

impl Metric {
    /// The metric of a name.
    pub(super) fn named(name: &str) -> Option<Metric> {
        let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, metric)| metric.clone());
        let is_score = scores().any(|score| name.strip_suffix(SECOND_SPLIT).unwrap_or(name) == score);
        known.or_else(|| is_score.then(|| Metric::Score(name.to_owned())))
    }

    /// The names of all metrics.
    pub(super) fn names() -> Vec<&'static str> {
        NAMES.iter().map(|(name, _)| *name).chain(scores()).collect()
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Metric::Score(name) => name,
            metric => NAMES.iter().find(|(_, known)| known == metric).map_or("", |(name, _)| name),
        }
    }

    /// Its value, if this event has one.
    pub(super) fn of(&self, event: &Event) -> Option<f64> {
        match (self, event) {
            (Metric::Loss, Event::Step(step)) => Some(step.loss),
            (Metric::GradNorm, Event::Step(step)) => Some(step.grad_norm),
            (Metric::LearningRate, Event::Step(step)) => Some(step.learning_rate),
            (Metric::TokensPerSecond, Event::Step(step)) => Some(step.tokens_per_second),
            (Metric::EvalLoss, Event::Eval(eval)) => Some(eval.loss),
            (Metric::Score(name), Event::Eval(eval)) => eval.score(name),
            (Metric::GradientMass, Event::Mass(mass)) => Some(mass.overall),
            (Metric::Memory, Event::System(system)) => {
                Some(system.gpu.as_ref().map_or(system.process_rss, |gpu| gpu.memory_used) as f64)
            }
            (Metric::DiskFree, Event::System(system)) => system.disk_free.map(|free| free as f64),
            (Metric::Cpu, Event::System(system)) => Some(system.cpu),
            (Metric::GpuUtilization, Event::System(system)) => Some(system.gpu.as_ref()?.utilization),
            (Metric::GpuMemory, Event::System(system)) => Some(system.gpu.as_ref()?.memory_used as f64),
            // 0 stands for a number that the GPU does not report.
            (Metric::GpuTemperature, Event::System(system)) => {
                Some(system.gpu.as_ref()?.temperature).filter(|degrees| *degrees > 0.0)
            }
            (Metric::GpuPower, Event::System(system)) => Some(system.gpu.as_ref()?.power).filter(|watts| *watts > 0.0),
            (Metric::RankWait, Event::Ranks(ranks)) => {
                let share = |rank: &RankSample| 100.0 * rank.wait_seconds / rank.step_seconds;
                largest(ranks.ranks.iter().filter(|rank| rank.step_seconds > 0.0).map(share))
            }
            (Metric::RankAge, Event::Ranks(ranks)) => largest(ranks.ranks.iter().map(|rank| rank.age)),
            _ => None,
        }
    }

    pub(super) fn unit(&self) -> Unit {
        match self {
            Metric::Memory | Metric::DiskFree | Metric::GpuMemory => Unit::Bytes,
            Metric::GradientMass | Metric::Cpu | Metric::GpuUtilization | Metric::RankWait => Unit::Percent,
            _ => Unit::Number,
        }
    }

    /// A value with its unit.
    pub(super) fn text(&self, value: f64) -> String {
        match self.unit() {
            Unit::Bytes => bytes(value),
            Unit::Percent => format!("{} %", rounded(value)),
            Unit::Number => rounded(value),
        }
    }
}

/// The largest number.
fn largest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.filter(|value| value.is_finite()).max_by(f64::total_cmp)
}

/// The scores of all tasks.
fn scores() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&str> = Metrics::ALL.iter().flat_map(|metrics| metrics.names()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().chain([PERPLEXITY])
}

/// At most four decimals, or an exponent.
fn rounded(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 {
        let text = format!("{value:.2e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'));
    }
    format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
}
