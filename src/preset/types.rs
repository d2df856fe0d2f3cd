//! A preset and its sections.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::hub_dataset::{HubDataset, HubTable};
use super::selection::{Select, SelectBudget, SelectStructure};
use crate::data::instruct::InstructionFormat;
use crate::data::{HeldOut, LabelKind, LabelledSource, ReadOptions, Task};
use crate::protocol::TrainingMethod;

/// A validated preset.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// `demo`, `glue/mrpc`, or the stem of the user's file.
    pub name: String,
    /// One line of description; may be empty.
    pub about: String,
    /// How the model is trained. Default SIFT.
    pub method: TrainingMethod,
    /// `[model]`
    pub model: Model,
    /// `[data]`
    pub data: Data,
    /// `[sift]`
    pub sift: Sift,
    /// `[lora]`
    pub lora: Lora,
    /// `[train]`
    pub train: Train,
    /// `[sample]`
    pub sample: Sample,
    /// `[keep]`
    pub keep: Keep,
    /// The preset as TOML, with overrides and without comments.
    pub toml: String,
}

/// `[model]`: the base model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Hub id or folder.
    pub id: String,
    /// Default fp32.
    pub dtype: Dtype,
    /// `None` keeps the classification head of the base model if its classes are those of the data.
    pub head: Option<HeadRule>,
}

/// Whether a run starts with the classification head of the base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadRule {
    /// A newly initialised head.
    New,
    /// The head of the base model, which has to fit the data.
    Keep,
}

/// The type of the weights in memory. Trainable components have fp32 master copies in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dtype {
    F32,
    Bf16,
}

/// `[data]`: the dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Where the examples come from.
    pub source: DataSource,
    /// Tokens to which an example is truncated, special tokens included. Default 128.
    pub max_length: usize,
    /// Training examples to use, the first ones; 0 for all. Default 0.
    pub max_examples: usize,
    /// Fraction of the rows of a split that may be left out. Default 0.1.
    pub max_bad_rows: f64,
}

/// Where the examples come from.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSource {
    /// Labelled texts in local files.
    Local(LabelledSource),
    /// A GLUE task, fetched from the hub.
    Hub(Task),
    /// Labelled texts of a dataset on the hub.
    HubTable(HubTable),
    /// Texts for a language model.
    Instructions(InstructionData),
}

/// Texts for a language model.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionData {
    /// The format of the examples.
    pub format: InstructionFormat,
    /// Names of keys or columns where they are not the common ones, by the key of the format. Default none.
    pub columns: BTreeMap<String, String>,
    /// The training files.
    pub files: InstructionFiles,
    /// Default: a tenth of the training files.
    pub held_out: HeldOut,
    /// Whether several examples share a row; attention keeps them apart. Default false.
    pub packing: bool,
}

/// The training files of texts for a language model.
#[derive(Clone, Debug, PartialEq)]
pub enum InstructionFiles {
    /// Local files.
    Local(Vec<PathBuf>),
    /// Files of a dataset on the hub.
    Hub(HubDataset),
}

/// `[sample]`: the completions of a language model that are sampled at every evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Default none.
    pub prompts: Vec<String>,
    /// `max_new_tokens`. Default 64.
    pub tokens: usize,
    /// 0 is greedy decoding. Default 0.
    pub temperature: f64,
    /// Number of most likely tokens to sample from; 0 disables it. Default 0.
    pub top_k: usize,
    /// Probability mass of the most likely tokens to sample from, above 0; 1 disables it. Default 1.
    pub top_p: f64,
}

/// `[sift]`: what is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Sift {
    /// Fraction of each target's components that is trained, above 0 and up to 1. Default 0.008.
    pub rate: f64,
    /// Parts of the names of the target matrices. Default none.
    pub modules: Vec<String>,
    /// Parts of the names of dense trainable parameters. Default none.
    pub dense: Vec<String>,
    /// Whether the biases of the targets are targets too. Default true.
    pub biases: bool,
    /// Default by gradient.
    pub select: Select,
    /// Default single entries.
    pub structure: SelectStructure,
    /// Default a share of each target.
    pub budget: SelectBudget,
    /// Steps after which components are selected again; 0 never does. Default 0.
    pub reselect_every: u64,
    /// Micro-batches whose gradient decides the selection; `None` for those of a step. Default 1, with `train.global_batch`
    /// those of a step.
    pub batches: Option<usize>,
    /// Steps within which the gradient mass of each target is measured once. Default 10.
    pub probe_every: u64,
    /// Decay of the selected components towards their pre-trained values, per unit of learning rate. Default 0.
    pub decay: f64,
}

/// `[lora]`: the adapters of `method = "lora"`, with PEFT's names and defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Lora {
    /// The rank. Default 8.
    pub r: i64,
    /// `lora_alpha`: adapters are scaled by alpha / r. Default 16.
    pub alpha: f64,
    /// `lora_dropout`: dropout of an adapter's input, below 1. Default 0.
    pub dropout: f64,
    /// Linear layers with these names, or names that end in a dot and one of these. Default none: those that `sift.modules`
    /// matches.
    pub target_modules: Vec<String>,
}

/// `[train]`: how it is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// Default 3.
    pub epochs: u64,
    /// Examples per micro-batch. Default 32. Those of a whole step as long as [`Train::auto_batch`] holds.
    pub batch: usize,
    /// Whether the largest batch that fits the device is still to be chosen ([`Preset::with_batch`]).
    pub auto_batch: bool,
    /// Micro-batches per optimizer step. Default 1.
    pub accumulate: usize,
    /// Examples per optimizer step, which are then drawn together: how they are split changes no step's examples. By default
    /// `batch` x `accumulate`, of which each micro-batch is drawn on its own.
    pub global_batch: Option<usize>,
    /// Peak learning rate. Required.
    pub learning_rate: f64,
    /// Fraction of the steps that warms up the learning rate, below 1. Default 0.06.
    pub warmup: f64,
    /// Default linear.
    pub schedule: Schedule,
    /// Weight decay of dense trainable parameters except biases and norms, per unit of learning rate. Default 0.
    pub weight_decay: f64,
    /// `max_grad_norm`; 0 disables clipping. Default 1.
    pub clip: f64,
    /// Decides a new head's weights, the order of the examples and dropout. Default 42.
    pub seed: u64,
    /// Steps between evaluations; 0 evaluates after each epoch. Default 0.
    pub eval_every: u64,
    /// Evaluations without improvement of `keep.best` after which the run stops early; 0 never stops early. Default 0.
    pub patience: u64,
    /// Limit on the optimizer steps; 0 is no limit. Default 0.
    pub max_steps: u64,
    /// Precision of products of fp32 matrices. Default f32.
    pub matmul: Matmul,
    /// Whether to recompute activations in the backward pass instead of keeping them. Default false; true with `offload` or `shard`.
    pub gradient_checkpointing: bool,
    /// What is kept off the GPU. Default nothing.
    pub offload: Offload,
    /// Whether each of several ranks keeps a part of the weights of blocks, their master values and moments. Default false.
    pub shard: bool,
}

/// What is kept in host memory instead of the GPU's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offload {
    /// Nothing.
    #[default]
    None,
    /// The weights of blocks, which come to the GPU when they compute.
    Weights,
}

/// How fp32 matrices are multiplied. Operands are rounded within the product; sums and results are in fp32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matmul {
    /// In full.
    #[default]
    F32,
    /// With 10 bits of mantissa, on the tensor cores of a GPU.
    Tf32,
    /// With 7 bits of mantissa, on a CPU with AMX or AVX512-BF16.
    Bf16,
}

/// The learning rate after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Linear decay to 0.
    Linear,
    /// Cosine decay to 0.
    Cosine,
    /// The peak learning rate throughout.
    Constant,
}

/// `[keep]`: checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Keep {
    /// Number of latest checkpoints to keep, besides the best one. Default 2.
    pub checkpoints: usize,
    /// Minutes between checkpoints; 0 disables them. Default 15.
    pub every_minutes: f64,
    /// Steps between checkpoints; 0 disables them. Default 0.
    pub every_steps: u64,
    /// The score that decides which checkpoint is best, or `loss`; `None` for the task's primary metric.
    pub best: Option<String>,
    /// Whether the best evaluation's predictions are written to `predictions.json`. Default false.
    pub predictions: bool,
}

impl Model {
    /// The name without its owner, folder and revision.
    pub fn name(&self) -> &str {
        let id = match self.id.starts_with(['/', '.']) {
            true => &self.id,
            false => self.id.split_once('@').map_or(self.id.as_str(), |(name, _)| name),
        };
        id.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}

impl Preset {
    /// Whether `data.labels` names the classes.
    pub fn names_classes(&self) -> bool {
        match &self.data.source {
            DataSource::Local(LabelledSource::Table { columns, .. }) => {
                matches!(columns.label_kind, LabelKind::Classes(Some(_)))
            }
            _ => false,
        }
    }

    /// How its dataset is read.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions { seed: self.train.seed, max_bad_rows: self.data.max_bad_rows }
    }
}

impl Train {
    /// The norm that gradients are clipped to; `None` without clipping.
    #[cfg(feature = "torch")]
    pub(crate) fn max_grad_norm(&self) -> Option<f64> {
        (self.clip > 0.0).then_some(self.clip)
    }

    /// Examples that are drawn together, of similar length: those of a step with `train.global_batch`, else of a micro-batch.
    pub fn drawn(&self) -> usize {
        self.global_batch.unwrap_or(self.batch)
    }

    /// Optimizer steps of a run over this number of examples; `None` on overflow.
    pub fn steps(&self, examples: usize) -> Option<u64> {
        let per_epoch = examples.div_ceil(self.batch).div_ceil(self.accumulate) as u64;
        let steps = per_epoch.checked_mul(self.epochs)?;
        Some(if self.max_steps > 0 { steps.min(self.max_steps) } else { steps })
    }
}

impl Dtype {
    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::Bf16 => "bf16",
        }
    }
}

impl Offload {
    /// By their names in a preset.
    pub const NAMES: [(&'static str, Offload); 2] = [("none", Offload::None), ("weights", Offload::Weights)];
}

impl Matmul {
    /// All of them.
    pub const ALL: [Matmul; 3] = [Matmul::F32, Matmul::Tf32, Matmul::Bf16];

    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            Matmul::F32 => "f32",
            Matmul::Tf32 => "tf32",
            Matmul::Bf16 => "bf16",
        }
    }
}

impl Schedule {
    pub(super) const NAMES: [(&str, Schedule); 3] =
        [("linear", Schedule::Linear), ("cosine", Schedule::Cosine), ("constant", Schedule::Constant)];

    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            Schedule::Linear => "linear",
            Schedule::Cosine => "cosine",
            Schedule::Constant => "constant",
        }
    }
}
