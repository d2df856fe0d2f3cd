//! Pre-trained networks: config.json and safetensors in, a chain of segments out, and the walk back through it.
//!
//! It knows neither the method nor the training loop. In reading order: what a config.json says ([`Config`]), the
//! parameters that follow from it, their values from a checkpoint ([`Parameters`]), the layers, the network itself,
//! what a forward pass carries along ([`Pass`]), and how gradients are had from it ([`backward`]).

pub mod backward;
mod config;
mod encoder;
mod files;
mod fingerprint;
mod layers;
mod layout;
mod tape;
mod weights;

use std::path::Path;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use crate::protocol::Progress;
pub use config::{Config, Family};
pub use encoder::{Encoder, Inputs};
pub use files::{FileTensor, ModelFiles};
pub use fingerprint::Fingerprint;
pub use layout::{Layout, ParameterSpec};
pub use tape::{Pass, Record};
pub use weights::Parameters;

/// A network that runs as a chain of segments: embeddings, each block, head. The hidden state of a segment is all that
/// the next one needs, so each can be run, differentiated and run again alone.
pub trait Segments {
    /// How many there are.
    fn count(&self) -> usize;

    /// Runs one. `hidden` is what the segment before gave; nothing for the first. The last gives the logits.
    fn forward(&self, segment: usize, hidden: &Tensor, pass: &mut Pass) -> Tensor;
}

/// A sequence classifier, or with one label and no classes a regressor.
pub struct Classifier {
    /// What its config.json says.
    pub config: Config,
    /// Every parameter by name.
    pub parameters: Parameters,
    /// The layers, which share the parameters.
    pub encoder: Encoder,
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
    /// Outputs of the head.
    pub labels: i64,
    /// Type of the weights.
    pub dtype: Kind,
    /// Where they go.
    pub device: Device,
    /// Decides the values of a new head.
    pub seed: u64,
}

impl Classifier {
    /// Opens a folder with config.json and safetensors weights.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage), naming file, key or tensor: an architecture that is not known, a parameter that is
    /// missing or has the wrong shape, a damaged file.
    pub fn open(folder: &Path, options: &LoadOptions, progress: &dyn Fn(Progress)) -> Result<(Classifier, LoadReport)> {
        let config = Config::read(folder)?;
        let layout = Layout::of(&config, options.labels);
        let (parameters, report) = weights::load(folder, &layout, options, progress)?;
        let encoder = Encoder::new(&config, &parameters);
        Ok((Classifier { config, parameters, encoder }, report))
    }

    /// Logits `[rows, labels]` of a batch, without dropout and without a graph.
    pub fn logits(&self, inputs: &Inputs) -> Tensor {
        tch::no_grad(|| {
            let network = self.encoder.on(inputs);
            let mut pass = Pass::inference();
            (0..network.count()).fold(Tensor::new(), |hidden, segment| network.forward(segment, &hidden, &mut pass))
        })
    }
}
