//! The layers that all networks are made of, by the names of their parameters in the checkpoint.

use std::sync::LazyLock;

use tch::{Device, Kind, Tensor};

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
        let y = match x.size()[..] {
            [rows, length, _] if by_onednn(x.device(), x.kind(), rows * length) => self.convolve(x, rows, length),
            _ => x.linear(&self.weight, self.bias.as_ref()),
        };
        pass.record(&self.name, x, &y);
        y
    }

    /// The same as a convolution with a kernel of 1 x 1, whose channels come last in memory: nothing is copied. Its way
    /// back is one too.
    fn convolve(&self, x: &Tensor, rows: i64, length: i64) -> Tensor {
        let pixels = x.contiguous().view([rows, 1, length, -1]).permute([0, 3, 1, 2]);
        let kernel = self.weight.unsqueeze(-1).unsqueeze(-1);
        let y = pixels.mkldnn_convolution(&kernel, self.bias.as_ref(), [0, 0], [1, 1], [1, 1], 1);
        y.permute([0, 2, 3, 1]).reshape([rows, length, -1])
    }
}

/// Tokens from which on it pays that the weight is laid out anew.
const MANY: i64 = 256;

/// Whether a linear layer goes by oneDNN, as a convolution, which keeps what it is given until it is walked back.
///
/// libtorch hands a product of fp32 matrices to MKL, which keeps to AVX2 on processors that are not Intel's, and a convolution
/// to oneDNN, which takes AVX-512 wherever it is: in half of the time, with the same sums in another order.
pub fn by_onednn(device: Device, kind: Kind, tokens: i64) -> bool {
    static MKL_IS_NARROW: LazyLock<bool> = LazyLock::new(mkl_is_narrow);
    device == Device::Cpu && kind == Kind::Float && tokens >= MANY && *MKL_IS_NARROW
}

#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe, reason = "later releases of Rust than the oldest that is good enough have it safe")]
fn mkl_is_narrow() -> bool {
    use std::arch::x86_64::__cpuid;
    // SAFETY: every processor of this architecture has the instruction. Its leaf 0 tells the maker in three parts.
    let maker = unsafe { __cpuid(0) };
    let name = [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes).concat();
    is_x86_feature_detected!("avx512f") && name != b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn mkl_is_narrow() -> bool {
    false
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// In double precision, by libtorch's own layer.
    fn expected(linear: &Linear, x: &Tensor, dy: &Tensor) -> (Tensor, Tensor) {
        let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
        let y = double(x).linear(&double(&linear.weight), linear.bias.as_ref().map(double));
        (y, double(dy).matmul(&double(&linear.weight)))
    }

    #[test]
    fn a_convolution_is_the_layer_and_so_is_its_way_back() {
        for (rows, length, width, out, bias) in
            [(1, 256, 1, 1, true), (32, 8, 16, 48, true), (300, 1, 70, 33, false), (3, 101, 130, 2, true)]
        {
            let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
            let bias = bias.then(|| random(&[out]));
            let linear = Linear { name: "layer".into(), weight: random(&[out, width]), bias };
            let dy = random(&[rows, length, out]);
            for x in [random(&[rows, length, width]), random(&[length, rows, width]).transpose(0, 1)] {
                let (y, dx) = expected(&linear, &x, &dy);
                let x = x.set_requires_grad(true);
                let wanted = HashSet::from(["layer".to_owned()]);
                let mut pass = Pass::recording(false, &wanted);
                for got in [linear.convolve(&x, rows, length), linear.forward(&x, &mut pass)] {
                    assert!(got.is_contiguous() && got.size() == [rows, length, out]);
                    let found = Tensor::run_backward(&[(&got * &dy).sum(Kind::Float)], &[&x], false, false);
                    for (got, expected) in [(&got, &y), (&found[0], &dx)] {
                        let off = (got.to_kind(Kind::Double) - expected).abs().max() / expected.abs().max();
                        assert!(off.double_value(&[]) < 1e-6, "{rows}x{length}x{width} to {out}: {off:?}");
                    }
                }
                let record = pass.into_records().remove(0);
                assert_eq!(record.input, x.detach());
            }
        }
    }
}
