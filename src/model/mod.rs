//! Pre-trained networks: config.json and safetensors in, a chain of segments out, and the walk back through it.
//!
//! It knows neither the method nor the training loop. In reading order: what a config.json says ([`ModelConfig`]), the
//! parameters that follow from it, their values from a checkpoint ([`Parameters`]), the layers, the networks themselves,
//! what a forward pass carries along ([`Pass`]), what its output is to become ([`Objective`]), how gradients are had from it
//! ([`backward`]), and how a decoder writes ([`Writer`]).

pub mod backward;
mod config;
mod decoder;
mod encoder;
mod files;
mod fingerprint;
mod generate;
mod layers;
mod layout;
mod objective;
mod random;
mod tape;
mod weights;

use std::path::Path;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use crate::protocol::Progress;
pub use config::{DecoderConfig, EncoderConfig, Family, ModelConfig, Rope, RopeScaling};
pub use decoder::{Cache, Decoder};
pub use encoder::Encoder;
pub use files::{FileTensor, ModelFiles};
pub use fingerprint::Fingerprint;
pub use generate::{GREEDY, Sampling, Writer};
pub use layers::by_onednn;
pub use layout::{Layout, ParameterSpec};
pub use objective::{Differentiated, LossTargets, Objective};
pub use tape::{Pass, Record};
pub use weights::Parameters;

/// A network that runs as a chain of segments: embeddings, each block, head. The hidden state of a segment is all that
/// the next one needs, so each can be run, differentiated and run again alone.
pub trait Segments {
    /// How many there are.
    fn count(&self) -> usize;

    /// Runs one. `hidden` is what the segment before gave; nothing for the first. The last gives what an [`Objective`] is told of.
    fn forward(&self, segment: usize, hidden: &Tensor, pass: &mut Pass) -> Tensor;
}

/// A batch on the device.
pub struct Inputs {
    /// int64 `[rows, length]`, padded at the end.
    pub input_ids: Tensor,
    /// For encoders, the sentence of a pair that each token is of: int64 `[rows, length]`.
    pub token_type_ids: Tensor,
    /// The example that each token is of, counted from 1 in every row, and 0 for padding: int64 `[rows, length]`. `None`
    /// where a row is one example and nothing is padded, which lets attention take its fastest way.
    pub sequence_ids: Option<Tensor>,
    /// Where rows hold several examples, the place of each token in its own: int64 `[rows, length]`.
    pub position_ids: Option<Tensor>,
}

/// A pre-trained network: an encoder with a classifier on top, or with one label and no classes a regressor; or a
/// decoder, which is a language model.
pub struct Network {
    /// What its config.json says.
    pub config: ModelConfig,
    /// Every parameter by name.
    pub parameters: Parameters,
    /// The layers, which share the parameters.
    pub layers: Layers,
}

/// The layers of a network.
pub enum Layers {
    /// An encoder and its head.
    Encoder(Encoder),
    /// A decoder.
    Decoder(Decoder),
}

/// What loading a checkpoint showed.
pub struct LoadReport {
    /// Parameters that the checkpoint lacks, as a new head: initialized at random.
    pub fresh: Vec<String>,
    /// Tensors of the checkpoint that the network has no place for, such as a head of another task.
    pub unused: Vec<String>,
}

/// How to load a model.
pub struct LoadOptions {
    /// Outputs of a classifier's head; a decoder has none.
    pub labels: i64,
    /// Type of the weights.
    pub dtype: Kind,
    /// Where they go.
    pub device: Device,
    /// Decides the values of a new head.
    pub seed: u64,
}

impl Network {
    /// Opens a folder with config.json and safetensors weights.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage), naming file, key or tensor: an architecture that is not known, a parameter that is
    /// missing or has the wrong shape, a damaged file.
    pub fn open(folder: &Path, options: &LoadOptions, progress: &dyn Fn(Progress)) -> Result<(Network, LoadReport)> {
        let config = ModelConfig::read(folder)?;
        let layout = Layout::of(&config, options.labels);
        let (parameters, report) = weights::load(folder, &layout, options, progress)?;
        Ok((Network::upon(config, parameters), report))
    }

    /// Builds the layers upon their parameters.
    fn upon(config: ModelConfig, parameters: Parameters) -> Network {
        let layers = match &config {
            ModelConfig::Encoder(config) => Layers::Encoder(Encoder::new(config, &parameters)),
            ModelConfig::Decoder(config) => Layers::Decoder(Decoder::new(config, &parameters)),
        };
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
    pub fn on<'a>(&'a self, inputs: &'a Inputs) -> Box<dyn Segments + 'a> {
        match &self.layers {
            Layers::Encoder(encoder) => Box::new(encoder.on(inputs)),
            Layers::Decoder(decoder) => Box::new(decoder.on(inputs)),
        }
    }

    /// The loss of what [`Network::output`] gives, times `scale`.
    pub fn objective<'a>(&'a self, targets: &'a LossTargets, scale: f64) -> Objective<'a> {
        Objective { targets, table: self.decoder().map(Decoder::table), scale }
    }

    /// What the last segment gives, without dropout and without a graph: a classifier's logits `[rows, labels]`, a
    /// decoder's hidden states `[rows, length, hidden]`.
    pub fn output(&self, inputs: &Inputs) -> Tensor {
        tch::no_grad(|| {
            let network = self.on(inputs);
            let mut pass = Pass::inference();
            (0..network.count()).fold(Tensor::new(), |hidden, segment| network.forward(segment, &hidden, &mut pass))
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
