//! Each operation against tensor operations in double precision, differentiated by libtorch.

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Device;

use super::*;
use crate::device::autograd::gradients;

/// Numbers in [-3, 3), which do not depend on libtorch's generator.
fn random(shape: &[i64], seed: u64) -> Tensor {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| generator.random_range(-3.0..3.0)).collect();
    Tensor::from_slice(&numbers).reshape(shape)
}

/// Outputs and gradients of an operation on fp32 tensors and of the same by tensor operations on double ones.
fn check<const INPUTS: usize>(
    inputs: [Tensor; INPUTS],
    ours: impl Fn([Tensor; INPUTS]) -> Tensor,
    reference: impl Fn(&[Tensor; INPUTS]) -> Tensor,
) {
    let wide = inputs.each_ref().map(|input| input.to_kind(Kind::Double).set_requires_grad(true));
    let expected = reference(&wide);
    let dy = random(&expected.size(), 99);
    let expected_gradients = gradients(&expected, &dy.to_kind(Kind::Double), &wide.each_ref());
    let leaves = inputs.each_ref().map(|input| input.copy().set_requires_grad(true));
    // Operands may be given up, which leaves cannot be; and an operand is often a view.
    let got = ours(leaves.each_ref().map(|leaf| leaf * 1.0));
    let found = gradients(&got, &dy, &leaves.each_ref());
    let without_graph = no_grad(|| ours(leaves.each_ref().map(|leaf| leaf * 1.0)));
    assert!(!without_graph.requires_grad() && without_graph.equal(&got.detach()));
    let pairs = found.iter().zip(&expected_gradients);
    for (number, (got, expected)) in std::iter::once((&got, &expected)).chain(pairs).enumerate() {
        // Differences of numbers of this size may cancel.
        let size = expected.abs().max().clamp_min(0.1);
        let off = (got.to_kind(Kind::Double) - expected).abs().max() / size;
        assert!(got.size() == expected.size() && off.double_value(&[]) < 2e-6, "{number}: {off:?}");
    }
}

fn reference_rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    x * (x.square().mean_dim(Some(&[-1i64][..]), true, Kind::Double) + eps).rsqrt() * weight
}

fn reference_rotation(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Tensor {
    let halves = x.chunk(2, -1);
    let (a, b) = (&halves[0], &halves[1]);
    Tensor::cat(&[a * cos - b * sin, b * cos + a * sin], -1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_gated_activation_is_that_of_tensor_operations(rows in 1i64..6, width in 1i64..70, seed in 0u64..100) {
        let inputs = [random(&[rows, 3, width], seed), random(&[rows, 3, width], seed + 1000)];
        check(inputs, |[gate, up]| swiglu(gate, up), |[gate, up]| gate.silu() * up);
    }

    #[test]
    fn a_gelu_is_that_of_tensor_operations(rows in 1i64..6, width in 1i64..70, seed in 0u64..100) {
        check([random(&[rows, 3, width], seed) * 2.0], |[x]| gelu(x), |[x]| x.gelu("none"));
    }

    #[test]
    // In a row of a few numbers the gradient is a small difference of large ones.
    fn an_rms_norm_is_that_of_tensor_operations(rows in 1i64..6, width in 8i64..70, seed in 0u64..100) {
        let inputs = [random(&[rows, 2, width], seed), random(&[width], seed + 1000)];
        check(inputs, |[x, weight]| rms_norm(&x, &weight, 1e-5), |[x, weight]| reference_rms_norm(x, weight, 1e-5));
    }

    #[test]
    fn a_rotation_is_that_of_tensor_operations(
        (rows, heads, length, half) in (1i64..4, 1i64..5, 1i64..9, 1i64..20),
        shared: bool,
        seed in 0u64..100,
    ) {
        let angles = random(&[if shared { 1 } else { rows }, 1, length, half], seed + 1000);
        let (cos, sin) = (angles.cos(), angles.sin());
        let (wide_cos, wide_sin) = (cos.to_kind(Kind::Double), sin.to_kind(Kind::Double));
        // By token in memory, as linear layers give it, and by head.
        let by_token = [random(&[rows, length, heads, 2 * half], seed)];
        let reference = |[x]: &[Tensor; 1]| reference_rotation(&x.transpose(1, 2), &wide_cos, &wide_sin);
        check(by_token, |[x]| rotate(&x.transpose(1, 2), &cos, &sin), reference);
        let by_head = [random(&[rows, heads, length, 2 * half], seed)];
        let reference = |[x]: &[Tensor; 1]| reference_rotation(x, &wide_cos, &wide_sin);
        check(by_head, |[x]| rotate(&x, &cos, &sin), reference);
    }

    #[test]
    fn cross_entropy_and_its_gradient_are_those_of_tensor_operations(
        rows in 1i64..6, classes in 1i64..70, scale in 0.01f64..2.0, spread in 0.0f64..60.0, seed in 0u64..100,
    ) {
        let logits = random(&[rows, classes], seed) * spread;
        let labels = Tensor::from_slice(&(0..rows).map(|row| (row * 7 + seed as i64) % classes).collect::<Vec<_>>());
        let wide = logits.to_kind(Kind::Double).set_requires_grad(true);
        let none = None::<&Tensor>;
        let expected = wide.cross_entropy_loss(&labels, none, tch::Reduction::Sum, -100, 0.0);
        let gradient = gradients(&expected, &Tensor::from(scale), &[&wide]).remove(0);
        let (loss, got) = cross_entropy_gradient(logits, &labels, scale);
        let close = |got: &Tensor, expected: &Tensor, size: f64| {
            (got.to_kind(Kind::Double) - expected).abs().max().double_value(&[]) <= 1e-6 * size
        };
        let size = expected.double_value(&[]).abs() + spread;
        prop_assert!(close(&loss, &expected, size.max(1.0)), "{loss:?} {expected:?}");
        // Differences of logits of this size are rounded to so many places.
        prop_assert!(close(&got, &gradient, scale * (1.0 + spread)), "{got:?} {gradient:?}");
    }
}

#[test]
fn bf16_takes_tensor_operations_and_keeps_its_type() {
    let bf16 = |tensor: Tensor| tensor.to_kind(Kind::BFloat16);
    let (gate, up) = (bf16(random(&[4, 32], 1)), bf16(random(&[4, 32], 2)));
    let gate = gate.set_requires_grad(true);
    let got = swiglu(&gate * 1.0, up.shallow_clone());
    let expected = gate.silu() * &up;
    assert!(got.equal(&expected) && got.kind() == Kind::BFloat16);
    let of = |output: &Tensor| gradients(output, &output.ones_like(), &[&gate]).remove(0);
    assert!(of(&got).equal(&of(&expected)));
    let normed = rms_norm(&gate, &up.get(0), 1e-5);
    assert!(normed.kind() == Kind::BFloat16 && normed.requires_grad() && normed.device() == Device::Cpu);
}
