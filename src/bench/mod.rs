//! Steps of the real training path, timed and weighed: forward alone, full fine-tuning, and SIFT with the whole gradient of
//! each target or with its selected components only.
//!
//! Each method has a process of its own, so that its memory is its own: a [`Worker`] there opens the [`Subject`] and takes a step
//! whenever it is told, and the [`Director`] here has all of them take theirs in turn, so that what else the machine does meets
//! them alike.

mod batches;
mod director;
mod report;
mod subject;
mod worker;

use std::path::PathBuf;

use tch::Kind;

use crate::data::instruct::InstructionFormat;
use crate::device::DeviceChoice;
pub use director::{Director, Stopped};
pub use report::{Opened, PredictedMemory, Report, Step, WorkerMessage};
pub use subject::Subject;
pub use worker::Worker;

/// What to time.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The network.
    pub model: Model,
    /// What it is given.
    pub texts: Texts,
    /// Share of each target's components to train.
    pub rate: Option<f64>,
    /// Parts of the targets' names; by default those of the paper's runs.
    pub modules: Option<Vec<String>>,
    /// Parts of the names of what is trained in full; by default a classifier's head.
    pub dense: Option<Vec<String>>,
    /// Type of the weights.
    pub dtype: Kind,
    /// Where.
    pub device: DeviceChoice,
    /// Whether activations are computed twice instead of kept.
    pub checkpointing: bool,
    /// Whether there is dropout, as the model's config says.
    pub dropout: bool,
    /// Of every step.
    pub learning_rate: f64,
    /// Largest norm of the gradient; 0 for any.
    pub clip: f64,
    /// Steps in which each target's gradient mass is measured once.
    pub probe_every: u64,
    /// Decides random weights and texts, and what is dropped.
    pub seed: u64,
}

/// Which network.
#[derive(Clone, Debug)]
pub enum Model {
    /// Random weights in the shape that a config.json describes.
    Random {
        /// The file.
        config: PathBuf,
        /// Blocks, where not as many as the file says.
        layers: Option<usize>,
    },
    /// Weights of a folder, or of the hub.
    DeviceBatch(String),
}

/// What the network is given.
#[derive(Clone, Debug)]
pub enum Texts {
    /// Random tokens.
    Random {
        /// Rows of a batch.
        rows: usize,
        /// Tokens of each row.
        length: usize,
    },
    /// Batches as they are in a safetensors file.
    Batches {
        /// The file.
        file: PathBuf,
        /// What the tensors' names begin with, as `minilm` in `minilm.input_ids`; may be left out where there is one.
        prefix: Option<String>,
    },
    /// A file of texts, tokenized and batched as for a run.
    File {
        /// The file: labelled for an encoder.
        file: PathBuf,
        /// For a decoder, how texts are written down.
        format: InstructionFormat,
        /// Rows of a batch.
        rows: usize,
        /// Tokens of a text at most.
        length: usize,
    },
}

/// What is done in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The loss, without gradients.
    Forward,
    /// All parameters are trained.
    Full,
    /// Selected components are trained; dW of each target is formed whole.
    SiftDense,
    /// Selected components are trained as in a run: of dW only these are made where that is faster, but for probes.
    SiftSampled,
}

impl Method {
    /// All, in the order of a table.
    pub const ALL: [Method; 4] = [Method::Forward, Method::Full, Method::SiftDense, Method::SiftSampled];

    /// As it is written in options and tables.
    pub fn name(self) -> &'static str {
        match self {
            Method::Forward => "forward",
            Method::Full => "full",
            Method::SiftDense => "sift-dense",
            Method::SiftSampled => "sift-sampled",
        }
    }
}
