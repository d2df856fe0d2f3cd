//! What a benchmark measures: model, batches and trained parameters.

use std::path::PathBuf;

use tch::Kind;

use crate::data::instruct::InstructionFormat;
use crate::device::DeviceChoice;
use crate::preset::Matmul;

/// A benchmark.
#[derive(Clone, Debug)]
pub struct Spec {
    pub model: BenchModel,
    pub inputs: BenchInputs,
    /// Fraction of each target's components to train; by default that of the paper's runs.
    pub rate: Option<f64>,
    /// Substrings of the targets' names; by default those of the paper's runs.
    pub modules: Option<Vec<String>>,
    /// Substrings of the names of dense trainable parameters; by default the classifier head.
    pub dense: Option<Vec<String>>,
    /// Rank of LoRA's adapters.
    pub lora_r: i64,
    pub dtype: Kind,
    /// Precision of products of fp32 matrices.
    pub matmul: Matmul,
    pub device: DeviceChoice,
    /// Gradient checkpointing.
    pub checkpointing: bool,
    /// Whether the weights of blocks are off the device, which goes with gradient checkpointing.
    pub offload: bool,
    /// Whether to apply the dropout of the model's config.
    pub dropout: bool,
    pub learning_rate: f64,
    /// Maximum gradient norm; 0 turns clipping off.
    pub clip: f64,
    /// Steps between two measurements of a target's gradient mass.
    pub probe_every: u64,
    /// Whether steps are profiled, which only works on a CPU.
    pub profile: bool,
    /// Whether the operations of steps are counted, which only works on a CPU.
    pub operations: bool,
    /// Seed of random weights, tokens and dropout.
    pub seed: u64,
}

/// The network.
#[derive(Clone, Debug)]
pub enum BenchModel {
    /// Random weights of a config.json's shape.
    Random {
        config: PathBuf,
        /// Number of layers, by default the config's.
        layers: Option<usize>,
    },
    /// Weights of a model folder or hub id.
    Pretrained(String),
}

/// The batches.
#[derive(Clone, Debug)]
pub enum BenchInputs {
    /// Random tokens.
    Random { rows: usize, length: usize },
    /// The batches of a safetensors file.
    Batches {
        file: PathBuf,
        /// Prefix of the tensor names, as `minilm` in `minilm.input_ids`; optional where the file has one prefix.
        prefix: Option<String>,
    },
    /// A file of texts, tokenized and batched as in a run.
    File {
        /// Labelled texts for an encoder.
        file: PathBuf,
        /// Format of a decoder's texts.
        format: InstructionFormat,
        rows: usize,
        /// Maximum length in tokens.
        length: usize,
    },
}
