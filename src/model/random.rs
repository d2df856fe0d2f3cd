//! A network of random weights: what it costs to train one of this shape can be measured without having it.

use tch::{Tensor, no_grad};

use super::{Layout, LoadOptions, ModelConfig, Network, Parameters};

impl Network {
    /// A network of this shape as it would be before any training: normal weights, norms of one, biases of zero, drawn on
    /// the device itself. Like the device's other random numbers they are another device's not.
    pub fn random(config: ModelConfig, options: &LoadOptions) -> Network {
        let layout = Layout::of(&config, options.labels);
        tch::manual_seed(options.seed as i64);
        let parameters = no_grad(|| {
            Parameters::of(&layout, |spec| {
                let mut tensor = Tensor::empty(&spec.shape, (options.dtype, options.device));
                match (spec.name.ends_with("bias"), spec.shape.len()) {
                    (true, _) => tensor.zero_(),
                    (false, 1) => tensor.fill_(1.0),
                    (false, _) => tensor.normal_(0.0, layout.initializer_range),
                }
            })
        });
        Network::upon(config, parameters)
    }
}
