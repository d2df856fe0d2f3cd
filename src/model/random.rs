//! A network with random weights, to measure what training a network of its shape costs without having it.

use anyhow::Result;
use tch::{Tensor, no_grad};

use super::builder::ParameterKind;
use super::config::ModelConfig;
use super::layout::Layout;
use super::network::Network;
use super::parameters::{Parameters, Placement};
use super::seeds::Seeds;
use super::weights::LoadOptions;
use crate::device::shim::fill_normal;

impl Network {
    /// A network as it is before any training: normal weights, norms of one, biases of zero, drawn by a generator of the
    /// device. The numbers differ between kinds of devices.
    ///
    /// # Errors
    /// Weights of blocks that should be off the device, and cannot be.
    pub fn random(config: ModelConfig, options: &LoadOptions) -> Result<Network> {
        let layout = Layout::of(&config, options.head.outputs);
        let mut seeds = Seeds::from(options.seed);
        let parameters = no_grad(|| {
            let placement = Placement { device: options.device, offload: options.offload.clone() };
            Parameters::from_layout(&layout, placement, |_, spec, device| {
                let mut tensor = Tensor::empty(&spec.shape, (options.dtype, options.device));
                let tensor = match spec.kind {
                    ParameterKind::LinearBias | ParameterKind::NormBias => tensor.zero_(),
                    ParameterKind::NormWeight => tensor.fill_(1.0),
                    _ => {
                        fill_normal(&mut tensor, layout.initializer_range, seeds.draw());
                        tensor
                    }
                };
                tensor.to_device(device)
            })
        });
        Network::from_parameters(config, options.head.outputs, parameters)
    }
}
