//! Messages of a worker, a line of JSON each, and the report made from them.

use serde::{Deserialize, Serialize};

use super::operations::{CountedStep, Operations};
use super::profile::{Profile, RecordedStep};

/// A message of a worker process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum WorkerMessage {
    /// Ready for steps.
    Started(WorkerStart),
    /// A step was run.
    Step(StepTime),
    /// The worker ends.
    Failed {
        error: String,
        /// Whether it is a usage error.
        usage: bool,
    },
}

/// The state of a method before its first step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerStart {
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// What multiplies fp32 matrices: `f32`, `bf16 (AMX)`.
    pub matmul: String,
    /// CPU threads of libtorch.
    pub threads: i32,
    pub parameters: u64,
    /// Layers of the network.
    pub layers: usize,
    /// Trainable components.
    pub trained: u64,
    /// Bytes in use before the model is loaded: of this process, or of the GPU it computes on.
    pub base: Option<u64>,
    /// Bytes in use with the model loaded.
    pub loaded: Option<u64>,
    /// Seconds to load the model and select components.
    pub setup: f64,
    /// The memory estimate.
    pub plan: Vec<EstimatedPart>,
}

/// A part of the memory estimate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EstimatedPart {
    pub part: String,
    pub bytes: u64,
}

/// What a step is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// The first steps allocate memory and tune kernels.
    WarmUp,
    Timed,
    /// Recorded after the timed steps, since recording takes time.
    Profiled,
    /// Its operations are counted.
    Counted,
}

/// Time and memory of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepTime {
    pub kind: StepKind,
    pub seconds: f64,
    /// Seconds to collate the batch before the step.
    pub batch_seconds: f64,
    /// Loss before the update.
    pub loss: f64,
    /// Tokens without padding.
    pub tokens: u64,
    /// Peak bytes in use: of the timed steps so far, or since the start during warm-up.
    pub peak: Option<u64>,
    /// Most bytes of tensors so far besides the weights: in warm-up steps on a CPU.
    pub tensors_peak: Option<u64>,
    /// Page faults of the process, of all its threads.
    pub minor_faults: u64,
    /// Page faults that read from a disk.
    pub major_faults: u64,
    /// Of a profiled step.
    pub recorded: Option<RecordedStep>,
    /// Of a counted step.
    pub counted: Option<CountedStep>,
}

/// The measurements of one method.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub method: String,
    #[serde(flatten)]
    pub start: Option<WorkerStart>,
    /// Losses of all steps, warm-up and profiled ones included.
    pub losses: Vec<f64>,
    /// Seconds of each timed step.
    pub seconds: Vec<f64>,
    /// Median of the timed steps.
    pub median: Option<f64>,
    /// Minimum of the timed steps.
    #[serde(rename = "least")]
    pub min: Option<f64>,
    /// Median seconds to collate a step's batch.
    pub batch_seconds: Option<f64>,
    /// Mean tokens per step without padding, divided by the median step time.
    pub tokens_per_second: Option<f64>,
    /// Peak bytes in use during timed steps.
    pub steps_peak: Option<u64>,
    /// Peak bytes in use before: loading, selection and warm-up.
    pub start_peak: Option<u64>,
    /// Most bytes of tensors besides the weights, of selection and warm-up on a CPU.
    pub tensors_peak: Option<u64>,
    /// Median page faults of a timed step.
    pub minor_faults: Option<f64>,
    /// Page faults of all timed steps that read from a disk.
    #[serde(skip_serializing_if = "is_zero")]
    pub major_faults: u64,
    /// Of the profiled steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Of the counted steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Operations>,
    /// Why the method ended early.
    pub failed: Option<String>,
}

impl Report {
    /// Of a method that has not taken a step.
    pub fn new(method: &str) -> Report {
        Report {
            method: method.to_owned(),
            start: None,
            losses: Vec::new(),
            seconds: Vec::new(),
            median: None,
            min: None,
            batch_seconds: None,
            tokens_per_second: None,
            steps_peak: None,
            start_peak: None,
            tensors_peak: None,
            minor_faults: None,
            major_faults: 0,
            profile: None,
            operations: None,
            failed: None,
        }
    }

    /// From all messages of a worker.
    pub(super) fn of(method: &str, start: Option<WorkerStart>, steps: &[StepTime], failed: Option<String>) -> Report {
        let of = |kind: StepKind| steps.iter().filter(move |step| step.kind == kind);
        let timed: Vec<&StepTime> = of(StepKind::Timed).collect();
        let recorded: Vec<&RecordedStep> = of(StepKind::Profiled).filter_map(|step| step.recorded.as_ref()).collect();
        let counted: Vec<&CountedStep> = of(StepKind::Counted).filter_map(|step| step.counted.as_ref()).collect();
        let layers = start.as_ref().map_or(0, |start| start.layers);
        let seconds: Vec<f64> = timed.iter().map(|step| step.seconds).collect();
        let middle = median(&seconds);
        let tokens = timed.iter().map(|step| step.tokens).sum::<u64>() as f64 / timed.len().max(1) as f64;
        Report {
            start,
            losses: steps.iter().map(|step| step.loss).collect(),
            median: middle,
            min: seconds.iter().copied().reduce(f64::min),
            batch_seconds: median(&timed.iter().map(|step| step.batch_seconds).collect::<Vec<_>>()),
            tokens_per_second: middle.map(|middle| tokens / middle),
            steps_peak: timed.iter().filter_map(|step| step.peak).max(),
            start_peak: of(StepKind::WarmUp).filter_map(|step| step.peak).max(),
            tensors_peak: of(StepKind::WarmUp).filter_map(|step| step.tensors_peak).max(),
            minor_faults: median(&timed.iter().map(|step| step.minor_faults as f64).collect::<Vec<_>>()),
            major_faults: timed.iter().map(|step| step.major_faults).sum(),
            profile: Profile::of(&recorded),
            operations: Operations::of(&counted, layers),
            seconds,
            failed,
            ..Report::new(method)
        }
    }

    /// Estimated bytes, all parts together.
    pub fn estimate(&self) -> u64 {
        self.start.iter().flat_map(|start| &start.plan).map(|part| part.bytes).sum()
    }

    /// Estimated bytes of tensors besides the weights.
    pub fn estimated_tensors(&self) -> u64 {
        let parts = self.start.iter().flat_map(|start| &start.plan);
        parts.filter(|part| part.part != "weights" && part.part != "process").map(|part| part.bytes).sum()
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Of an even number of values, the mean of the middle two.
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
    fn only_timed_steps_are_measured() {
        let step = |kind, seconds: f64, peak| StepTime {
            tensors_peak: None,
            kind,
            seconds,
            batch_seconds: 0.0,
            loss: seconds,
            tokens: 100,
            peak,
            minor_faults: 10 * seconds as u64,
            major_faults: seconds as u64 % 2,
            recorded: None,
            counted: None,
        };
        let steps = [
            step(StepKind::WarmUp, 9.0, Some(900)),
            step(StepKind::Timed, 2.0, Some(50)),
            step(StepKind::Timed, 1.0, Some(70)),
            step(StepKind::Timed, 4.0, Some(60)),
            step(StepKind::Timed, 3.0, None),
            step(StepKind::Profiled, 11.0, Some(2000)),
        ];
        let report = Report::of("full", None, &steps, None);
        assert_eq!((report.median, report.min), (Some(2.5), Some(1.0)));
        assert_eq!((report.steps_peak, report.start_peak), (Some(70), Some(900)));
        assert_eq!(report.tokens_per_second, Some(40.0));
        assert_eq!((report.losses.len(), report.seconds.len()), (6, 4));
        assert_eq!((report.minor_faults, report.major_faults), (Some(25.0), 2));
        let nothing = Report::of("full", None, &[], Some("gone".into()));
        assert_eq!((nothing.median, nothing.tokens_per_second, nothing.steps_peak), (None, None, None));
    }
}
