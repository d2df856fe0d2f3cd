//! The layers that all networks are made of, by the names of their parameters in the checkpoint.

use tch::{Kind, Tensor};

use super::tape::Pass;
use super::weights::Parameters;

/// y = x·Wᵀ + b, torch.nn.Linear.
pub struct Linear {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// The layer `name`, with a bias if there is one.
    pub fn new(parameters: &Parameters, name: &str) -> Linear {
        Linear {
            weight: parameters.get(&format!("{name}.weight")),
            bias: parameters.find(&format!("{name}.bias")),
            name: name.to_owned(),
        }
    }

    /// x `[…, in]` to `[…, out]`.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Tensor {
        let y = x.linear(&self.weight, self.bias.as_ref());
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

/// Root-mean-square norm over the last dimension (Zhang and Sennrich, arXiv 1910.07467), reckoned in fp32 and rounded
/// before the weight comes in, as `LlamaRMSNorm` does it.
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl RmsNorm {
    /// The layer `name`.
    pub fn new(parameters: &Parameters, name: &str, eps: f64) -> RmsNorm {
        RmsNorm { weight: parameters.get(&format!("{name}.weight")), eps }
    }

    /// Keeps the shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let wide = x.to_kind(Kind::Float);
        let mean = wide.square().mean_dim(Some(&[-1i64][..]), true, Kind::Float);
        (wide * (mean + self.eps).rsqrt()).to_kind(x.kind()) * &self.weight
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
    pub const NAMES: [(&str, Activation); 8] = [
        ("gelu", Activation::Gelu),
        ("gelu_python", Activation::Gelu),
        ("gelu_new", Activation::GeluTanh),
        ("gelu_pytorch_tanh", Activation::GeluTanh),
        ("gelu_fast", Activation::GeluTanh),
        ("relu", Activation::Relu),
        ("silu", Activation::Silu),
        ("swish", Activation::Silu),
    ];

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
