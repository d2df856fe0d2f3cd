//! Operations that libtorch would make of several passes over memory, and keep more of than their backward pass needs. Each is one
//! node of the autograd graph. Our own [kernels](crate::kernels) compute some in fp32 on a CPU only, and some wherever they are of one type
//! ([`Kernels`]); tensor operations do the rest.

mod attention;
mod kernels;
mod row_numbers;

use std::ffi::CStr;

use tch::{Kind, Tensor, no_grad};
use tracing::trace_span;

use crate::device::autograd::{Incoming, attach, is_recorded};
use crate::kernels::slices::{as_f32, as_f32_mut, is_contiguous_f32};
use crate::kernels::{Dropout, Rotation};
pub use attention::{attention, takes_attention};
pub use kernels::check as check_kernels;
use kernels::{INSTRUCTIONS, Kernels};
pub use row_numbers::{Numbered, RowNumbers};

/// silu(gate)·up, of operands that nothing else needs: their gradients take their place. Of the graph only they are kept.
pub fn swiglu(gate: Tensor, up: Tensor) -> Tensor {
    let Some(kernels) = Kernels::of(&[&gate, &up]) else { return gate.silu() * up };
    let output = no_grad(|| kernels.swiglu(&gate, &up));
    let (mut kept_gate, mut kept_up) = (gate.detach(), up.detach());
    differentiable(c"SwiGluBackward", [&gate, &up], output, move |Incoming { gradient, .. }| {
        kernels.swiglu_backward(&gradient.contiguous(), &mut kept_gate, &mut kept_up);
        [kept_gate, kept_up]
    })
}

/// The exact GELU, of an operand that nothing else needs: its gradient takes its place.
pub fn gelu(x: Tensor) -> Tensor {
    if !is_contiguous_f32(&x) {
        return x.gelu("none");
    }
    let output = no_grad(|| {
        let mut output = x.empty_like();
        let _span = trace_span!("kernel gelu").entered();
        crate::kernels::gelu(*INSTRUCTIONS, as_f32(&x), as_f32_mut(&mut output));
        output
    });
    let mut kept = x.detach();
    differentiable(c"GeluBackward", [&x], output, move |Incoming { gradient, .. }| {
        let gradient = gradient.contiguous();
        trace_span!("kernel gelu backward")
            .in_scope(|| crate::kernels::gelu_backward(*INSTRUCTIONS, as_f32(&gradient), as_f32_mut(&mut kept)));
        [kept]
    })
}

/// torch.nn.functional.dropout in training. Of the graph nothing is kept: the backward pass computes the mask again.
pub fn dropout(x: Tensor, mask: Dropout) -> Tensor {
    let Some(kernels) = Kernels::of(&[&x]) else { return x.dropout(libtorch_dropout(Some(mask)), true) };
    let numbers = RowNumbers::of(&x);
    let output = no_grad(|| kernels.dropout(&x, mask, &numbers));
    differentiable(c"DropoutBackward", [&x], output, move |Incoming { gradient, .. }| {
        [kernels.dropout(&gradient.contiguous(), mask, &numbers)]
    })
}

/// The probability for an operation of libtorch's, which draws from generators of the whole process: they are seeded for it.
pub fn libtorch_dropout(mask: Option<Dropout>) -> f64 {
    mask.map_or(0.0, |mask| {
        tch::manual_seed(mask.seed() as i64);
        mask.probability()
    })
}

/// Root-mean-square norm over the last dimension, computed in fp32 and rounded before the product with the weight, as
/// `LlamaRMSNorm` does it.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    let Some(kernels) = Kernels::of(&[x, weight]) else {
        let wide = x.to_kind(Kind::Float);
        let mean = wide.square().mean_dim(Some(&[-1i64][..]), true, Kind::Float);
        return (wide * (mean + eps).rsqrt()).to_kind(x.kind()) * weight;
    };
    let (output, scales) = no_grad(|| kernels.rms_norm(x, weight, eps));
    let (kept_x, kept_weight) = (x.detach(), weight.detach());
    differentiable(c"RmsNormBackward", [x, weight], output, move |Incoming { gradient, needed }| {
        let gradient = gradient.contiguous();
        let mut of_x = Tensor::new();
        if needed[0] {
            of_x = kernels.rms_norm_backward(&gradient, &kept_x, &kept_weight, &scales);
        }
        let mut of_weight = Tensor::new();
        if needed[1] {
            let normed = (&kept_x * scales.unsqueeze(-1)).to_kind(kept_x.kind());
            let sums = (gradient * normed).flatten(0, -2).sum_dim_intlist(0, false, Kind::Float);
            of_weight = sums.to_kind(kept_weight.kind());
        }
        [of_x, of_weight]
    })
}

/// Rotates pairs of components of queries or keys `[rows, heads, length, head_dim]`, component i of a head's first half with component i
/// of its second half, by angles with these cosines and sines `[rows or 1, 1, length, head_dim / 2]`.
pub fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Tensor {
    let by_token = x.transpose(1, 2);
    let Some(kernels) = Kernels::of(&[&by_token, cos, sin]) else {
        let halves = x.chunk(2, -1);
        let (a, b) = (&halves[0], &halves[1]);
        return Tensor::cat(&[a * cos - b * sin, b * cos + a * sin], -1);
    };
    let output = no_grad(|| kernels.rotate(&by_token, [cos, sin], Rotation::Forward).transpose(1, 2));
    let [cos, sin] = [cos, sin].map(Tensor::detach);
    differentiable(c"RotaryBackward", [x], output, move |Incoming { gradient, .. }| {
        let by_token = gradient.transpose(1, 2).contiguous();
        [kernels.rotate(&by_token, [&cos, &sin], Rotation::Backward).transpose(1, 2)]
    })
}

/// Replaces logits `[rows, classes]` by `scale` times the gradient of their summed cross-entropy with the labels, int64 `[rows]`, and gives
/// the sum, fp32 and not scaled.
pub fn cross_entropy_gradient(mut logits: Tensor, labels: &Tensor, scale: f64) -> (Tensor, Tensor) {
    if is_contiguous_f32(&logits) {
        let mut losses = Tensor::zeros(labels.size(), (Kind::Float, logits.device()));
        let of_rows = Vec::<i64>::try_from(labels).unwrap_or_default();
        let (numbers, of_losses) = (as_f32_mut(&mut logits), as_f32_mut(&mut losses));
        trace_span!("kernel cross-entropy")
            .in_scope(|| crate::kernels::cross_entropy(*INSTRUCTIONS, numbers, &of_rows, scale as f32, of_losses));
        return (losses.sum(Kind::Float), logits);
    }
    let labels = labels.unsqueeze(-1);
    let mut log_probabilities = logits.log_softmax(-1, Kind::Float);
    let loss = log_probabilities.gather(-1, &labels, false).sum(Kind::Float).neg();
    let mut gradient = log_probabilities.exp_();
    let _ = gradient.scatter_add_(-1, &labels, &labels.ones_like().to_kind(Kind::Float).neg());
    (loss, gradient * scale)
}

/// `output` as the result of an operation on `inputs`, where a graph is recorded.
fn differentiable<const INPUTS: usize>(
    name: &'static CStr,
    inputs: [&Tensor; INPUTS],
    output: Tensor,
    backward: impl FnOnce(Incoming<INPUTS>) -> [Tensor; INPUTS] + Send + 'static,
) -> Tensor {
    if is_recorded(&inputs) {
        attach(name, inputs, &output, backward);
    }
    output
}

#[cfg(test)]
mod tests;
