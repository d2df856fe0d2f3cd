//! The inner loops, written once and compiled for each instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::ops::Range;

use super::column::{CHUNK, Column};
use super::plan::SamplingPlan;
use crate::kernels::InstructionSet;

impl InstructionSet {
    /// Transposes a block of a row-major matrix of rows of `width`: the components `columns` of the tokens `tokens`.
    pub(in crate::sift::sampled) fn transpose(
        self,
        rows: &[f32],
        width: usize,
        tokens: Range<usize>,
        columns: Range<usize>,
        out: &mut [Column],
    ) {
        assert!(tokens.len() <= CHUNK && columns.len() == out.len() && columns.end <= width);
        assert!(tokens.end * width <= rows.len());
        let block = Block { rows, width, tokens, first: columns.start };
        match self {
            // SAFETY: values of this type exist only where the processor has the instructions; sizes were checked.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { avx512::transpose(block, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { avx2::transpose(block, out) },
            // SAFETY: sizes were checked.
            InstructionSet::Portable => unsafe { transpose::<portable::Lanes>(block, out) },
        }
    }

    /// Adds to `sums`, one for each of a plan's components in these rows, the dot product of its columns of x and dy. `x` has all
    /// columns of the plan, `dy` those of the rows.
    pub(in crate::sift::sampled) fn accumulate(
        self,
        plan: &SamplingPlan,
        rows: Range<usize>,
        x: &[Column],
        dy: &[Column],
        sums: &mut [f32],
    ) {
        assert!(
            x.len() == plan.shape().1 && dy.len() == rows.len() && sums.len() == plan.components_of_rows(&rows).len()
        );
        match self {
            // SAFETY: values of this type exist only where the processor has the instructions; sizes were checked.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => unsafe { avx512::accumulate(plan, rows, x, dy, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => unsafe { avx2::accumulate(plan, rows, x, dy, sums) },
            // SAFETY: sizes were checked.
            InstructionSet::Portable => unsafe { accumulate::<portable::Lanes>(plan, rows, x, dy, sums) },
        }
    }
}

/// A block of a row-major matrix: some tokens, from the column `first` on.
struct Block<'a> {
    rows: &'a [f32],
    width: usize,
    tokens: Range<usize>,
    first: usize,
}

/// A vector register. Its methods may be called only where the processor has its instructions.
trait Vector: Copy {
    /// Numbers in the register: a power of two, at most 16.
    const LANES: usize;

    unsafe fn zero() -> Self;

    /// Loads `LANES` numbers.
    unsafe fn load(from: *const f32) -> Self;

    /// self + a·b, lane by lane.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;

    /// The sum over the lanes of each of four registers.
    unsafe fn sums(of: [Self; 4]) -> [f32; 4];

    /// Transposes a square of `LANES` by `LANES` numbers. Its rows are `width` numbers apart.
    unsafe fn transpose(from: *const f32, width: usize, to: *mut Column, token: usize);
}

/// # Safety
/// The processor has [`V`](Vector)'s instructions, the block has at most [`CHUNK`] tokens, and `rows` has all of the block.
#[inline(always)]
unsafe fn transpose<V: Vector>(block: Block, out: &mut [Column]) {
    let Block { rows, width, tokens, first } = block;
    let (count, whole) = (tokens.len(), out.len() / V::LANES * V::LANES);
    let squares = count / V::LANES * V::LANES;
    for token in (0..squares).step_by(V::LANES) {
        let row = (tokens.start + token) * width + first;
        for column in (0..whole).step_by(V::LANES) {
            // SAFETY: `LANES` tokens from this one on and `LANES` columns are within the block and within `out`.
            unsafe {
                V::transpose(rows.as_ptr().add(row + column), width, out.as_mut_ptr().add(column), token);
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

/// # Safety
/// The processor has [`V`](Vector)'s instructions; `x` has all columns of the plan, `dy` these rows, `sums` their components.
#[inline(always)]
unsafe fn accumulate<V: Vector>(
    plan: &SamplingPlan,
    rows: Range<usize>,
    x: &[Column],
    dy: &[Column],
    sums: &mut [f32],
) {
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
