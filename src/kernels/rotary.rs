//! Rotary position embeddings: each pair of a head's components is rotated by an angle.

use rayon::prelude::*;

use super::TASK;
use super::instructions::{InstructionSet, Kernel};

/// Which way to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// By the angle.
    Forward,
    /// By the negative angle, as gradients are.
    Backward,
}

/// Rotates the heads of tokens, `x` `[tokens, heads, 2·half]`. Component i of a head's first half and component i of its second half are a
/// pair. `cos` and `sin` are `[positions, half]`; tokens have the positions in turn, over and over.
pub fn rotate(
    instructions: InstructionSet,
    rotation: Rotation,
    x: &[f32],
    heads: usize,
    [cos, sin]: [&[f32]; 2],
    half: usize,
    out: &mut [f32],
) {
    struct Rotate<'a> {
        x: &'a [f32],
        cos: &'a [f32],
        sin: &'a [f32],
        sign: f32,
        out: &'a mut [f32],
    }
    impl Kernel for Rotate<'_> {
        #[inline(always)]
        fn run(self) {
            let Rotate { x, cos, sin, sign, out } = self;
            let half = cos.len();
            for (x, out) in x.chunks_exact(2 * half).zip(out.chunks_exact_mut(2 * half)) {
                let ((a, b), (a_out, b_out)) = (x.split_at(half), out.split_at_mut(half));
                for i in 0..half {
                    let sin = sign * sin[i];
                    a_out[i] = a[i] * cos[i] - b[i] * sin;
                    b_out[i] = b[i] * cos[i] + a[i] * sin;
                }
            }
        }
    }
    let width = heads * 2 * half;
    assert!(cos.len() == sin.len() && x.len() == out.len() && (width == 0 || x.len() % width == 0));
    if width == 0 {
        return;
    }
    let sign = if rotation == Rotation::Forward { 1.0 } else { -1.0 };
    let (positions, tokens) = (cos.len() / half, (TASK / width).max(1));
    let parts = out.par_chunks_mut(tokens * width).zip(x.par_chunks(tokens * width)).enumerate();
    parts.for_each(|(number, (out, x))| {
        for (token, (out, x)) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)).enumerate() {
            let at = (number * tokens + token) % positions * half;
            let (cos, sin) = (&cos[at..at + half], &sin[at..at + half]);
            instructions.run(Rotate { x, cos, sin, sign, out });
        }
    });
}
