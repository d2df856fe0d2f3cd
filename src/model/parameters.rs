//! The parameters of a network, by name.

use std::collections::BTreeMap;

use tch::{Device, Tensor};

use super::builder::{ParameterSource, ParameterSpec};
use super::layout::Layout;
use super::offload::is_offloaded;

/// Every parameter of a network by its name in the checkpoint. Layers share these tensors, so that a value written here is
/// used there.
pub struct Parameters {
    specs: Vec<ParameterSpec>,
    tensors: BTreeMap<String, Tensor>,
    device: Device,
    offloaded: bool,
}

/// Where parameters are.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// The device that computes.
    pub device: Device,
    /// Whether the weights of blocks are off it ([`super::offload`]).
    pub offload: bool,
}

impl Parameters {
    /// Those of a layout, each from what `tensor` makes of its number and spec on the device where it belongs.
    pub(super) fn from_layout(
        layout: &Layout,
        placement: Placement,
        mut tensor: impl FnMut(usize, &ParameterSpec, Device) -> Tensor,
    ) -> Parameters {
        let specs = layout.parameters.clone();
        let tensors = specs.iter().enumerate().map(|(number, spec)| {
            let off = placement.offload && is_offloaded(spec, layout.blocks);
            let device = if off { Device::Cpu } else { placement.device };
            let tensor = tensor(number, spec, device).set_requires_grad(false);
            (spec.name.clone(), tensor)
        });
        Parameters { tensors: tensors.collect(), specs, device: placement.device, offloaded: placement.offload }
    }

    /// The parameter of this name.
    ///
    /// # Panics
    /// If the network has none.
    pub fn get(&self, name: &str) -> Tensor {
        match self.tensors.get(name) {
            Some(tensor) => tensor.shallow_clone(),
            None => panic!("{name} is no parameter of the network"),
        }
    }

    /// The parameter of this name, if the network has one.
    pub fn find(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).map(Tensor::shallow_clone)
    }

    /// Name, shape and kind of each parameter, in the order of the forward pass.
    pub fn specs(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// Components of all parameters.
    pub fn components(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.numel() as u64).sum()
    }

    /// Bytes of all parameters, wherever they are.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64).sum()
    }

    /// The device that the network computes on.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Whether the weights of blocks are off that device, each but for its turn: the backward pass has to compute blocks again.
    pub fn are_offloaded(&self) -> bool {
        self.offloaded
    }

    pub(super) fn placement(&self) -> Placement {
        Placement { device: self.device, offload: self.offloaded }
    }
}

impl ParameterSource for Parameters {
    fn tensor(&self, spec: ParameterSpec) -> Tensor {
        let tensor = self.get(&spec.name);
        debug_assert_eq!(tensor.size(), spec.shape, "{}", spec.name);
        tensor
    }
}
