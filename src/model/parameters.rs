//! The parameters of a network, by name.

use std::collections::BTreeMap;

use tch::{Device, Tensor};

use super::builder::{ParameterSource, ParameterSpec};
use super::layout::Layout;

/// Every parameter of a network by its name in the checkpoint. Layers share these tensors, so that a value written here is
/// used there.
pub struct Parameters {
    specs: Vec<ParameterSpec>,
    tensors: BTreeMap<String, Tensor>,
}

impl Parameters {
    /// Those of a layout, each from what `tensor` makes of its number and spec.
    pub(super) fn from_layout(layout: &Layout, mut tensor: impl FnMut(usize, &ParameterSpec) -> Tensor) -> Parameters {
        let specs = layout.parameters.clone();
        let tensors = specs.iter().enumerate().map(|(number, spec)| {
            let tensor = tensor(number, spec).set_requires_grad(false);
            (spec.name.clone(), tensor)
        });
        Parameters { tensors: tensors.collect(), specs }
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

    /// Bytes of all parameters.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64).sum()
    }

    /// The device of all parameters.
    pub fn device(&self) -> Device {
        self.tensors.values().next().map_or(Device::Cpu, Tensor::device)
    }
}

impl ParameterSource for Parameters {
    fn tensor(&self, spec: ParameterSpec) -> Tensor {
        let tensor = self.get(&spec.name);
        debug_assert_eq!(tensor.size(), spec.shape, "{}", spec.name);
        tensor
    }
}
