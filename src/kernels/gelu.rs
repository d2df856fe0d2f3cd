//! The exact GELU, x·Φ(x) with the normal distribution function Φ (Hendrycks and Gimpel, arXiv 1606.08415).

use rayon::prelude::*;

use super::TASK;
use super::exp::exp;
use super::instructions::{InstructionSet, Kernel};
use super::vector::{Vector, madd};

/// GELU of each number.
pub fn gelu(instructions: InstructionSet, x: &[f32], out: &mut [f32]) {
    struct Forward<'a>(&'a [f32], &'a mut [f32]);
    impl Kernel for Forward<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Forward(x, out) = self;
            for (&x, out) in x.iter().zip(out) {
                *out = x * normal::<V>(x).0;
            }
        }
    }
    assert_eq!(x.len(), out.len());
    let parts = out.par_chunks_mut(TASK).zip(x.par_chunks(TASK));
    parts.for_each(|(out, x)| instructions.run(Forward(x, out)));
}

/// Replaces x by its gradient, of the gradient of GELU: dx = dy·(Φ(x) + x·φ(x)).
pub fn gelu_backward(instructions: InstructionSet, gradient: &[f32], x: &mut [f32]) {
    struct Backward<'a>(&'a [f32], &'a mut [f32]);
    impl Kernel for Backward<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Backward(gradient, x) = self;
            for (&d, x) in gradient.iter().zip(x) {
                let (distribution, density) = normal::<V>(*x);
                *x = d * madd::<V>(*x, density, distribution);
            }
        }
    }
    assert_eq!(x.len(), gradient.len());
    let parts = x.par_chunks_mut(TASK).zip(gradient.par_chunks(TASK));
    parts.for_each(|(x, gradient)| instructions.run(Backward(gradient, x)));
}

/// The normal distribution function and its density, within 3e-7.
///
/// With z = |x| / √2, Φ(−|x|) = erfc(z) / 2 = e^(−z²)·f(z) / 2, and f is smooth: a polynomial in t = 1 / (1 + 0.35·z), fitted to a relative
/// error of 7e-9.
#[inline(always)]
fn normal<V: Vector>(x: f32) -> (f32, f32) {
    const SCALE: f32 = 0.35 * std::f32::consts::FRAC_1_SQRT_2;
    const DENSITY: f32 = 0.398_942_3;
    let t = 1.0 / madd::<V>(SCALE, x.abs(), 1.0);
    let mut sum = 0.037_253_678;
    for coefficient in [
        -0.152_471_33,
        0.165_668_98,
        -0.005_708_880_3,
        0.067_820_81,
        0.156_911_64,
        0.147_200_32,
        0.188_813_92,
        0.197_020_53,
        0.197_490_33,
    ] {
        sum = madd::<V>(sum, t, coefficient);
    }
    let bell = exp::<V>(-0.5 * x * x);
    let tail = 0.5 * bell * (sum * t);
    (if x < 0.0 { tail } else { 1.0 - tail }, DENSITY * bell)
}
