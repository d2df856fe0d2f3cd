//! Pre-trained networks: from a config.json and safetensors files to a chain of segments, and backward through it.
//!
//! Nothing here knows SIFT or the training loop. In reading order: a config.json ([`ModelConfig`]), the table of families,
//! the layers of encoders and decoders and the builder they get their parameters from, what they ask it for ([`Layout`]), loading a
//! checkpoint ([`Parameters`]), the loss ([`Objective`]), gradients ([`backward`]) and text generation ([`Generator`]).

mod activation;
pub mod backward;
mod builder;
mod checkpoint;
mod config;
mod decoder;
mod dtype;
mod encoder;
mod families;
mod files;
mod fingerprint;
mod generate;
mod layers;
mod layout;
mod memory;
mod objective;
mod parameters;
mod random;
mod tape;
mod weights;

use std::path::Path;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use crate::protocol::Progress;
pub use activation::Activation;
use builder::Builder;
pub use builder::{ParameterKind, ParameterSpec};
pub use config::{ConfigError, DecoderConfig, EncoderConfig, ModelConfig, PositionIds, Rope, RopeScaling};
pub use decoder::{Decoder, KvCache};
pub use dtype::kind;
pub use encoder::Encoder;
pub use families::Layers;
pub use files::{FileTensor, ModelFiles};
pub use fingerprint::Fingerprint;
pub use generate::{GREEDY, Generator, Sampling};
pub use layers::{Linear, by_onednn};
pub use layout::Layout;
pub use memory::{BlockActivations, TrainingStep};
pub use objective::{LossGradients, LossTargets, Objective};
pub use parameters::Parameters;
pub use tape::{ForwardPass, LinearRecord, LinearSlots};

/// A network that runs as a chain of segments: embeddings, each block, head. A segment needs the hidden states of the one before
/// and nothing else, so that each can be run, differentiated and run again on its own.
pub trait Segments {
    /// Number of segments.
    fn count(&self) -> usize;

    /// Runs a segment. `hidden` is the output of the segment before, `[rows, length, hidden]`; undefined for the first. The last
    /// segment's output is that of [`Network::output`].
    fn forward(&self, segment: usize, hidden: &Tensor, pass: &mut ForwardPass) -> Tensor;
}

/// A batch on the device.
pub struct Inputs {
    /// Tokens, int64 `[rows, length]`, padded at the end.
    pub input_ids: Tensor,
    /// For encoders, each token's sentence of a pair, 0 or 1: int64 `[rows, length]`.
    pub token_type_ids: Tensor,
    /// Each token's example, counted from 1 in every row, and 0 for padding: int64 `[rows, length]`. `None` where a row is
    /// one example and nothing is padded; attention then takes its fastest kernel.
    pub sequence_ids: Option<Tensor>,
    /// In packed rows, each token's position in its example: int64 `[rows, length]`.
    pub position_ids: Option<Tensor>,
}

/// A pre-trained network: an encoder with a classifier or regressor as its head, or a decoder, which is a language model.
pub struct Network {
    /// What its config.json says.
    pub config: ModelConfig,
    /// Every parameter by name.
    pub parameters: Parameters,
    /// The layers. They share the parameters' tensors.
    pub layers: Layers,
}

/// How a checkpoint differs from the network.
pub struct LoadReport {
    /// Parameters that the checkpoint lacks, as a new head. Their values are random.
    pub newly_initialized: Vec<String>,
    /// Tensors of the checkpoint that are no parameter of the network, such as the head of another task.
    pub unused: Vec<String>,
}

/// How to load a model.
pub struct LoadOptions {
    /// Outputs of an encoder's head; a decoder has none.
    pub labels: i64,
    /// Type of the weights in memory.
    pub dtype: Kind,
    /// Device of the weights.
    pub device: Device,
    /// Seed of a new head's values.
    pub seed: u64,
}

impl Network {
    /// Opens a folder with config.json and safetensors weights.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage), naming file, key or tensor: an unknown `model_type`, a parameter that is missing or has the
    /// wrong shape, a damaged file.
    pub fn open(folder: &Path, options: &LoadOptions, progress: &dyn Fn(Progress)) -> Result<(Network, LoadReport)> {
        let config = ModelConfig::read(folder)?;
        let layout = Layout::of(&config, options.labels);
        let (parameters, report) = weights::load(folder, &layout, options, progress)?;
        Ok((Network::from_parameters(config, options.labels, parameters), report))
    }

    /// The network of these parameters, which are those of its layout.
    fn from_parameters(config: ModelConfig, labels: i64, parameters: Parameters) -> Network {
        let layers = Layers::build(&config, labels, &Builder::new(&parameters));
        Network { config, parameters, layers }
    }

    /// The decoder, if it is one.
    pub fn decoder(&self) -> Option<&Decoder> {
        match &self.layers {
            Layers::Encoder(_) => None,
            Layers::Decoder(decoder) => Some(decoder),
        }
    }

    /// The chain of segments for a batch.
    pub fn segments<'a>(&'a self, inputs: &'a Inputs) -> Box<dyn Segments + 'a> {
        match &self.layers {
            Layers::Encoder(encoder) => Box::new(encoder.segments(inputs)),
            Layers::Decoder(decoder) => Box::new(decoder.segments(inputs)),
        }
    }

    /// The loss of the last segment's output, times `scale`.
    pub fn objective<'a>(&'a self, targets: &'a LossTargets, scale: f64) -> Objective<'a> {
        Objective { targets, lm_head: self.decoder().map(Decoder::lm_head), scale }
    }

    /// The last segment's output, without dropout and without a graph: a classifier's logits `[rows, labels]`, a decoder's
    /// hidden states `[rows, length, hidden]`.
    pub fn output(&self, inputs: &Inputs) -> Tensor {
        tch::no_grad(|| {
            let segments = self.segments(inputs);
            let mut pass = ForwardPass::inference();
            (0..segments.count()).fold(Tensor::new(), |hidden, segment| segments.forward(segment, &hidden, &mut pass))
        })
    }

    /// Logits of a batch: a classifier's `[rows, labels]`, a decoder's `[rows, length, vocabulary]`.
    pub fn logits(&self, inputs: &Inputs) -> Tensor {
        let output = self.output(inputs);
        match &self.layers {
            Layers::Encoder(_) => output,
            Layers::Decoder(decoder) => tch::no_grad(|| decoder.logits(&output)),
        }
    }
}
