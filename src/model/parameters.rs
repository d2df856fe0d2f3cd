//! The parameters of a network, by name.

use std::collections::BTreeMap;

use tch::{Device, Tensor};

use super::builder::{ParameterSource, ParameterSpec};
use super::layout::Layout;
use super::offload::{OffDevice, OwnRows, absent, is_offloaded};

/// Every parameter of a network by its name in the checkpoint. Layers share these tensors, so that a value written here is
/// used there.
pub struct Parameters {
    specs: Vec<ParameterSpec>,
    tensors: BTreeMap<String, Tensor>,
    placement: Placement,
    /// What this process has of the weights that are sharded over ranks.
    own: BTreeMap<String, OwnRows>,
}

/// Where parameters are.
#[derive(Clone)]
pub struct Placement {
    /// The device that computes.
    pub device: Device,
    /// Where the weights of blocks are, if not on it ([`super::offload`]).
    pub offload: Option<OffDevice>,
}

impl Parameters {
    /// Those of a layout, each from what `tensor` makes of its number and spec on the device where it belongs.
    pub(super) fn from_layout(
        layout: &Layout,
        placement: Placement,
        mut tensor: impl FnMut(usize, &ParameterSpec, Device) -> Tensor,
    ) -> Parameters {
        let specs = layout.parameters.clone();
        let (mut tensors, mut own) = (BTreeMap::new(), BTreeMap::new());
        for (number, spec) in specs.iter().enumerate() {
            let off = placement.offload.as_ref().filter(|_| is_offloaded(spec, layout.blocks));
            let device = if matches!(off, Some(OffDevice::Host)) { Device::Cpu } else { placement.device };
            let mut tensor = tensor(number, spec, device).set_requires_grad(false);
            if let Some(OffDevice::Ranks(world)) = off {
                own.insert(spec.name.clone(), OwnRows::of(&tensor, world));
                tensor = absent(&tensor);
            }
            tensors.insert(spec.name.clone(), tensor);
        }
        Parameters { tensors, specs, placement, own }
    }

    /// The same with parameters of another layout beside those that both have, which are shared. `new` makes one that is new.
    pub(super) fn extended(
        &self,
        layout: &Layout,
        mut new: impl FnMut(&ParameterSpec, Device) -> Option<Tensor>,
    ) -> Parameters {
        let of = |spec: &ParameterSpec| {
            let tensor = new(spec, self.device()).map(|tensor| tensor.set_requires_grad(false));
            (spec.name.clone(), tensor.unwrap_or_else(|| self.get(&spec.name)))
        };
        Parameters {
            tensors: layout.parameters.iter().map(of).collect(),
            specs: layout.parameters.clone(),
            placement: self.placement.clone(),
            own: self.own.clone(),
        }
    }

    /// The rows that this process has of a parameter that is sharded over ranks.
    pub(super) fn own_rows(&self, name: &str) -> Option<&OwnRows> {
        self.own.get(name)
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
        self.placement.device
    }

    /// Whether the weights of blocks are off that device, each but for its turn: the backward pass has to compute blocks again.
    pub fn are_offloaded(&self) -> bool {
        self.placement.offload.is_some()
    }

    pub(super) fn placement(&self) -> &Placement {
        &self.placement
    }
}

impl ParameterSource for Parameters {
    fn tensor(&self, spec: ParameterSpec) -> Tensor {
        let tensor = self.get(&spec.name);
        debug_assert_eq!(tensor.size(), spec.shape, "{}", spec.name);
        tensor
    }
}
