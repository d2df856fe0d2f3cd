//! Changes weights in place for a while, and puts them back bit for bit.

use tch::{Device, Kind, Tensor, no_grad};

use crate::device::shim::fill_normal;
use crate::model::Network;
use crate::model::mixed;

/// Parameters of a network, or some of their components, whose weights are moved away from a base point. The base is a copy in
/// host memory of what is moved and of nothing else; dropping the perturbation puts it back.
pub struct Perturbation {
    parameters: Vec<Perturbed>,
}

/// A parameter, or some of its components.
pub struct Perturbed {
    /// Name of the parameter.
    pub name: String,
    /// Shape of the whole parameter.
    pub shape: Vec<i64>,
    /// Flat row-major indices of the components, int64 `[k]`; `None` for all of them.
    pub indices: Option<Tensor>,
    /// Shares memory with the network.
    weights: Tensor,
    /// The values before, in the weights' type: `[k]`, or the parameter's shape.
    base: Tensor,
}

impl Perturbation {
    /// Of parameters by name, each with the ascending flat indices of its components, or `None` for all of them. Their current
    /// values are the base.
    pub fn new(network: &Network, parameters: impl IntoIterator<Item = (String, Option<Tensor>)>) -> Perturbation {
        let parameters = parameters.into_iter().map(|(name, indices)| {
            let weights = network.parameters.get(&name);
            let indices = indices.map(|indices| indices.to_device(weights.device()).to_kind(Kind::Int64));
            let current = match &indices {
                Some(indices) => weights.detach().view(-1).index_select(0, indices),
                None => weights.detach(),
            };
            // `copy` even on the host: the weights' own memory is about to change.
            let base = if current.device() == Device::Cpu { current.copy() } else { current.to_device(Device::Cpu) };
            Perturbed { name, shape: weights.size(), indices, weights, base }
        });
        Perturbation { parameters: parameters.collect() }
    }

    /// What is moved, in the order given.
    pub fn parameters(&self) -> &[Perturbed] {
        &self.parameters
    }

    /// Number of components that are moved.
    pub fn components(&self) -> i64 {
        self.parameters.iter().map(Perturbed::components).sum()
    }

    /// Sets each parameter to its base plus an offset: `offset` gets the parameter with its number and base, and returns a
    /// tensor of the base's shape. Base and offset are fp32 on the weights' device, one parameter at a time; the sum is
    /// rounded to the weights' type once.
    pub fn set(&mut self, mut offset: impl FnMut(usize, &Perturbed, &Tensor) -> Tensor) {
        no_grad(|| {
            for (number, parameter) in self.parameters.iter().enumerate() {
                let base = parameter.base();
                parameter.write(&(&base + offset(number, parameter, &base)));
            }
        });
    }

    /// Adds noise from N(0, deviation²) to each base value. The noise follows from the seed, and differs between kinds of
    /// devices.
    pub fn add_noise(&mut self, deviation: f64, seed: u64) {
        self.set(|number, _, base| noise(base, mixed(seed, number as u64)) * deviation);
    }

    /// Ends the parameters' part in autograd, which a gradient of theirs began.
    pub fn require_no_gradient(&self) {
        self.parameters.iter().for_each(|parameter| drop(parameter.weights.set_requires_grad(false)));
    }

    /// Puts the base back, bit for bit.
    pub fn restore(&mut self) {
        no_grad(|| self.parameters.iter().for_each(|parameter| parameter.write(&parameter.base)));
    }
}

impl Drop for Perturbation {
    fn drop(&mut self) {
        self.restore();
    }
}

impl Perturbed {
    /// Number of components that are moved.
    pub fn components(&self) -> i64 {
        self.base.numel() as i64
    }

    /// The values before, fp32 on the weights' device.
    pub fn base(&self) -> Tensor {
        self.base.to_device(self.weights.device()).to_kind(Kind::Float)
    }

    /// Writes values in the base's shape, rounded to the weights' type.
    fn write(&self, values: &Tensor) {
        let values = values.to_device(self.weights.device()).to_kind(self.weights.kind());
        match &self.indices {
            Some(indices) => {
                let _ = self.weights.view(-1).index_copy_(0, indices, &values);
            }
            None => self.weights.shallow_clone().copy_(&values),
        }
    }
}

/// Standard normal numbers in the shape and on the device of a tensor, fp32.
pub(super) fn noise(like: &Tensor, seed: u64) -> Tensor {
    let mut noise = Tensor::empty(like.size(), (Kind::Float, like.device()));
    fill_normal(&mut noise, 1.0, seed);
    noise
}
