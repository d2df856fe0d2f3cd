//! The layers that all networks are made of, by the names of their parameters in the checkpoint.

use tch::Tensor;

use super::tape::Pass;
use super::weights::Parameters;

/// y = x·Wᵀ + b, torch.nn.Linear.
pub struct Linear {
    name: String,
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// The layer `name`.
    pub fn new(parameters: &Parameters, name: &str) -> Linear {
        Linear {
            weight: parameters.get(&format!("{name}.weight")),
            bias: parameters.get(&format!("{name}.bias")),
            name: name.to_owned(),
        }
    }

    /// x `[…, in]` to `[…, out]`.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Tensor {
        let y = x.linear(&self.weight, Some(&self.bias));
        pass.record(&self.name, x, &y);
        y
    }
}

/// torch.nn.LayerNorm over the last dimension.
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// The layer `name`.
    pub fn new(parameters: &Parameters, name: &str, eps: f64) -> LayerNorm {
        LayerNorm {
            weight: parameters.get(&format!("{name}.weight")),
            bias: parameters.get(&format!("{name}.bias")),
            eps,
        }
    }

    /// Keeps the shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.eps, true)
    }
}

/// The functions that `hidden_act` may name in a config.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The exact one.
    Gelu,
    /// The tanh approximation: `gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// x · sigmoid(x).
    Silu,
}

impl Activation {
    /// The names there are.
    pub const NAMES: [(&str, Activation); 7] = [
        ("gelu", Activation::Gelu),
        ("gelu_new", Activation::GeluTanh),
        ("gelu_pytorch_tanh", Activation::GeluTanh),
        ("gelu_fast", Activation::GeluTanh),
        ("relu", Activation::Relu),
        ("silu", Activation::Silu),
        ("swish", Activation::Silu),
    ];

    /// By its name in a config.json.
    pub fn named(name: &str) -> Option<Activation> {
        Activation::NAMES.iter().find(|(known, _)| *known == name).map(|(_, activation)| *activation)
    }

    /// Keeps the shape.
    pub fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Activation::Gelu => x.gelu("none"),
            Activation::GeluTanh => x.gelu("tanh"),
            Activation::Relu => x.relu(),
            Activation::Silu => x.silu(),
        }
    }
}
