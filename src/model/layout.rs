//! The parameters of a network, in the order of the forward pass. They can be counted without loading anything.

use super::builder::{Builder, ParameterSpec, Recorder};
use super::config::ModelConfig;
use super::families::Layers;
use super::lora::LoraConfig;

/// What the layout of a network follows from.
#[derive(Clone, Copy)]
pub struct NetworkShape<'a> {
    /// The model's config.json.
    pub config: &'a ModelConfig,
    /// Outputs of an encoder's classifier; a decoder has none.
    pub labels: i64,
    /// The adapters of its linear layers.
    pub adapters: Option<&'a LoraConfig>,
}

/// All parameters of a network, in the order of the forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The parameters.
    pub parameters: Vec<ParameterSpec>,
    /// Standard deviation of the weights of a new head.
    pub initializer_range: f64,
    /// Blocks: the segments from 1 on.
    pub blocks: usize,
}

impl Layout {
    /// The layout of an encoder with a classifier of this many labels, or of a decoder, which has none.
    pub fn of(config: &ModelConfig, labels: i64) -> Layout {
        Layout::with_layers(NetworkShape { config, labels, adapters: None }).0
    }

    /// The layout, and the layers that asked for it. Their tensors hold no data.
    pub fn with_layers(shape: NetworkShape<'_>) -> (Layout, Layers) {
        let NetworkShape { config, labels, adapters } = shape;
        let recorder = Recorder::default();
        let layers = Layers::build(config, labels, &Builder::new(&recorder, adapters));
        let layout = Layout {
            parameters: recorder.into_specs(),
            initializer_range: config.initializer_range(),
            blocks: layers.blocks(),
        };
        (layout, layers)
    }

    /// Components of all parameters.
    pub fn components(&self) -> i64 {
        self.parameters.iter().map(ParameterSpec::components).sum()
    }
}
