//! The layers that networks are made of.

use std::sync::LazyLock;

use tch::{Device, Kind, Tensor};

use super::builder::{Builder, ParameterKind};
use super::fused::rms_norm;
use super::lora::LoraAdapter;
use super::tape::ForwardPass;
use crate::device::matmul::in_bf16;

/// y = x·Wᵀ + b, torch.nn.Linear. With an adapter, [LoRA](super::lora) on top.
pub struct Linear {
    name: String,
    inputs: i64,
    outputs: i64,
    weight: Tensor,
    bias: Option<Tensor>,
    adapter: Option<LoraAdapter>,
}

impl Linear {
    /// The layer at the builder's place, with a bias.
    pub fn new(builder: &Builder<'_>, inputs: i64, outputs: i64) -> Linear {
        Linear {
            name: builder.path().to_owned(),
            inputs,
            outputs,
            weight: builder.parameter("weight", &[outputs, inputs], ParameterKind::LinearWeight),
            bias: Some(builder.parameter("bias", &[outputs], ParameterKind::LinearBias)),
            adapter: LoraAdapter::of(builder, inputs, outputs),
        }
    }

    /// The layer at the builder's place, without a bias.
    pub fn without_bias(builder: &Builder<'_>, inputs: i64, outputs: i64) -> Linear {
        Linear {
            name: builder.path().to_owned(),
            inputs,
            outputs,
            weight: builder.parameter("weight", &[outputs, inputs], ParameterKind::LinearWeight),
            bias: None,
            adapter: LoraAdapter::of(builder, inputs, outputs),
        }
    }

    /// Its name: that of its weight without `.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Width of its input.
    pub fn inputs(&self) -> i64 {
        self.inputs
    }

    /// Its adapter, if it has one.
    pub(super) fn adapter(&self) -> Option<&LoraAdapter> {
        self.adapter.as_ref()
    }

    /// Width of its output.
    pub fn outputs(&self) -> i64 {
        self.outputs
    }

    /// x `[…, in]` to `[…, out]`.
    pub fn forward(&self, x: &Tensor, pass: &mut ForwardPass) -> Tensor {
        let (y, saved) = match x.size()[..] {
            [rows, length, _] if by_onednn(x.device(), x.kind(), rows * length) => {
                (self.convolve(x, rows, length), true)
            }
            _ => (x.linear(&self.weight, self.bias.as_ref()), false),
        };
        let y = pass.record(&self.name, x, y, saved);
        match &self.adapter {
            Some(adapter) => adapter.add_to(&y, x, pass),
            None => y,
        }
    }

    /// The same as a convolution with a 1 x 1 kernel in channels-last format, which copies nothing. Its backward pass is a
    /// convolution too.
    fn convolve(&self, x: &Tensor, rows: i64, length: i64) -> Tensor {
        let pixels = x.contiguous().view([rows, 1, length, -1]).permute([0, 3, 1, 2]);
        let kernel = self.weight.unsqueeze(-1).unsqueeze(-1);
        let y = pixels.mkldnn_convolution(&kernel, self.bias.as_ref(), [0, 0], [1, 1], [1, 1], 1);
        y.permute([0, 2, 3, 1]).reshape([rows, length, -1])
    }
}

/// Tokens from which on reordering the weight for oneDNN pays.
const ONEDNN_MIN_TOKENS: i64 = 256;

/// Whether a linear layer runs as a convolution through oneDNN, which keeps its input for backward.
///
/// libtorch gives a product of fp32 matrices to MKL, which uses AVX2 only on processors that are not Intel's, and a
/// convolution to oneDNN, which uses AVX-512 wherever there is any: half the time, with the same sums in another order.
pub fn by_onednn(device: Device, kind: Kind, tokens: i64) -> bool {
    static MKL_IS_NARROW: LazyLock<bool> = LazyLock::new(mkl_is_narrow);
    // In bf16 a product is faster than a convolution, which oneDNN has in fp32.
    let fp32 = kind == Kind::Float && !in_bf16();
    device == Device::Cpu && fp32 && tokens >= ONEDNN_MIN_TOKENS && *MKL_IS_NARROW
}

#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe, reason = "newer releases of Rust than the oldest supported one have it safe")]
fn mkl_is_narrow() -> bool {
    use std::arch::x86_64::__cpuid;
    // SAFETY: every x86-64 processor has the instruction. Leaf 0 holds the vendor's name in three registers.
    let vendor = unsafe { __cpuid(0) };
    let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat();
    is_x86_feature_detected!("avx512f") && name != b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn mkl_is_narrow() -> bool {
    false
}

/// A table of vectors, torch.nn.Embedding.
pub struct Embedding {
    weight: Tensor,
    padding_idx: i64,
}

impl Embedding {
    /// The table `[rows, hidden]` at the builder's place. The row of the id `padding_idx` gets no gradient.
    pub fn new(builder: &Builder<'_>, rows: i64, hidden: i64, padding_idx: Option<i64>) -> Embedding {
        Embedding {
            weight: builder.parameter("weight", &[rows, hidden], ParameterKind::Table),
            padding_idx: padding_idx.unwrap_or(-1),
        }
    }

    /// The table, `[rows, hidden]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Ids int64 `[…]` to `[…, hidden]`.
    pub fn forward(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.weight, ids, self.padding_idx, false, false)
    }
}

/// A norm over the last dimension.
pub trait Norm {
    /// The norm of `size` components at the builder's place.
    fn new(builder: &Builder<'_>, size: i64, eps: f64) -> Self
    where
        Self: Sized;

    /// Normalizes `x` `[…, size]`, in its shape and dtype.
    fn forward(&self, x: &Tensor) -> Tensor;
}

/// torch.nn.LayerNorm.
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    size: i64,
    eps: f64,
}

impl Norm for LayerNorm {
    fn new(builder: &Builder<'_>, size: i64, eps: f64) -> LayerNorm {
        LayerNorm {
            weight: builder.parameter("weight", &[size], ParameterKind::NormWeight),
            bias: builder.parameter("bias", &[size], ParameterKind::NormBias),
            size,
            eps,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm([self.size], Some(&self.weight), Some(&self.bias), self.eps, true)
    }
}

/// Root-mean-square norm (Zhang and Sennrich, arXiv 1910.07467).
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl Norm for RmsNorm {
    fn new(builder: &Builder<'_>, size: i64, eps: f64) -> RmsNorm {
        RmsNorm { weight: builder.parameter("weight", &[size], ParameterKind::NormWeight), eps }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        rms_norm(x, &self.weight, self.eps)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::tape::{LinearSlots, RecordedLayer};
    use super::*;
    use crate::device::random_tensor;

    /// The layer and its input gradient in double precision, by libtorch's own layer.
    fn expected(linear: &Linear, x: &Tensor, dy: &Tensor) -> (Tensor, Tensor) {
        let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
        let y = double(x).linear(&double(&linear.weight), linear.bias.as_ref().map(double));
        (y, double(dy).matmul(&double(&linear.weight)))
    }

    #[test]
    fn a_convolution_gives_the_outputs_and_gradients_of_the_linear_layer() {
        for (rows, length, inputs, outputs, bias) in
            [(1, 256, 1, 1, true), (32, 8, 16, 48, true), (300, 1, 70, 33, false), (3, 101, 130, 2, true)]
        {
            let bias = bias.then(|| random_tensor(&[outputs], 1));
            let weight = random_tensor(&[outputs, inputs], 2);
            let linear = Linear { name: "layer".into(), inputs, outputs, weight, bias, adapter: None };
            let dy = random_tensor(&[rows, length, outputs], 3);
            let strided = random_tensor(&[length, rows, inputs], 5).transpose(0, 1);
            for x in [random_tensor(&[rows, length, inputs], 4), strided] {
                let (y, dx) = expected(&linear, &x, &dy);
                let x = x.set_requires_grad(true);
                let slots = LinearSlots { weight: Some(0), bias: None };
                let recorded = HashMap::from([("layer".to_owned(), RecordedLayer { slots, columns: None })]);
                let mut pass = ForwardPass::recording(None, &recorded);
                for got in [linear.convolve(&x, rows, length), linear.forward(&x, &mut pass)] {
                    assert!(got.is_contiguous() && got.size() == [rows, length, outputs]);
                    let found = Tensor::run_backward(&[(&got * &dy).sum(Kind::Float)], &[&x], false, false);
                    for (got, expected) in [(&got, &y), (&found[0], &dx)] {
                        let off = (got.to_kind(Kind::Double) - expected).abs().max() / expected.abs().max();
                        assert!(off.double_value(&[]) < 1e-6, "{rows}x{length}x{inputs} to {outputs}: {off:?}");
                    }
                }
                let record = pass.into_tape(&x).records.remove(0);
                assert_eq!(record.input, x.detach());
            }
        }
    }
}
