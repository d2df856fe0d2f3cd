//! What a worker tells, a line of JSON each.

use serde::{Deserialize, Serialize};

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum WorkerMessage {
    /// It is ready to take steps.
    Opened(Opened),
    /// It took one.
    Step(Step),
    /// It cannot go on.
    Failed {
        /// Why.
        error: String,
        /// Whether it is the user's to mend.
        usage: bool,
    },
}

/// A method before its first step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Opened {
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Threads that libtorch computes with.
    pub threads: i32,
    /// Parameters of the network.
    pub parameters: u64,
    /// Components that are trained.
    pub trained: u64,
    /// Bytes in use before the model was there: of this process, or of the GPU where that computes.
    pub base: Option<u64>,
    /// Bytes in use with the model.
    pub loaded: Option<u64>,
    /// Seconds for the model and the selection.
    pub setup: f64,
    /// What the memory plan says.
    pub plan: Vec<PredictedMemory>,
}

/// A part of the memory plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PredictedMemory {
    /// What it is for.
    pub part: String,
    /// Bytes.
    pub bytes: u64,
}

/// A step.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Whether it counts, or only warms up.
    pub timed: bool,
    /// How long it took.
    pub seconds: f64,
    /// Seconds that its batch took to be laid out before; 0 for one that was there.
    pub batch_seconds: f64,
    /// The loss before the update.
    pub loss: f64,
    /// Tokens, padding left out.
    pub tokens: u64,
    /// The most bytes in use since steps are timed, or since the beginning while they are not.
    pub peak: Option<u64>,
}

/// All that one method told.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub method: String,
    /// Before its first step.
    #[serde(flatten)]
    pub opened: Option<Opened>,
    /// Losses of all steps, warm-up first.
    pub losses: Vec<f64>,
    /// Seconds of each timed step.
    pub seconds: Vec<f64>,
    /// The middle one, and the least.
    pub median: Option<f64>,
    #[expect(missing_docs, reason = "told with the median")]
    pub least: Option<f64>,
    /// Seconds that laying out a step's batch took, at the median.
    pub batch_seconds: Option<f64>,
    /// Tokens that a step took on the average, padding left out, by the median of its seconds.
    pub tokens_per_second: Option<f64>,
    /// The most bytes in use during timed steps.
    pub steps_peak: Option<u64>,
    /// The most bytes in use before: with loading and selection, and the steps that warm up.
    pub start_peak: Option<u64>,
    /// Why there is no more of it.
    pub failed: Option<String>,
}

impl Report {
    /// Of a method that has told nothing yet.
    pub fn new(method: &str) -> Report {
        Report {
            method: method.to_owned(),
            opened: None,
            losses: Vec::new(),
            seconds: Vec::new(),
            median: None,
            least: None,
            batch_seconds: None,
            tokens_per_second: None,
            steps_peak: None,
            start_peak: None,
            failed: None,
        }
    }

    /// Of a method that told all this.
    pub fn of(method: &str, opened: Option<Opened>, steps: &[Step], failed: Option<String>) -> Report {
        let timed: Vec<&Step> = steps.iter().filter(|step| step.timed).collect();
        let seconds: Vec<f64> = timed.iter().map(|step| step.seconds).collect();
        let middle = median(&seconds);
        let tokens = timed.iter().map(|step| step.tokens).sum::<u64>() as f64 / timed.len().max(1) as f64;
        Report {
            opened,
            losses: steps.iter().map(|step| step.loss).collect(),
            median: middle,
            least: seconds.iter().copied().reduce(f64::min),
            batch_seconds: median(&timed.iter().map(|step| step.batch_seconds).collect::<Vec<_>>()),
            tokens_per_second: middle.map(|middle| tokens / middle),
            steps_peak: timed.iter().filter_map(|step| step.peak).max(),
            start_peak: steps.iter().filter(|step| !step.timed).filter_map(|step| step.peak).max(),
            seconds,
            failed,
            ..Report::new(method)
        }
    }

    /// Bytes that the plan foresees, all parts together.
    pub fn foreseen(&self) -> u64 {
        self.opened.iter().flat_map(|opened| &opened.plan).map(|part| part.bytes).sum()
    }
}

/// The middle one, or the mean of the middle two.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => None,
        (length, middle) if length % 2 == 1 => Some(sorted[middle]),
        (_, middle) => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_warms_up_does_not_count() {
        let step = |timed, seconds, peak| Step { timed, seconds, batch_seconds: 0.0, loss: seconds, tokens: 100, peak };
        let steps = [
            step(false, 9.0, Some(900)),
            step(true, 2.0, Some(50)),
            step(true, 1.0, Some(70)),
            step(true, 4.0, Some(60)),
            step(true, 3.0, None),
        ];
        let report = Report::of("full", None, &steps, None);
        assert_eq!((report.median, report.least), (Some(2.5), Some(1.0)));
        assert_eq!((report.steps_peak, report.start_peak), (Some(70), Some(900)));
        assert_eq!(report.tokens_per_second, Some(40.0));
        assert_eq!((report.losses.len(), report.seconds.len()), (5, 4));
        let nothing = Report::of("full", None, &[], Some("gone".into()));
        assert_eq!((nothing.median, nothing.tokens_per_second, nothing.steps_peak), (None, None, None));
    }
}
