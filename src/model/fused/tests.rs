//! Each operation against tensor operations in double precision, differentiated by libtorch.

use proptest::prelude::*;
use tch::Device;

use super::*;
use crate::device::autograd::gradients;
use crate::device::random_tensor;
use crate::kernels::Mask;
use crate::kernels::cuda::Processor;

/// Outputs and gradients of an operation on fp32 tensors and of the same by tensor operations on double ones.
fn check<const INPUTS: usize>(
    inputs: [Tensor; INPUTS],
    ours: impl Fn([Tensor; INPUTS]) -> Tensor,
    reference: impl Fn(&[Tensor; INPUTS]) -> Tensor,
) {
    let wide = inputs.each_ref().map(|input| input.to_kind(Kind::Double).set_requires_grad(true));
    let expected = reference(&wide);
    let dy = random_tensor(&expected.size(), 99);
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
        let inputs = [random_tensor(&[rows, 3, width], seed), random_tensor(&[rows, 3, width], seed + 1000)];
        check(inputs, |[gate, up]| swiglu(gate, up), |[gate, up]| gate.silu() * up);
    }

    #[test]
    fn a_gelu_is_that_of_tensor_operations(rows in 1i64..6, width in 1i64..70, seed in 0u64..100) {
        check([random_tensor(&[rows, 3, width], seed) * 2.0], |[x]| gelu(x), |[x]| x.gelu("none"));
    }

    #[test]
    // In a row of a few numbers the gradient is a small difference of large ones.
    fn an_rms_norm_is_that_of_tensor_operations(rows in 1i64..6, width in 8i64..70, seed in 0u64..100) {
        let inputs = [random_tensor(&[rows, 2, width], seed), random_tensor(&[width], seed + 1000)];
        check(inputs, |[x, weight]| rms_norm(&x, &weight, 1e-5), |[x, weight]| reference_rms_norm(x, weight, 1e-5));
    }

    #[test]
    fn a_rotation_is_that_of_tensor_operations(
        (rows, heads, length, half) in (1i64..4, 1i64..5, 1i64..9, 1i64..20),
        shared: bool,
        seed in 0u64..100,
    ) {
        let angles = random_tensor(&[if shared { 1 } else { rows }, 1, length, half], seed + 1000);
        let (cos, sin) = (angles.cos(), angles.sin());
        let (wide_cos, wide_sin) = (cos.to_kind(Kind::Double), sin.to_kind(Kind::Double));
        // By token in memory, as linear layers give it, and by head.
        let by_token = [random_tensor(&[rows, length, heads, 2 * half], seed)];
        let reference = |[x]: &[Tensor; 1]| reference_rotation(&x.transpose(1, 2), &wide_cos, &wide_sin);
        check(by_token, |[x]| rotate(&x.transpose(1, 2), &cos, &sin), reference);
        let by_head = [random_tensor(&[rows, heads, length, 2 * half], seed)];
        let reference = |[x]: &[Tensor; 1]| reference_rotation(x, &wide_cos, &wide_sin);
        check(by_head, |[x]| rotate(&x, &cos, &sin), reference);
    }

    #[test]
    fn cross_entropy_and_its_gradient_are_those_of_tensor_operations(
        rows in 1i64..6, classes in 1i64..70, scale in 0.01f64..2.0, spread in 0.0f64..60.0, seed in 0u64..100,
    ) {
        let logits = random_tensor(&[rows, classes], seed) * spread;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    // With large scores the gradients of queries and keys are small differences of large numbers.
    fn attention_is_that_of_tensor_operations(
        (rows, length, kv_heads, group, dim) in (1i64..4, 1i64..40, 1i64..4, 1i64..4, 4i64..20),
        causal: bool,
        seed in 0u64..100,
    ) {
        let heads = group * kv_heads;
        let inputs = [(heads, 0), (kv_heads, 1), (kv_heads, 2)]
            .map(|(heads, number)| random_tensor(&[rows, length, heads, dim], seed + 1000 * number) * 0.3);
        let examples = (0..rows as usize).map(|row| row * length as usize..(row + 1) * length as usize);
        let mask = if causal { Mask::Causal } else { Mask::Full };
        let ours = |inputs: [Tensor; 3]| {
            let [query, key, value] = inputs.map(|input| input.transpose(1, 2));
            assert!(takes_attention([&query, &key, &value]));
            attention([&query, &key, &value], examples.clone().collect(), mask, None)
        };
        let reference = |inputs: &[Tensor; 3]| {
            let [query, key, value] = inputs.each_ref().map(|input| input.transpose(1, 2));
            let expand = |of: &Tensor| of.repeat_interleave_self_int(group, 1, None::<i64>);
            let none = None::<&Tensor>;
            let attended =
                Tensor::scaled_dot_product_attention(&query, &expand(&key), &expand(&value), none, 0.0, causal, None, false);
            attended.transpose(1, 2).flatten(2, 3)
        };
        check(inputs, ours, reference);
    }
}

/// An operation on a tensor of ones, and its gradient.
fn of_ones(operation: impl Fn(Tensor) -> Tensor) -> (Tensor, Tensor) {
    let leaf = Tensor::ones([4, 5, 100], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let output = operation(&leaf * 1.0);
    let gradient = gradients(&output, &output.ones_like(), &[&leaf]).remove(0);
    (output.detach(), gradient)
}

#[test]
fn dropout_scales_what_it_leaves_repeats_by_seed_and_drops_the_same_gradients() {
    let seeded = |seed| of_ones(|x| dropout(x, Dropout::new(0.25, seed)));
    let (output, gradient) = seeded(3);
    let left = output.not_equal(0.0);
    assert!(output.equal(&(left.to_kind(Kind::Float) / 0.75)) && gradient.equal(&output));
    let share = left.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    assert!((share - 0.75).abs() < 0.04, "{share}");
    assert!(seeded(3).0.equal(&output) && !seeded(4).0.equal(&output));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The kernel in CUDA C has the masks of that on vector registers.
    #[test]
    fn dropout_has_the_same_masks_on_both_processors(
        rows in 1..5i64, length in 1..6i64, width in 1..200i64, probability in 0.0..0.95, seed: u64, bf16: bool, numbered: bool
    ) {
        let kind = if bf16 { Kind::BFloat16 } else { Kind::Float };
        let mask = Dropout::new(probability, seed);
        let _numbered = numbered.then(|| RowNumbers::set(17, (0..rows as u64).map(|row| 3 * row + (1 << 20))));
        for shape in [vec![rows, width], vec![rows, length, width], vec![1, rows * length, width]] {
            let x = random_tensor(&shape, seed).to_kind(kind);
            let mut numbers = vec![RowNumbers::of(&x)];
            numbers.extend((shape.len() == 3).then(|| RowNumbers::padded(&x)));
            for numbers in numbers {
                let got = Kernels::Compiled(Processor::Cpu).dropout(&x, mask, &numbers);
                let expected = Kernels::Vectors.dropout(&x.to_kind(Kind::Float), mask, &numbers).to_kind(kind);
                prop_assert!(got.kind() == kind && got.equal(&expected));
            }
        }
    }
}

#[test]
fn masks_do_not_depend_on_the_part_of_a_batch() {
    let mask = Dropout::new(0.4, 5);
    let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::BFloat16, Device::Cpu));
    let kernels = Kernels::Compiled(Processor::Cpu);
    let (by_row, padded) = (ones(&[5, 90]), ones(&[5, 7, 90]));
    let pooled = kernels.dropout(&by_row, mask, &RowNumbers::of(&by_row));
    let whole = kernels.dropout(&padded, mask, &RowNumbers::padded(&padded));
    // Rows 4 and 1, of which the longest has 3 tokens.
    let _numbered = RowNumbers::set(0, [4, 1]);
    let (by_row, padded) = (ones(&[2, 90]), ones(&[2, 3, 90]));
    let rows = Tensor::from_slice(&[4i64, 1]);
    assert!(kernels.dropout(&by_row, mask, &RowNumbers::of(&by_row)).equal(&pooled.index_select(0, &rows)));
    let part = kernels.dropout(&padded, mask, &RowNumbers::padded(&padded));
    assert!(part.equal(&whole.index_select(0, &rows).narrow(1, 0, 3)));
}

#[test]
fn attention_with_dropout_repeats_by_seed_and_keeps_the_expectation() {
    // The values are ones, and so is each output on average.
    let seeded = |seed| {
        of_ones(|x| {
            let operand = x.view([4, 5, 4, 25]).transpose(1, 2);
            attention(
                [&operand, &operand, &operand],
                (0..4).map(|row| 5 * row..5 * row + 5).collect(),
                Mask::Full,
                Some(Dropout::new(0.5, seed)),
            )
        })
    };
    let (output, gradient) = seeded(6);
    let (again, gradient_again) = seeded(6);
    assert!(output.equal(&again) && gradient.equal(&gradient_again) && !seeded(7).0.equal(&output));
    let mean = (0..200).map(|seed| seeded(seed).0.mean(Kind::Double).double_value(&[])).sum::<f64>() / 200.0;
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
}

#[test]
fn operations_in_bf16_round_where_tensor_operations_do() {
    let bf16 = |shape: &[i64], seed: u64| random_tensor(shape, seed).to_kind(Kind::BFloat16);
    // Of two roundings one may go the other way.
    let close = |got: &Tensor, expected: &Tensor| {
        let off = (got.to_kind(Kind::Float) - expected.to_kind(Kind::Float)).abs();
        let unit = expected.to_kind(Kind::Float).abs() / 128.0 + 1e-3;
        assert!(got.kind() == Kind::BFloat16 && got.size() == expected.size());
        assert!((off / unit).max().double_value(&[]) <= 1.01, "{got} {expected}");
    };
    let compare = |inputs: &[Tensor], ours: &dyn Fn(&[Tensor]) -> Tensor, theirs: &dyn Fn(&[Tensor]) -> Tensor| {
        let results = [ours, theirs].map(|operation| {
            let leaves: Vec<Tensor> = inputs.iter().map(|input| input.copy().set_requires_grad(true)).collect();
            let operands: Vec<Tensor> = leaves.iter().map(|leaf| leaf * 1.0).collect();
            let output = operation(&operands);
            let found = gradients(&output, &bf16(&output.size(), 77), &leaves.iter().collect::<Vec<_>>());
            (output.detach(), found)
        });
        let [(got, gradients), (expected, expected_gradients)] = &results;
        close(got, expected);
        gradients.iter().zip(expected_gradients).for_each(|(got, expected)| close(got, expected));
    };
    for width in [1, 8, 300, 1500] {
        let inputs = [bf16(&[4, 3, width], 1), bf16(&[4, 3, width], 2)];
        compare(&inputs, &|x| swiglu(x[0].shallow_clone(), x[1].shallow_clone()), &|x| x[0].silu() * &x[1]);
    }
    let angles = random_tensor(&[1, 1, 7, 5], 3);
    let (cos, sin) = (angles.cos().to_kind(Kind::BFloat16), angles.sin().to_kind(Kind::BFloat16));
    let inputs = [bf16(&[2, 7, 3, 10], 4)];
    let ours = |x: &[Tensor]| rotate(&x[0].transpose(1, 2), &cos, &sin);
    compare(&inputs, &ours, &|x| reference_rotation(&x[0].transpose(1, 2), &cos, &sin));
}

#[test]
fn an_rms_norm_in_bf16_is_that_of_tensor_operations_in_double_precision() {
    for (rows, width) in [(1, 64), (7, 300), (3, 2000)] {
        let (x, weight) = (random_tensor(&[rows, width], 5), random_tensor(&[width], 6));
        let [x, weight, dy] =
            [x, weight, random_tensor(&[rows, width], 7)].map(|tensor| tensor.to_kind(Kind::BFloat16));
        let wide = [&x, &weight].map(|tensor| tensor.to_kind(Kind::Double).set_requires_grad(true));
        let expected = reference_rms_norm(&wide[0], &wide[1], 1e-5);
        let expected_gradients = gradients(&expected, &dy.to_kind(Kind::Double), &[&wide[0], &wide[1]]);
        let leaves = [x, weight].map(|tensor| tensor.set_requires_grad(true));
        let got = rms_norm(&leaves[0], &leaves[1], 1e-5);
        let found = gradients(&got, &dy, &[&leaves[0], &leaves[1]]);
        for (got, expected) in
            [&got, &found[0], &found[1]].into_iter().zip([&expected, &expected_gradients[0], &expected_gradients[1]])
        {
            let off = (got.to_kind(Kind::Double) - expected).abs().max() / expected.abs().max();
            assert!(got.kind() == Kind::BFloat16 && off.double_value(&[]) < 1e-2, "{rows} x {width}: {off}");
        }
    }
}
