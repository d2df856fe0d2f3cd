//! LoRA: low-rank adapters of linear layers (Hu et al., ICLR 2022, arXiv 2106.09685), with the names, types and initial values that
//! PEFT gives them.
//!
//! An adapted layer computes y = x·Wᵀ + b + (alpha / r)·B·A·dropout(x). A `[r, in]` and B `[out, r]` are parameters of the network
//! like any other, and fp32 whatever the type of the weights, as with PEFT's `autocast_adapter_dtype`. B starts at zero, so that a
//! network with new adapters computes what it did without them.

use std::collections::BTreeSet;

use rand::distr::{Distribution, StandardUniform};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::builder::{Builder, ParameterKind, ParameterSpec};
use super::tape::ForwardPass;
use crate::protocol::LoraFacts;

/// The end of the names of a layer's adapter: of A.
const A: &str = "lora_A.weight";
/// Of B.
const B: &str = "lora_B.weight";

/// The adapters of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    /// The rank.
    pub r: i64,
    /// Adapters are scaled by alpha / r.
    pub alpha: f64,
    /// Dropout of an adapter's input in training.
    pub dropout: f64,
    /// Names of the linear layers that have one.
    pub modules: BTreeSet<String>,
}

/// The adapter of a linear layer, as part of a network or read from its checkpoint.
pub struct LoraAdapter {
    a: Tensor,
    b: Tensor,
    r: i64,
    scale: f64,
    dropout: f64,
}

impl LoraConfig {
    /// What events and checkpoints say of it.
    pub fn facts(&self) -> LoraFacts {
        LoraFacts { r: self.r, alpha: self.alpha, dropout: self.dropout }
    }

    /// The factor of B·A.
    pub fn scale(&self) -> f64 {
        self.alpha / self.r as f64
    }

    /// W + (alpha / r)·B·A in fp32, of W `[out, in]` of any type.
    pub fn merged(&self, weight: &Tensor, a: &Tensor, b: &Tensor) -> Tensor {
        weight.to_kind(Kind::Float) + b.matmul(a) * self.scale()
    }

    /// Whether a parameter of this name is part of an adapter.
    pub fn is_adapter(name: &str) -> bool {
        LoraConfig::module(name).is_some()
    }

    /// The linear layer that the adapter's parameter of this name belongs to.
    pub fn module(name: &str) -> Option<&str> {
        [A, B].iter().find_map(|end| name.strip_suffix(end)?.strip_suffix('.'))
    }

    /// The names of a layer's A and B.
    pub fn names(module: &str) -> [String; 2] {
        [A, B].map(|end| format!("{module}.{end}"))
    }
}

impl LoraAdapter {
    /// The adapter of the linear layer at the builder's place, if it has one.
    pub(super) fn of(builder: &Builder<'_>, inputs: i64, outputs: i64) -> Option<LoraAdapter> {
        let config = builder.adapters().filter(|config| config.modules.contains(builder.path()))?;
        Some(LoraAdapter {
            a: builder.parameter(A, &[config.r, inputs], ParameterKind::LoraA),
            b: builder.parameter(B, &[outputs, config.r], ParameterKind::LoraB),
            r: config.r,
            scale: config.scale(),
            dropout: config.dropout,
        })
    }

    /// Adds the adapter's output to that of its layer: x `[…, in]`, y `[…, out]`, both of the weights' type.
    pub(super) fn add_to(&self, y: &Tensor, x: &Tensor, pass: &mut ForwardPass) -> Tensor {
        let x = pass.dropout(x.to_kind(Kind::Float), self.dropout);
        let inner = x.linear(&self.a, None::<&Tensor>) * self.scale;
        let update = inner.linear(&self.b, None::<&Tensor>);
        (y.to_kind(Kind::Float) + update).to_kind(y.kind())
    }

    /// Bytes per token that it keeps for its backward pass, of a layer with `inputs`: its inner state; where weights are bf16 the
    /// input as fp32; with dropout the input that is left.
    pub(super) fn activations(&self, inputs: u128, element_size: u128, dropout: bool) -> u128 {
        let input = if element_size == 4 { 0 } else { 4 * inputs };
        let dropped = if dropout && self.dropout > 0.0 { 4 * inputs } else { 0 };
        4 * self.r as u128 + input.max(dropped)
    }
}

/// The initial value of an adapter's parameter, fp32 on the CPU: A as PEFT's `kaiming_uniform_(a=√5)`, which is uniform within
/// ±1/√in, and B zero. The numbers are our own, so that an adapter is the same on every device.
pub(super) fn initialized(spec: &ParameterSpec, random: &mut ChaCha8Rng) -> Tensor {
    if spec.kind == ParameterKind::LoraB {
        return Tensor::zeros(&spec.shape, (Kind::Float, Device::Cpu));
    }
    let bound = 1.0 / (spec.shape[1] as f64).sqrt();
    let uniform = (0..spec.components()).map(|_| {
        let unit: f64 = StandardUniform.sample(random);
        ((2.0 * unit - 1.0) * bound) as f32
    });
    Tensor::from_slice(&uniform.collect::<Vec<f32>>()).reshape(&spec.shape)
}
