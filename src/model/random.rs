//! A network with random weights, to measure what training a network of its shape costs without having it.

use tch::{Tensor, no_grad};

use super::builder::ParameterKind;
use super::config::ModelConfig;
use super::layout::Layout;
use super::network::Network;
use super::parameters::Parameters;
use super::weights::LoadOptions;

impl Network {
    /// A network as it is before any training: normal weights, norms of one, biases of zero, drawn by the device's own
    /// generator. The numbers differ between kinds of devices.
    pub fn random(config: ModelConfig, options: &LoadOptions) -> Network {
        let layout = Layout::of(&config, options.head.outputs);
        tch::manual_seed(options.seed as i64);
        let parameters = no_grad(|| {
            Parameters::from_layout(&layout, |_, spec| {
                let mut tensor = Tensor::empty(&spec.shape, (options.dtype, options.device));
                match spec.kind {
                    ParameterKind::LinearBias | ParameterKind::NormBias => tensor.zero_(),
                    ParameterKind::NormWeight => tensor.fill_(1.0),
                    _ => tensor.normal_(0.0, layout.initializer_range),
                }
            })
        });
        Network::from_parameters(config, options.head.outputs, parameters, None)
    }
}
