//! SwiGLU, the gated activation of a decoder's MLP: silu(gate)·up with silu(g) = g·sigmoid(g) (Shazeer, arXiv 2002.05202), in one pass.

use rayon::prelude::*;

use super::TASK;
use super::exp::sigmoid;
use super::instructions::{InstructionSet, Kernel};
use super::vector::{Vector, madd};

/// silu(gate)·up. All slices are of equal length.
pub fn swiglu(instructions: InstructionSet, gate: &[f32], up: &[f32], out: &mut [f32]) {
    struct Forward<'a>(&'a [f32], &'a [f32], &'a mut [f32]);
    impl Kernel for Forward<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Forward(gate, up, out) = self;
            for ((&g, &u), out) in gate.iter().zip(up).zip(out) {
                *out = g * sigmoid::<V>(g) * u;
            }
        }
    }
    assert!(gate.len() == out.len() && up.len() == out.len());
    let parts = out.par_chunks_mut(TASK).zip(gate.par_chunks(TASK).zip(up.par_chunks(TASK)));
    parts.for_each(|(out, (gate, up))| instructions.run(Forward(gate, up, out)));
}

/// Replaces gate and up by their gradients, of the gradient of silu(gate)·up.
pub fn swiglu_backward(instructions: InstructionSet, gradient: &[f32], gate: &mut [f32], up: &mut [f32]) {
    struct Backward<'a>(&'a [f32], &'a mut [f32], &'a mut [f32]);
    impl Kernel for Backward<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Backward(gradient, gate, up) = self;
            for ((&d, g), u) in gradient.iter().zip(gate).zip(up) {
                let s = sigmoid::<V>(*g);
                let silu = *g * s;
                let slope = madd::<V>(silu, 1.0 - s, s);
                *g = d * *u * slope;
                *u = d * silu;
            }
        }
    }
    assert!(gate.len() == gradient.len() && up.len() == gradient.len());
    let parts = gradient.par_chunks(TASK).zip(gate.par_chunks_mut(TASK).zip(up.par_chunks_mut(TASK)));
    parts.for_each(|(gradient, (gate, up))| instructions.run(Backward(gradient, gate, up)));
}
