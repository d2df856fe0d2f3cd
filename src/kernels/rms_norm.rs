//! Root-mean-square norm (Zhang and Sennrich, arXiv 1910.07467): y = x / sqrt(mean(x²) + eps)·w, row by row.

use rayon::prelude::*;

use super::TASK;
use super::instructions::{InstructionSet, Kernel};
use super::sum::sum;
use super::vector::Vector;

/// Normalizes the rows of x `[rows, width]`, where `width` is the length of the weight. `scales` gets 1 / sqrt(mean(x²) + eps) of each row.
pub fn rms_norm(
    instructions: InstructionSet,
    x: &[f32],
    weight: &[f32],
    eps: f32,
    out: &mut [f32],
    scales: &mut [f32],
) {
    struct Forward<'a>(&'a [f32], &'a [f32], f32, &'a mut [f32], &'a mut [f32]);
    impl Kernel for Forward<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Forward(x, weight, eps, out, scales) = self;
            let width = weight.len();
            for ((x, out), scale) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(scales) {
                *scale = 1.0 / (sum(x, x, |a, b| a * b) / width as f32 + eps).sqrt();
                for ((&x, &w), out) in x.iter().zip(weight).zip(out) {
                    *out = x * *scale * w;
                }
            }
        }
    }
    let width = weight.len().max(1);
    assert!(x.len() == out.len() && x.len() == width * scales.len());
    let rows = (TASK / width).max(1);
    let parts = out.par_chunks_mut(rows * width).zip(scales.par_chunks_mut(rows)).zip(x.par_chunks(rows * width));
    parts.for_each(|((out, scales), x)| instructions.run(Forward(x, weight, eps, out, scales)));
}

/// The gradient of x, `[rows, width]`, of that of the norm's output and the scales of [`rms_norm`]: with s the row's scale,
/// dx = s·(w·dy − x·s²·mean(x·w·dy)).
pub fn rms_norm_backward(
    instructions: InstructionSet,
    gradient: &[f32],
    x: &[f32],
    weight: &[f32],
    scales: &[f32],
    out: &mut [f32],
) {
    struct Backward<'a>(&'a [f32], &'a [f32], &'a [f32], &'a [f32], &'a mut [f32]);
    impl Kernel for Backward<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Backward(gradient, x, weight, scales, out) = self;
            let width = weight.len();
            let rows = gradient.chunks_exact(width).zip(x.chunks_exact(width)).zip(out.chunks_exact_mut(width));
            for (((gradient, x), out), &scale) in rows.zip(scales) {
                for ((&d, &w), out) in gradient.iter().zip(weight).zip(&mut *out) {
                    *out = d * w;
                }
                let common = sum(x, out, |x, d| x * d) / width as f32 * scale * scale;
                for (&x, out) in x.iter().zip(out) {
                    *out = scale * (*out - x * common);
                }
            }
        }
    }
    let width = weight.len().max(1);
    assert!(x.len() == out.len() && x.len() == gradient.len() && x.len() == width * scales.len());
    let rows = (TASK / width).max(1);
    let operands = gradient.par_chunks(rows * width).zip(x.par_chunks(rows * width)).zip(scales.par_chunks(rows));
    let parts = out.par_chunks_mut(rows * width).zip(operands);
    parts.for_each(|(out, ((gradient, x), scales))| instructions.run(Backward(gradient, x, weight, scales, out)));
}
