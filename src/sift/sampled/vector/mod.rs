//! The inner loops, written once and compiled for each kind of vector registers.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::ops::Range;

use super::plan::SamplingPlan;

/// Tokens that are turned into columns at a time.
pub(super) const CHUNK: usize = 64;

/// A part of a column: one component of so many tokens, the missing ones 0.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Column([f32; CHUNK]);

impl Column {
    pub const ZERO: Column = Column([0.0; CHUNK]);
}

/// What a processor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// Vectors of 16 numbers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Vectors of 8 numbers.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of its kind has; on AArch64 that includes the vectors of NEON.
    Portable,
}

impl Instructions {
    /// All that this machine has, the best first.
    pub fn available() -> Vec<Instructions> {
        let mut available = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                available.push(Instructions::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                available.push(Instructions::Avx2);
            }
        }
        available.push(Instructions::Portable);
        available
    }

    /// The best that this machine has.
    pub fn best() -> Instructions {
        Instructions::available()[0]
    }

    /// As documentation writes it.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => "AVX2",
            Instructions::Portable => "portable",
        }
    }

    /// Turns some tokens and some columns of a matrix, of which `rows` holds the rows of `width` numbers, into columns.
    pub(super) fn transpose(
        self,
        rows: &[f32],
        width: usize,
        tokens: Range<usize>,
        columns: Range<usize>,
        out: &mut [Column],
    ) {
        assert!(tokens.len() <= CHUNK && columns.len() == out.len() && columns.end <= width);
        assert!(tokens.end * width <= rows.len());
        let part = Part { rows, width, tokens, first: columns.start };
        match self {
            // SAFETY: the machine has the instructions, or there would be no such value; sizes were checked.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { avx512::transpose(part, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { avx2::transpose(part, out) },
            // SAFETY: sizes were checked.
            Instructions::Portable => unsafe { transpose::<portable::Lanes>(part, out) },
        }
    }

    /// Adds to the `sums` of a plan's components in some rows the products of their columns of x and of dy, of which
    /// there are those of these rows.
    pub(super) fn accumulate(
        self,
        plan: &SamplingPlan,
        rows: Range<usize>,
        x: &[Column],
        dy: &[Column],
        sums: &mut [f32],
    ) {
        assert!(x.len() == plan.shape().1 && dy.len() == rows.len() && sums.len() == plan.of_rows(&rows).len());
        match self {
            // SAFETY: the machine has the instructions, or there would be no such value; sizes were checked.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { avx512::accumulate(plan, rows, x, dy, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { avx2::accumulate(plan, rows, x, dy, sums) },
            // SAFETY: sizes were checked.
            Instructions::Portable => unsafe { accumulate::<portable::Lanes>(plan, rows, x, dy, sums) },
        }
    }
}

/// Some tokens of a matrix, from some column on.
struct Part<'a> {
    rows: &'a [f32],
    width: usize,
    tokens: Range<usize>,
    first: usize,
}

/// A vector register. Its methods may only be called where its instructions are there.
trait Vector: Copy {
    /// Numbers it holds: 16 at most, and a power of two.
    const LANES: usize;

    unsafe fn zero() -> Self;

    /// From `LANES` numbers on.
    unsafe fn load(from: *const f32) -> Self;

    /// self + a·b, lane by lane.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;

    /// The sum over the lanes of each.
    unsafe fn sums(of: [Self; 4]) -> [f32; 4];

    /// Turns a square of `LANES` numbers a side into columns. Its rows are `width` numbers apart.
    unsafe fn transpose(from: *const f32, width: usize, to: *mut Column, token: usize);
}

/// # Safety
/// There are [`V`](Vector)'s instructions, the part's tokens are no more than [`CHUNK`], and `rows` has all of the part.
#[inline(always)]
unsafe fn transpose<V: Vector>(part: Part, out: &mut [Column]) {
    let Part { rows, width, tokens, first } = part;
    let (count, whole) = (tokens.len(), out.len() / V::LANES * V::LANES);
    let squares = count / V::LANES * V::LANES;
    for token in (0..squares).step_by(V::LANES) {
        let row = (tokens.start + token) * width + first;
        for column in (0..whole).step_by(V::LANES) {
            // SAFETY: `LANES` tokens from this one on and `LANES` columns are within the part and within `out`.
            unsafe {
                V::transpose(rows.as_ptr().add(row + column), width, out.as_mut_ptr().add(column), token);
            }
        }
    }
    // What is beside the squares and below them, and zeroes for the tokens that are not there.
    for (column, out) in out.iter_mut().enumerate() {
        let from = if column < whole { squares } else { 0 };
        for token in from..count {
            out.0[token] = rows[(tokens.start + token) * width + first + column];
        }
        out.0[count..].fill(0.0);
    }
}

/// # Safety
/// There are [`V`](Vector)'s instructions; `x` has all of the plan's columns, `dy` these rows, `sums` their components.
#[inline(always)]
unsafe fn accumulate<V: Vector>(
    plan: &SamplingPlan,
    rows: Range<usize>,
    x: &[Column],
    dy: &[Column],
    sums: &mut [f32],
) {
    let first = plan.of_rows(&rows).start;
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
/// There are [`V`](Vector)'s instructions, and `x` has these columns.
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
