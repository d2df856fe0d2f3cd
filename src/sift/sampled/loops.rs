//! The inner loops.

use std::ops::Range;

use super::column::{CHUNK, Column};
use super::plan::SamplingPlan;
use crate::kernels::{InstructionSet, Kernel, Vector};

/// Transposes a block of a row-major matrix of rows of `width`: the components `columns` of at most [`CHUNK`] tokens. Missing tokens
/// are zero.
pub(super) fn transpose(
    instructions: InstructionSet,
    rows: &[f32],
    width: usize,
    tokens: Range<usize>,
    columns: Range<usize>,
    out: &mut [Column],
) {
    assert!(tokens.len() <= CHUNK && columns.len() == out.len() && columns.end <= width);
    assert!(tokens.end * width <= rows.len());
    instructions.run(Transpose { rows, width, tokens, first: columns.start, out });
}

/// Adds to `sums`, one for each of a plan's components in these rows, the dot product of its columns of x and dy. `x` has all
/// columns of the plan, `dy` those of the rows.
pub(super) fn accumulate(
    instructions: InstructionSet,
    plan: &SamplingPlan,
    rows: Range<usize>,
    x: &[Column],
    dy: &[Column],
    sums: &mut [f32],
) {
    assert!(x.len() == plan.shape().1 && dy.len() == rows.len() && sums.len() == plan.components_of_rows(&rows).len());
    instructions.run(Accumulate { plan, rows, x, dy, sums });
}

/// A block of a row-major matrix, some tokens from the column `first` on, and its columns.
struct Transpose<'a> {
    rows: &'a [f32],
    width: usize,
    tokens: Range<usize>,
    first: usize,
    out: &'a mut [Column],
}

impl Kernel for Transpose<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Transpose { rows, width, tokens, first, out } = self;
        let (count, whole) = (tokens.len(), out.len() / V::LANES * V::LANES);
        let squares = count / V::LANES * V::LANES;
        for token in (0..squares).step_by(V::LANES) {
            let row = (tokens.start + token) * width + first;
            for column in (0..whole).step_by(V::LANES) {
                // SAFETY: `LANES` tokens from this one on and `LANES` columns are within the block and within `out`.
                unsafe {
                    let to = out.as_mut_ptr().add(column).cast::<f32>().add(token);
                    V::transpose(rows.as_ptr().add(row + column), width, to, CHUNK);
                }
            }
        }
        // The rest beside the squares and below them, and zeroes for missing tokens.
        for (column, out) in out.iter_mut().enumerate() {
            let from = if column < whole { squares } else { 0 };
            for token in from..count {
                out.0[token] = rows[(tokens.start + token) * width + first + column];
            }
            out.0[count..].fill(0.0);
        }
    }
}

struct Accumulate<'a> {
    plan: &'a SamplingPlan,
    rows: Range<usize>,
    x: &'a [Column],
    dy: &'a [Column],
    sums: &'a mut [f32],
}

impl Kernel for Accumulate<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Accumulate { plan, rows, x, dy, sums } = self;
        let first = plan.components_of_rows(&rows).start;
        for (tile, columns) in plan.tiles().enumerate() {
            let x = &x[columns];
            for (row, dy) in rows.clone().zip(dy) {
                let (start, columns) = plan.segment(row, tile);
                let sums = &mut sums[start - first..][..columns.len()];
                let (fours, rest) = columns.as_chunks::<4>();
                let (sums_of_fours, sums_of_rest) = sums.as_chunks_mut::<4>();
                for (columns, sums) in fours.iter().zip(sums_of_fours) {
                    // SAFETY: the instructions are there, and a plan's columns are within their tile.
                    let products = unsafe { products::<V, 4>(dy, x, columns) };
                    sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
                }
                // SAFETY: as above.
                let products = unsafe {
                    match *rest {
                        [a] => products::<V, 1>(dy, x, &[a]),
                        [a, b] => products::<V, 2>(dy, x, &[a, b]),
                        [a, b, c] => products::<V, 3>(dy, x, &[a, b, c]),
                        _ => continue,
                    }
                };
                sums_of_rest.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
            }
        }
    }
}

/// The dot products of a column of dy with up to four of x.
///
/// # Safety
/// The processor has [`V`](Vector)'s instructions, and `x` has these columns.
#[inline(always)]
unsafe fn products<V: Vector, const N: usize>(dy: &Column, x: &[Column], columns: &[u16; N]) -> [f32; 4] {
    // SAFETY: `x` has these columns, and a column has a whole number of vectors.
    unsafe {
        let x = columns.map(|column| x.get_unchecked(usize::from(column)).0.as_ptr());
        let mut sums = [V::zero(); 4];
        for token in (0..CHUNK).step_by(V::LANES) {
            let dy = V::load(dy.0.as_ptr().add(token));
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = sum.add_product(dy, V::load(x.add(token)));
            }
        }
        V::sums(sums)
    }
}
