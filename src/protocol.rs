//! Commands to the trainer and events from it: plain serde data.
//!
//! The same [`Event`] lines are the `events.jsonl` of a run and the output of `finesift train --json`, and the workbench
//! replays them. Scripts depend on the names: fields may be added, but not renamed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A command to the trainer, executed between optimizer steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Pause before the next optimizer step, without using the processor.
    Pause,
    /// Continue after [`Command::Pause`].
    Resume,
    /// Save a checkpoint now.
    Checkpoint,
    /// Evaluate on the held-out examples now.
    Evaluate,
    /// Generate a completion.
    Sample {
        /// The prompt, before the chat template is applied.
        prompt: String,
    },
    /// End the run.
    Stop {
        /// Whether to save a checkpoint first.
        save: bool,
    },
}

/// What the trainer reports, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run starts: model, data and hyperparameters.
    Started(Started),
    /// A run was resumed. Earlier events of later steps no longer count.
    Resumed(Resumed),
    /// The trainer entered a phase. Screens show only confirmed phases.
    Phase {
        /// The current phase.
        phase: Phase,
    },
    /// Progress of a long task: a download, tokenization, an evaluation.
    Progress(Progress),
    /// One optimizer step was taken.
    Step(Step),
    /// The components to train were selected.
    Selected(Selected),
    /// The gradient mass that the selection covers was measured.
    Mass(Mass),
    /// The held-out set was evaluated.
    Eval(Eval),
    /// The held-out examples with the highest loss in an evaluation.
    Examples(Examples),
    /// Memory that the run has allocated, in bytes.
    Memory(Memory),
    /// Load and memory of the machine, once a second.
    System(System),
    /// A completion for [`Command::Sample`].
    Sample {
        /// Optimizer steps taken before.
        step: u64,
        /// The prompt, as in the command.
        prompt: String,
        /// The completion.
        text: String,
    },
    /// A checkpoint is complete on disk.
    Checkpointed {
        /// Optimizer steps taken before.
        step: u64,
        /// Folder of the checkpoint.
        path: PathBuf,
        /// Size of its files in bytes.
        bytes: u64,
        /// Seconds that writing took, off the training thread.
        #[serde(default)]
        seconds: f64,
        /// Seconds that the training thread was blocked.
        #[serde(default)]
        held_up: f64,
    },
    /// A message for the user.
    Log {
        /// Severity.
        level: Level,
        /// The message, one line.
        message: String,
    },
    /// The last event of a run that completed or was stopped.
    Finished(Finished),
    /// The last event of a run that failed.
    Failed {
        /// What went wrong, and what to do.
        error: String,
        /// The latest checkpoint to resume from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<PathBuf>,
    },
}

/// The start of a run: model, data and hyperparameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Name of the run and of its folder.
    pub run: String,
    /// Name of the preset.
    pub preset: String,
    /// The preset's description.
    #[serde(default)]
    pub about: String,
    /// Hub id or folder of the base model.
    pub model: String,
    /// Task or file of the training data.
    pub data: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The device and why it was chosen.
    #[serde(default)]
    pub device_note: String,
    /// Type of the weights: `f32` or `bf16`.
    pub dtype: String,
    /// Number of training examples.
    pub examples: u64,
    /// Number of held-out examples.
    pub eval_examples: u64,
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// Passes over the training examples.
    pub epochs: f64,
    /// Batch size: examples per optimizer step.
    pub batch: u64,
    /// Share of each target's components that is trained, in 0..=1.
    pub rate: f64,
    /// Selection method: `gradient`, `magnitude` or `random`.
    pub select: String,
    /// Number of parameters of the model, including the head.
    pub parameters: u64,
    /// Name of the score that decides which evaluation is best.
    pub best: String,
    /// Where the run stops early: its whole patience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Patience>,
    /// Whether the model generates text, so that [`Command::Sample`] works.
    #[serde(default)]
    pub writes: bool,
    /// Version of finesift.
    pub version: String,
}

/// The start of a resumed run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// Name of the run.
    pub run: String,
    /// Optimizer steps taken at the checkpoint.
    pub step: u64,
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// Name of the score that decides which evaluation is best; empty in events of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub best: String,
    /// Where the run stops early: its patience at the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Patience>,
    /// The checkpoint that was loaded.
    pub checkpoint: PathBuf,
    /// Training time at the checkpoint, in seconds.
    pub elapsed: f64,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The device and why it was chosen.
    #[serde(default)]
    pub device_note: String,
    /// Version of finesift.
    pub version: String,
}

/// What the trainer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Downloading and tokenizing the data, loading the model.
    Preparing,
    /// Selecting the components to train.
    Selecting,
    /// Taking optimizer steps.
    Training,
    /// Evaluating the held-out set.
    Evaluating,
    /// Generating a completion for [`Command::Sample`].
    Sampling,
    /// Saving a checkpoint.
    Checkpointing,
    /// Paused by [`Command::Pause`].
    Paused,
}

/// Progress of a long task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Name of the task: "tokenizing train".
    pub task: String,
    /// Units done.
    pub done: u64,
    /// Total units; 0 if unknown.
    pub total: u64,
    /// The unit: `bytes`, `examples`, `batches`, …
    pub unit: String,
}

/// One optimizer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Number of the step, starting at 1.
    pub step: u64,
    /// Passes over the training examples so far, with a fraction.
    pub epoch: f64,
    /// Mean loss over the labels of the batch, before the update.
    #[serde(with = "number")]
    pub loss: f64,
    /// Learning rate of this update.
    pub learning_rate: f64,
    /// L2 norm of the gradient of all trainable parameters, before clipping.
    #[serde(with = "number")]
    pub grad_norm: f64,
    /// Tokens per second of this step, padding excluded.
    #[serde(with = "number")]
    pub tokens_per_second: f64,
    /// Training time so far in seconds, pauses excluded.
    #[serde(default)]
    pub elapsed: f64,
    /// Estimated training time left, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
}

/// The selected components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// Number of selected components in all targets.
    pub total: u64,
    /// Number of components of all targets.
    pub of: u64,
    /// Number of dense trainable parameters: the head.
    pub dense: u64,
    /// One entry per target, in the order of the model.
    pub targets: Vec<SelectedTarget>,
}

/// The selected components of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelectedTarget {
    /// Name of the parameter in the base checkpoint.
    pub name: String,
    /// Shape of the parameter.
    pub shape: Vec<i64>,
    /// Number of selected components.
    pub selected: u64,
}

/// Gradient mass covered by the selection: its share of the L2 norm of the gradient, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mass {
    /// Optimizer steps taken before the gradient was measured.
    pub step: u64,
    /// Gradient mass over all targets together, in percent.
    #[serde(with = "number")]
    pub overall: f64,
    /// One entry per target, in the order of the model.
    pub targets: Vec<TargetMass>,
}

/// Gradient mass covered in one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetMass {
    /// Name of the parameter in the base checkpoint.
    pub name: String,
    /// 100 · ‖selected‖ / ‖all‖, in percent.
    #[serde(with = "number")]
    pub mass: f64,
    /// Relative change of the selected components: 100 · ‖w − w₀‖ / ‖w₀‖, in percent. `None` if all pre-trained values
    /// w₀ are zero, as in some biases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<f64>,
}

/// The key of a language model's score in [`Eval::scores`].
pub const PERPLEXITY: &str = "perplexity";

/// The name of [`Eval::loss`] where scores are named.
pub const LOSS: &str = "loss";

/// An evaluation of the held-out set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eval {
    /// Optimizer steps taken before.
    pub step: u64,
    /// Passes over the training examples before.
    #[serde(default)]
    pub epoch: f64,
    /// Mean loss over the held-out set.
    #[serde(with = "number")]
    pub loss: f64,
    /// Metrics of the task by name, in 0..=1 or -1..=1.
    pub scores: BTreeMap<String, f64>,
    /// Whether it is the best evaluation of the run so far.
    #[serde(default)]
    pub best: bool,
    /// Where the run stops early: its patience after this evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Patience>,
}

impl Eval {
    /// A score by its name, or the loss. `None` if it was not measured or is not finite.
    pub fn score(&self, name: &str) -> Option<f64> {
        let score = if name == LOSS { Some(self.loss) } else { self.scores.get(name).copied() };
        score.filter(|score| score.is_finite())
    }
}

/// How long early stopping waits for a better evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Evaluations left, unless one of them is the best so far.
    pub left: u64,
    /// Evaluations without improvement after which the run stops.
    pub of: u64,
}

impl fmt::Display for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "patience {}/{}", self.left, self.of)
    }
}

/// The held-out examples with the highest loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Examples {
    /// Optimizer steps taken before the evaluation.
    pub step: u64,
    /// Number of evaluated examples.
    pub of: u64,
    /// Number of wrong predictions; `None` for regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<u64>,
    /// The examples, the highest loss first.
    pub examples: Vec<ExamplePrediction>,
}

/// A held-out example and its prediction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExamplePrediction {
    /// The text, or the first text of a pair; truncated if it is long.
    pub text: String,
    /// The second text of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// The predicted class or number.
    pub prediction: String,
    /// The expected class or number.
    pub label: String,
    /// Probability of the predicted class, in 0..=1; `None` for regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Loss of the example.
    #[serde(with = "number")]
    pub loss: f64,
}

/// Memory that the run has allocated, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Parameters of the model.
    pub weights: u64,
    /// Indices of the selected components.
    pub indices: u64,
    /// Optimizer state: fp32 masters, moments and gradients of all trainable parameters.
    pub optimizer: u64,
}

/// A sample of the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// Seconds since this process began to sample, pauses included. It starts at 0 again in a resumed run.
    pub at: f64,
    /// CPU load of this process, in percent of one core.
    pub process_cpu: f64,
    /// Resident set of this process, in bytes.
    pub process_rss: u64,
    /// CPU load of the machine, in percent of all cores.
    pub cpu: f64,
    /// Memory in use on the machine, in bytes.
    pub memory_used: u64,
    /// Memory of the machine, in bytes.
    pub memory_total: u64,
    /// Bytes free on the disk of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free: Option<u64>,
    /// Size of the disk of the run, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_total: Option<u64>,
    /// The GPU of the run, if it uses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
}

/// A sample of a GPU, from NVML.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Product name.
    pub name: String,
    /// Memory in use by all processes, in bytes.
    pub memory_used: u64,
    /// Memory in use by this process, in bytes. `None` if the driver does not report it: in a container it may know the
    /// process by another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_memory: Option<u64>,
    /// Memory of the GPU, in bytes.
    pub memory_total: u64,
    /// Share of time in which kernels ran, in percent.
    pub utilization: f64,
    /// Temperature in °C; 0 if not reported.
    pub temperature: f64,
    /// Power in watts; 0 if not reported.
    pub power: f64,
    /// Power limit in watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit: Option<f64>,
}

/// Severity of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For information.
    Info,
    /// May affect the result.
    Warning,
    /// A request failed.
    Error,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Why the run ended.
    pub reason: Reason,
    /// Optimizer steps taken.
    pub step: u64,
    /// Training time in seconds, pauses excluded.
    pub elapsed: f64,
    /// The best evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Eval>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// All steps were taken.
    Completed,
    /// [`Command::Stop`] or a signal.
    Stopped,
    /// Early stopping: the evaluations have not improved.
    EarlyStopped,
}

impl Reason {
    /// As screens and lists show it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Completed => "completed",
            Reason::Stopped => "stopped",
            Reason::EarlyStopped => "early-stopped",
        }
    }
}

impl Event {
    /// Whether no event follows this one.
    pub fn is_last(&self) -> bool {
        matches!(self, Event::Finished(_) | Event::Failed { .. })
    }

    /// A message of level [`Level::Info`].
    pub fn info(message: impl Into<String>) -> Event {
        Event::Log { level: Level::Info, message: message.into() }
    }

    /// A message of level [`Level::Warning`].
    pub fn warning(message: impl Into<String>) -> Event {
        Event::Log { level: Level::Warning, message: message.into() }
    }
}

/// Numbers that may not be finite. JSON has no NaN and no infinity: they are written as `null` and read as NaN.
mod number {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

/// Where the rows of a classification head come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadRows {
    /// The base checkpoint, in its order; a checkpoint without a head gets a new one.
    #[default]
    AsStored,
    /// The base checkpoint: row `i` is its row `order[i]`.
    Reordered(Vec<usize>),
    /// A new head, whatever the base checkpoint has.
    New,
}

impl HeadRows {
    /// Whether the rows are those of the base checkpoint in its order.
    pub fn is_as_stored(&self) -> bool {
        *self == HeadRows::AsStored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_flat_json_with_a_tag() {
        let phase = serde_json::to_string(&Event::Phase { phase: Phase::Paused }).unwrap();
        assert_eq!(phase, r#"{"event":"phase","phase":"paused"}"#);
        let eval = Event::Eval(Eval {
            step: 85,
            epoch: 1.0,
            loss: 0.5,
            scores: BTreeMap::from([("accuracy".into(), 0.87)]),
            best: true,
            patience: None,
        });
        assert_eq!(
            serde_json::to_string(&eval).unwrap(),
            r#"{"event":"eval","step":85,"epoch":1.0,"loss":0.5,"scores":{"accuracy":0.87},"best":true}"#
        );
    }

    #[test]
    fn nan_is_written_as_null_and_read_back() {
        let line = r#"{"event":"step","step":1,"epoch":0.1,"loss":null,"learning_rate":0.1,"grad_norm":null,"tokens_per_second":1.0}"#;
        let Event::Step(step) = serde_json::from_str(line).unwrap() else { panic!("not a step") };
        assert!(step.loss.is_nan() && step.grad_norm.is_nan());
        assert!(serde_json::to_string(&Event::Step(step)).unwrap().contains(r#""loss":null"#));
    }
}
