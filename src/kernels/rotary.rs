//! Rotary position embeddings: each pair of a head's components is rotated by an angle.

use rayon::prelude::*;

use super::TASK;
use super::instructions::{InstructionSet, Kernel};
use super::vector::{Vector, madd};

/// Which way to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// By the angle.
    Forward,
    /// By the negative angle, as gradients are.
    Backward,
}

/// Rotates the heads of tokens, `x` `[tokens, heads, 2·half]`. Component i of a head's first half and component i of its second half are a
/// pair. `angles` are their cosines and sines, `[positions, half]` each; tokens have the positions in turn, over and over.
pub fn rotate(
    instructions: InstructionSet,
    rotation: Rotation,
    x: &[f32],
    heads: usize,
    angles: [&[f32]; 2],
    half: usize,
    out: &mut [f32],
) {
    struct Rotate<'a> {
        x: &'a [f32],
        angles: [&'a [f32]; 2],
        /// The first token's place among the positions, in numbers.
        start: usize,
        heads: usize,
        half: usize,
        sign: f32,
        out: &'a mut [f32],
    }
    impl Kernel for Rotate<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Rotate { x, angles, mut start, heads, half, sign, out } = self;
            let tokens = x.chunks_exact(heads * 2 * half).zip(out.chunks_exact_mut(heads * 2 * half));
            for (x, out) in tokens {
                let [cos, sin] = angles.map(|of_all| &of_all[start..start + half]);
                for (x, out) in x.chunks_exact(2 * half).zip(out.chunks_exact_mut(2 * half)) {
                    let ((a, b), (a_out, b_out)) = (x.split_at(half), out.split_at_mut(half));
                    let (pairs, pairs_out) = (a.iter().zip(b), a_out.iter_mut().zip(b_out));
                    for (((&a, &b), (&cos, &sin)), (a_out, b_out)) in pairs.zip(cos.iter().zip(sin)).zip(pairs_out) {
                        let sin = sign * sin;
                        *a_out = madd::<V>(a, cos, -b * sin);
                        *b_out = madd::<V>(b, cos, a * sin);
                    }
                }
                start = (start + half) % angles[0].len();
            }
        }
    }
    let width = heads * 2 * half;
    let [cosines, sines] = angles.map(<[f32]>::len);
    assert!(cosines == sines && x.len() == out.len());
    if x.is_empty() {
        return;
    }
    assert!(width > 0 && x.len().is_multiple_of(width) && cosines > 0 && cosines.is_multiple_of(half));
    let sign = if rotation == Rotation::Forward { 1.0 } else { -1.0 };
    let (positions, tokens) = (cosines / half, (TASK / width).max(1));
    let parts = out.par_chunks_mut(tokens * width).zip(x.par_chunks(tokens * width)).enumerate();
    parts.for_each(|(number, (out, x))| {
        let start = number * tokens % positions * half;
        instructions.run(Rotate { x, angles, start, heads, half, sign, out });
    });
}
