//! Activation functions, by the names of `hidden_act` in a config.json.

use tch::Tensor;

use super::fused::{gelu, swiglu};

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The exact GELU.
    Gelu,
    /// The tanh approximation of GELU: `gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// x · sigmoid(x).
    Silu,
}

impl Activation {
    /// The names that `hidden_act` may have.
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

    /// Applies the function to each component, in the shape and dtype of `x`, which nothing else needs.
    pub fn forward(self, x: Tensor) -> Tensor {
        match self {
            Activation::Gelu => gelu(x),
            Activation::GeluTanh => x.gelu("tanh"),
            Activation::Relu => x.relu(),
            Activation::Silu => x.silu(),
        }
    }

    /// The function of `gate`, times `up`: of operands that nothing else needs.
    pub fn gate(self, gate: Tensor, up: Tensor) -> Tensor {
        match self {
            Activation::Silu => swiglu(gate, up),
            _ => self.forward(gate) * up,
        }
    }
}
