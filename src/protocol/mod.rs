//! Commands to the trainer and events from it: plain serde data.
//!
//! The same [`Event`] lines are the `events.jsonl` of a run and the output of `finesift train --json`, and the workbench
//! replays them. Scripts depend on the names: fields may be added, but not renamed.
//!
//! ```text
//! lifecycle      how a run starts, is resumed, changes phase and ends
//! method         how it trains its model: SIFT, full, head or LoRA
//! step           optimizer steps, the selection and its gradient mass
//! evaluation     scores and examples of the held-out set
//! machine        memory and load
//! ranks          the ranks of a run
//! head           the classification head that a run starts with
//! number         numbers that may not be finite
//! ```

mod evaluation;
mod head;
mod lifecycle;
mod machine;
mod method;
mod number;
mod ranks;
mod step;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use evaluation::{Confusion, Eval, ExamplePrediction, Examples, LOSS, PERPLEXITY, Patience};
pub use head::HeadRows;
pub use lifecycle::{Finished, Phase, Progress, Reason, Resumed, Started};
pub use machine::{Gpu, Memory, System};
pub use method::{LoraFacts, TrainingMethod};
pub use ranks::{RankSample, Ranks};
pub use step::{Mass, Reselected, Selected, SelectedTarget, Step, StructureMass, Structures, TargetMass};

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
#[expect(
    clippy::large_enum_variant,
    reason = "events are few and live shortly, and a box would be in every match of them"
)]
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
    /// The gradient mass that other structures would cover was measured.
    Structures(Structures),
    /// Components were selected again.
    Reselected(Reselected),
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
    /// Throughput, waiting and memory of each rank, once a second.
    Ranks(Ranks),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
