//! What the trainer and a front end say to each other: plain serde data, and nothing that acts.
//!
//! The same [`Event`] lines are a run's `events.jsonl`, the output of `finesift train --json` and what an old run is
//! replayed from. Scripts depend on the names: a field may be added, none may be renamed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An order to the trainer, obeyed between optimizer steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Hold before the next optimizer step, without using the processor.
    Pause,
    /// Go on after [`Command::Pause`].
    Resume,
    /// Write a checkpoint now.
    Checkpoint,
    /// Evaluate on the held-out examples now.
    Evaluate,
    /// Show what the model makes of a text.
    Sample {
        /// The text.
        prompt: String,
    },
    /// End the run.
    Stop {
        /// Whether to write a checkpoint first.
        save: bool,
    },
}

/// A fact from the trainer, in order of happening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event of every run: what is going to be trained on what.
    Started(Started),
    /// A run was taken up again; what came after that step before is not told any more.
    Resumed(Resumed),
    /// The trainer entered a phase. The screen shows these, never what was only asked for.
    Phase {
        /// The phase now.
        phase: Phase,
    },
    /// A long task moved on: download, tokenization, evaluation.
    Progress(Progress),
    /// One optimizer step was taken.
    Step(Step),
    /// The components to train were chosen.
    Selected(Selected),
    /// How much of the gradient the selection covers.
    Mass(Mass),
    /// The held-out examples were evaluated.
    Eval(Eval),
    /// The held-out examples that an evaluation found the model worst at.
    Examples(Examples),
    /// What the run holds in memory by its own account, in bytes.
    Memory(Memory),
    /// What the machine reports of itself.
    System(System),
    /// The model's answer to [`Command::Sample`].
    Sample {
        /// Optimizer steps taken before.
        step: u64,
        /// The text asked about.
        prompt: String,
        /// The answer.
        text: String,
    },
    /// A checkpoint is complete on disk.
    Checkpointed {
        /// Optimizer steps it holds.
        step: u64,
        /// Its folder.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Seconds that writing it took, beside training.
        #[serde(default)]
        seconds: f64,
        /// Seconds that training stood still for it.
        #[serde(default)]
        held_up: f64,
    },
    /// Something a user may want to read.
    Log {
        /// How grave it is.
        level: Level,
        /// One line.
        message: String,
    },
    /// The last event of a run that ended as it should.
    Finished(Finished),
    /// The last event of a run that did not.
    Failed {
        /// Why, and what to do about it.
        error: String,
        /// The latest checkpoint that can be gone back to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<PathBuf>,
    },
}

/// What is going to be trained on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Name of the run: its folder's name.
    pub run: String,
    /// Name of the preset.
    pub preset: String,
    /// The preset's one line about itself.
    #[serde(default)]
    pub about: String,
    /// Hub id or folder of the model.
    pub model: String,
    /// Task or file trained on.
    pub data: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// What the device is, and why it was taken.
    #[serde(default)]
    pub device_note: String,
    /// Type of the weights: `f32`, `bf16`.
    pub dtype: String,
    /// Training examples.
    pub examples: u64,
    /// Held-out examples.
    pub eval_examples: u64,
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// Passes over the training examples.
    pub epochs: f64,
    /// Examples per optimizer step.
    pub batch: u64,
    /// Share of each target's components to train.
    pub rate: f64,
    /// `gradient`, `magnitude` or `random`.
    pub select: String,
    /// Parameters of the model, head included.
    pub parameters: u64,
    /// The score that decides which evaluation is best.
    pub best: String,
    /// Whether the model writes text, so that it can be asked with [`Command::Sample`].
    #[serde(default)]
    pub writes: bool,
    /// Version of finesift.
    pub version: String,
}

/// Where a run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// Name of the run.
    pub run: String,
    /// Optimizer steps taken already.
    pub step: u64,
    /// Optimizer steps of the whole run.
    pub steps: u64,
    /// The checkpoint it goes on from.
    pub checkpoint: PathBuf,
    /// Seconds of work already done.
    pub elapsed: f64,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// What the device is, and why it was taken.
    #[serde(default)]
    pub device_note: String,
    /// Version of finesift.
    pub version: String,
}

/// What the trainer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Finding, reading and tokenizing; building the model.
    Preparing,
    /// Choosing components.
    Selecting,
    /// Taking optimizer steps.
    Training,
    /// Scoring the held-out examples.
    Evaluating,
    /// Answering [`Command::Sample`].
    Sampling,
    /// Writing a checkpoint.
    Checkpointing,
    /// Holding, by order.
    Paused,
}

/// How far a long task is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done: "tokenizing train".
    pub task: String,
    /// Units done.
    pub done: u64,
    /// Units in all; 0 when not known.
    pub total: u64,
    /// `bytes`, `examples` or `batches`.
    pub unit: String,
}

/// One optimizer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Optimizer steps taken, this one included: the first is 1.
    pub step: u64,
    /// Passes over the training examples so far.
    pub epoch: f64,
    /// Mean loss over the step's targets, before the update.
    #[serde(with = "number")]
    pub loss: f64,
    /// Learning rate of this update.
    pub learning_rate: f64,
    /// L2 norm of the gradient of all trained components, before clipping.
    #[serde(with = "number")]
    pub grad_norm: f64,
    /// Tokens, padding left out, per second of this step.
    #[serde(with = "number")]
    pub tokens_per_second: f64,
    /// Seconds of work so far, pauses left out.
    #[serde(default)]
    pub elapsed: f64,
    /// Seconds of work still to come, as far as the run can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
}

/// The components chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// Components selected in all targets.
    pub total: u64,
    /// Components the targets have.
    pub of: u64,
    /// Parameters trained in full besides: the head.
    pub dense: u64,
    /// Per target, in the model's order.
    pub targets: Vec<SelectedTarget>,
}

/// The components chosen in one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelectedTarget {
    /// The parameter's name in the checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// How many of its components are trained.
    pub selected: u64,
}

/// Share of the gradient's L2 norm that the selection covers, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mass {
    /// Optimizer step whose gradient was measured.
    pub step: u64,
    /// Over all targets together.
    #[serde(with = "number")]
    pub overall: f64,
    /// Per target, in the model's order.
    pub targets: Vec<TargetMass>,
}

/// Share of one target's gradient that its selection covers, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetMass {
    /// The parameter's name in the checkpoint.
    pub name: String,
    /// 100 · ‖selected‖ / ‖all‖.
    #[serde(with = "number")]
    pub mass: f64,
    /// How far its selected components are from their pre-trained values: 100 · ‖w − w₀‖ / ‖w₀‖. None where all of
    /// these are zero, as those of a bias may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<f64>,
}

/// The key of a language model's score in [`Eval::scores`].
pub const PERPLEXITY: &str = "perplexity";

/// An evaluation of the held-out examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eval {
    /// Optimizer steps taken before it.
    pub step: u64,
    /// Passes over the training examples before it.
    #[serde(default)]
    pub epoch: f64,
    /// Mean loss.
    #[serde(with = "number")]
    pub loss: f64,
    /// The task's metrics by name, in 0..=1 or -1..=1.
    pub scores: BTreeMap<String, f64>,
    /// Whether it is the best of the run so far.
    #[serde(default)]
    pub best: bool,
}

/// The held-out examples that an evaluation found the model worst at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Examples {
    /// Optimizer steps taken before the evaluation.
    pub step: u64,
    /// Examples that they are the worst of.
    pub of: u64,
    /// How many of all these the model got wrong; none where it predicts a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<u64>,
    /// The worst of them, the greatest loss first.
    pub examples: Vec<ExamplePrediction>,
}

/// A held-out example and what the model made of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExamplePrediction {
    /// Its text, or the first of a pair; the beginning of a long one.
    pub text: String,
    /// The second of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// The class or number that the model says.
    pub prediction: String,
    /// What it should say.
    pub label: String,
    /// The model's probability of what it says, in 0..=1; none where that is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Its loss.
    #[serde(with = "number")]
    pub loss: f64,
}

/// What the run holds in memory by its own account, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The model's parameters.
    pub weights: u64,
    /// Indices of the selected components.
    pub indices: u64,
    /// Masters, moments and gradients of the selected components and of the head.
    pub optimizer: u64,
}

/// What the machine reports of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// Seconds since the run started, pauses included.
    pub at: f64,
    /// Load of this process in percent of one core.
    pub process_cpu: f64,
    /// Resident set of this process, in bytes.
    pub process_rss: u64,
    /// Load of the whole machine in percent.
    pub cpu: f64,
    /// Memory in use on the machine, in bytes.
    pub memory_used: u64,
    /// Memory of the machine, in bytes.
    pub memory_total: u64,
    /// Bytes that the run may still write where its folder is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free: Option<u64>,
    /// Bytes that there are in all where its folder is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_total: Option<u64>,
    /// The GPU trained on, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
}

/// What NVML reports of a GPU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Product name.
    pub name: String,
    /// Memory in use by all processes, in bytes.
    pub memory_used: u64,
    /// Memory in use by this process, in bytes, where the driver tells: within a container it may know the process by
    /// another number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_memory: Option<u64>,
    /// Memory of the GPU, in bytes.
    pub memory_total: u64,
    /// Share of time in which it computed, in percent.
    pub utilization: f64,
    /// Degrees Celsius; 0 where the GPU does not tell.
    pub temperature: f64,
    /// Watts; 0 where the GPU does not tell.
    pub power: f64,
    /// Watts that it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit: Option<f64>,
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// May spoil the result.
    Warning,
    /// Something asked for was not done.
    Error,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Why it ended.
    pub reason: Reason,
    /// Optimizer steps taken.
    pub step: u64,
    /// Seconds of work, pauses left out.
    pub elapsed: f64,
    /// The best evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Eval>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// All its steps were taken.
    Completed,
    /// It was told to.
    Stopped,
}

impl Event {
    /// Whether no event follows this one.
    pub fn is_last(&self) -> bool {
        matches!(self, Event::Finished(_) | Event::Failed { .. })
    }

    /// A log line for everyone.
    pub fn info(message: impl Into<String>) -> Event {
        Event::Log { level: Level::Info, message: message.into() }
    }

    /// A log line that should not be overlooked.
    pub fn warning(message: impl Into<String>) -> Event {
        Event::Log { level: Level::Warning, message: message.into() }
    }
}

/// JSON has no NaN and no infinity: they are written as `null` and read as NaN, so that a line is never lost to them.
mod number {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_tagged_and_plain() {
        let phase = serde_json::to_string(&Event::Phase { phase: Phase::Paused }).unwrap();
        assert_eq!(phase, r#"{"event":"phase","phase":"paused"}"#);
        let eval = Event::Eval(Eval {
            step: 85,
            epoch: 1.0,
            loss: 0.5,
            scores: BTreeMap::from([("accuracy".into(), 0.87)]),
            best: true,
        });
        assert_eq!(
            serde_json::to_string(&eval).unwrap(),
            r#"{"event":"eval","step":85,"epoch":1.0,"loss":0.5,"scores":{"accuracy":0.87},"best":true}"#
        );
    }

    #[test]
    fn nan_survives_the_round_trip() {
        let line = r#"{"event":"step","step":1,"epoch":0.1,"loss":null,"learning_rate":0.1,"grad_norm":null,"tokens_per_second":1.0}"#;
        let Event::Step(step) = serde_json::from_str(line).unwrap() else { panic!("not a step") };
        assert!(step.loss.is_nan() && step.grad_norm.is_nan());
        assert!(serde_json::to_string(&Event::Step(step)).unwrap().contains(r#""loss":null"#));
    }
}
