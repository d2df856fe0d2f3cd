//! A network with its parameters: opening a checkpoint, and running it on a batch.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::builder::Builder;
use super::config::ModelConfig;
use super::decoder::Decoder;
use super::families::Layers;
use super::layout::{Layout, NetworkShape};
use super::lora::{self, LoraConfig};
use super::objective::{LossTargets, Objective};
use super::offload::{Offload, OwnRows};
use super::parameters::Parameters;
use super::segments::{Inputs, Segments};
use super::tape::ForwardPass;
use super::weights::{self, LoadOptions, LoadReport};
use crate::protocol::Progress;

/// A pre-trained network: an encoder with a classifier or regressor as its head, or a decoder, which is a language model.
pub struct Network {
    /// What its config.json says.
    pub config: ModelConfig,
    /// Every parameter by name.
    pub parameters: Parameters,
    /// The layers. They share the parameters' tensors.
    pub layers: Layers,
    /// Where the weights of blocks are, if they are off the device.
    pub offload: Option<Arc<Offload>>,
}

impl Network {
    /// Opens a folder with config.json and safetensors weights.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage), naming file, key or tensor: an unknown `model_type`, a parameter that is missing or has the
    /// wrong shape, a damaged file. Others: weights of blocks that should be off the device, and cannot be.
    pub fn open(folder: &Path, options: &LoadOptions, progress: &dyn Fn(Progress)) -> Result<(Network, LoadReport)> {
        let config = ModelConfig::read(folder)?;
        let layout = Layout::of(&config, options.head.outputs);
        let (parameters, report) = weights::load(folder, &layout, options, progress)?;
        Ok((Network::from_parameters(config, options.head.outputs, parameters)?, report))
    }

    /// The network of these parameters, which are those of its layout.
    pub(super) fn from_parameters(config: ModelConfig, labels: i64, parameters: Parameters) -> Result<Network> {
        let mut layers = Layers::build(&config, labels, &Builder::new(&parameters, None));
        let mut offload = None;
        if let Some(off) = &parameters.placement().offload {
            let of_blocks = Arc::new(Offload::new(&parameters, layers.blocks(), off)?);
            layers.offload(&of_blocks);
            offload = Some(of_blocks);
        }
        Ok(Network { config, parameters, layers, offload })
    }

    /// Adds new adapters, as PEFT's `get_peft_model` does. The network computes the same until they are trained. The same seed
    /// gives the same adapters.
    pub fn add_adapters(&mut self, adapters: &LoraConfig, seed: u64) {
        let Network { config, parameters, .. } = &*self;
        let labels = self.labels();
        let (layout, _) = Layout::with_layers(NetworkShape { config, labels, adapters: Some(adapters) });
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // A stream of its own: a new head is the same with and without adapters.
        random.set_stream(1);
        let parameters = parameters.extended(&layout, |spec, device| {
            spec.is_adapter().then(|| lora::initialized(spec, &mut random).to_device(device))
        });
        let mut layers = Layers::build(config, labels, &Builder::new(&parameters, Some(adapters)));
        if let Some(offload) = &self.offload {
            layers.offload(offload);
        }
        (self.parameters, self.layers) = (parameters, layers);
    }

    /// Bytes of the parameters on the device.
    pub fn device_bytes(&self) -> u64 {
        let all = self.parameters.bytes();
        self.offload.as_ref().map_or(all, |offload| all - offload.bytes().elsewhere + offload.bytes().device)
    }

    /// What this process has of a weight, if weights are sharded over ranks and it is one of them.
    pub fn own_rows(&self, name: &str) -> Option<&OwnRows> {
        self.parameters.own_rows(name)
    }

    /// Outputs of a classifier; 0 for a decoder, which has no head.
    pub fn labels(&self) -> i64 {
        let output = self.parameters.specs().iter().find(|spec| spec.output);
        output.and_then(|output| output.shape.first().copied()).unwrap_or(0)
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
    /// hidden states `[rows, length, hidden]`, which mean nothing at padding.
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
