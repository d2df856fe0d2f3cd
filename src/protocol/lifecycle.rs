//! The course of a run: how it starts, is resumed, changes phase and ends.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Eval, Gpu, LoraFacts, Patience, TrainingMethod};

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
    /// Processes that train it, each with its part of every batch.
    #[serde(default = "one_rank", skip_serializing_if = "is_one")]
    pub ranks: u64,
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
    /// How the model is trained.
    #[serde(default)]
    pub method: TrainingMethod,
    /// Of a LoRA run only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraFacts>,
    /// Share of each target's components that SIFT trains, in 0..=1.
    pub rate: f64,
    /// Criterion of the selection: `gradient`, `magnitude`, `random` and others.
    pub select: String,
    /// Structure of the selection: `entries`, `columns` and others.
    #[serde(default = "entries")]
    pub structure: String,
    /// What the rate is a share of: `per_tensor` or `global`.
    #[serde(default = "per_tensor")]
    pub budget: String,
    /// Number of parameters of the model, including the head.
    pub parameters: u64,
    /// Name of the score that decides which evaluation is best.
    pub best: String,
    /// Where the run stops early: its whole patience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Patience>,
    /// Maximum gradient norm; absent where gradients are not clipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Whether the model generates text, so that [`Command::Sample`](super::Command::Sample) works.
    #[serde(default)]
    pub writes: bool,
    /// Version of finesift.
    pub version: String,
}

impl Started {
    /// The method in words: `full fine-tuning`, `head only`, `LoRA r 8`. `None` for SIFT, which its selection describes.
    pub fn method_words(&self) -> Option<String> {
        match (self.method, self.lora) {
            (TrainingMethod::Sift, _) => None,
            (TrainingMethod::Full, _) => Some("full fine-tuning".into()),
            (TrainingMethod::Head, _) => Some("head only".into()),
            (TrainingMethod::Lora, Some(lora)) => Some(format!("LoRA r {}", lora.r)),
            (TrainingMethod::Lora, None) => Some("LoRA".into()),
        }
    }

    /// The device, or with several ranks how many of which: `cuda:0`, `4 x cuda`; with the product name of a GPU
    /// `4 x H100`.
    pub fn devices(&self, product: Option<&str>) -> String {
        match (self.ranks, product) {
            (..=1, _) => self.device.clone(),
            (ranks, Some(product)) if self.device != "cpu" => format!("{ranks} x {}", Gpu::short_name(product)),
            (ranks, _) => format!("{ranks} x {}", self.device.split(':').next().unwrap_or_default()),
        }
    }

    /// How components are selected: `gradient`, or with another structure and budget than SIFT's `gradient, columns, global`.
    pub fn selection(&self) -> String {
        let mut parts = vec![self.select.as_str()];
        parts.extend([&*self.structure].into_iter().filter(|structure| *structure != entries()));
        parts.extend([&*self.budget].into_iter().filter(|budget| *budget != per_tensor()));
        parts.join(", ")
    }
}

/// The number of ranks where it is left out.
fn one_rank() -> u64 {
    1
}

fn is_one(ranks: &u64) -> bool {
    *ranks == 1
}

/// The structure in events of earlier versions.
fn entries() -> String {
    "entries".into()
}

/// The budget in events of earlier versions.
fn per_tensor() -> String {
    "per_tensor".into()
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
    /// Maximum gradient norm from here on; absent where gradients are not clipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// The checkpoint that was loaded.
    pub checkpoint: PathBuf,
    /// Training time at the checkpoint, in seconds.
    pub elapsed: f64,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The device and why it was chosen.
    #[serde(default)]
    pub device_note: String,
    /// Processes that train it from here on.
    #[serde(default = "one_rank", skip_serializing_if = "is_one")]
    pub ranks: u64,
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
    /// Generating a completion for [`Command::Sample`](super::Command::Sample).
    Sampling,
    /// Saving a checkpoint.
    Checkpointing,
    /// Paused by [`Command::Pause`](super::Command::Pause).
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
    /// [`Command::Stop`](super::Command::Stop) or a signal.
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

#[cfg(test)]
mod tests {
    use crate::protocol::{Event, Started};

    #[test]
    fn devices_of_ranks_are_counted() {
        let line = r#"{"event":"started","run":"r","preset":"p","model":"m","data":"d","device":"cuda:0","dtype":"bf16",
            "examples":1,"eval_examples":1,"steps":1,"epochs":1.0,"batch":1,"rate":0.1,"select":"gradient","parameters":1,
            "best":"accuracy","version":"0"}"#;
        let Ok(Event::Started(one)) = serde_json::from_str(line) else { panic!("not an event: {line}") };
        let product = Some("NVIDIA H100 80GB HBM3");
        assert_eq!([one.devices(None), one.devices(product)], ["cuda:0", "cuda:0"]);
        let four = Started { ranks: 4, ..one };
        assert_eq!([four.devices(None), four.devices(product)], ["4 x cuda", "4 x H100"]);
        let cpu = Started { device: "cpu".into(), ..four };
        assert_eq!([cpu.devices(None), cpu.devices(product)], ["4 x cpu", "4 x cpu"]);
    }
}
