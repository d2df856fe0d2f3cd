//! Kernels give the same bits with any number of threads, and with every instruction set up to a fused multiply-add.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

pub(super) fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| generator.random_range(-4.0..4.0)).collect()
}

/// All results of all kernels on rows of this width.
fn results(instructions: InstructionSet, rows: usize, width: usize) -> Vec<f32> {
    let count = rows * width;
    let (x, y, d) = (random(count, 1), random(count, 2), random(count, 3));
    let mut all = Vec::new();
    let mut out = vec![0.0; count];
    gelu(instructions, &x, &mut out);
    all.extend_from_slice(&out);
    let (mut a, mut b) = (x.clone(), y.clone());
    gelu_backward(instructions, &d, &mut a);
    all.extend_from_slice(&a);
    swiglu(instructions, &x, &y, &mut out);
    all.extend_from_slice(&out);
    a.copy_from_slice(&x);
    swiglu_backward(instructions, &d, &mut a, &mut b);
    all.extend(a.iter().chain(&b));
    let (weight, mut scales) = (random(width, 4), vec![0.0; rows]);
    rms_norm(instructions, &x, &weight, 1e-6, &mut out, &mut scales);
    all.extend(out.iter().chain(&scales));
    rms_norm_backward(instructions, &d, &x, &weight, &scales, &mut out);
    all.extend_from_slice(&out);
    let angles = random(3 * width / 2, 5);
    if width.is_multiple_of(2) {
        rotate(instructions, Rotation::Forward, &x, 1, [&angles, &angles], width / 2, &mut out);
        all.extend_from_slice(&out);
    }
    dropout(instructions, Dropout::new(0.3, 7), width, |row| row as u64, &x, &mut out);
    all.extend_from_slice(&out);
    let (mut logits, mut losses) = (x.clone(), vec![0.0; rows]);
    let labels: Vec<i64> = (0..rows).map(|row| (row % width) as i64).collect();
    cross_entropy(instructions, &mut logits, &labels, 0.5, &mut losses);
    all.extend(logits.iter().chain(&losses));
    all
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_and_on_instructions_only_by_fused_multiply_adds() {
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    for (rows, width) in [(0, 4), (1, 1), (3, 17), (70, 384), (5, 40_000)] {
        let portable = results(InstructionSet::Portable, rows, width);
        assert!(portable.iter().all(|number| number.is_finite()));
        let best = results(InstructionSet::best(), rows, width);
        for instructions in InstructionSet::available() {
            let got = results(instructions, rows, width);
            let repeated = alone.install(|| results(instructions, rows, width));
            assert_eq!(bits(&repeated), bits(&got), "one thread, {rows}x{width}");
            if instructions != InstructionSet::Portable {
                assert_eq!(bits(&got), bits(&best), "{instructions:?} {rows}x{width}");
            }
            let close = got.iter().zip(&portable).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0));
            assert!(close, "{instructions:?} {rows}x{width}");
        }
    }
}

#[test]
fn numbers_that_are_not_finite_stay_visible() {
    for instructions in InstructionSet::available() {
        let mut out = vec![0.0; 4];
        gelu(instructions, &[f32::NAN, 1.0, f32::INFINITY, -3.0], &mut out);
        assert!(out[0].is_nan() && out[2] == f32::INFINITY && out[1].is_finite());
        swiglu(instructions, &[f32::NAN; 4], &[1.0; 4], &mut out);
        assert!(out.iter().all(|number| number.is_nan()));
        let mut scales = [0.0];
        rms_norm(instructions, &[1.0, f32::NAN, 1.0, 1.0], &[1.0; 4], 1e-6, &mut out, &mut scales);
        assert!(out.iter().all(|number| number.is_nan()));
        let (mut logits, mut losses) = (vec![0.0, f32::NAN, 1.0, 2.0], [0.0]);
        cross_entropy(instructions, &mut logits, &[2], 1.0, &mut losses);
        assert!(losses[0].is_nan());
    }
}
