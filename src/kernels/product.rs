//! Products of matrices that are in the processor's caches.

use super::vector::Vector;

/// The left factor, `[m, k]`.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// In memory by rows, with the stride from one to the next.
    Rows(&'a [f32], usize),
    /// By columns, with the stride from one to the next: faster.
    Columns(&'a [f32], usize),
}

/// The right factor, `[k, n]`, in memory by rows.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub values: &'a [f32],
    /// From one row to the next.
    pub stride: usize,
}

/// The width of a right factor is a multiple of it: the widest vector.
pub(super) const WIDTH: usize = 16;

/// a·b of the sizes `[m, k, n]` into the rows of `out`, whose stride is `out_stride`; added to what is there if `ADD`. Sums are in the
/// order of k.
///
/// # Safety
/// The processor has the vector's instructions.
///
/// # Panics
/// If n is not a multiple of [`WIDTH`], or an operand is too short.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector, const ADD: bool>(
    [m, k, n]: [usize; 3],
    a: Left<'_>,
    b: Right<'_>,
    out: &mut [f32],
    out_stride: usize,
) {
    assert!(m > 0 && k > 0 && n.is_multiple_of(WIDTH));
    assert!((k - 1) * b.stride + n <= b.values.len() && (m - 1) * out_stride + n <= out.len());
    let (values, a_stride, columns) = match a {
        Left::Columns(values, stride) => (values, stride, true),
        Left::Rows(values, stride) => (values, stride, false),
    };
    assert!(values.len() >= if columns { (k - 1) * a_stride + m } else { (m - 1) * a_stride + k });
    let parts = m.div_ceil(most_rows::<V>(columns));
    let mut column = 0;
    while column < n {
        let wide = n - column >= 2 * V::LANES;
        for number in 0..parts {
            // As equal as they can be: one of few rows is slow.
            let rows = m * number / parts..m * (number + 1) / parts;
            // SAFETY: the rows and columns of this part are within the operands, and the caller has the instructions.
            unsafe {
                let part = Part {
                    k,
                    a: values.as_ptr().add(rows.start * if columns { 1 } else { a_stride }),
                    a_stride,
                    b: b.values.as_ptr().add(column),
                    b_stride: b.stride,
                    out: out.as_mut_ptr().add(rows.start * out_stride + column),
                    out_stride,
                };
                match (columns, wide) {
                    (true, true) => part.of_rows::<V, true, 2, ADD>(rows.len()),
                    (true, false) => part.of_rows::<V, true, 1, ADD>(rows.len()),
                    (false, true) => part.of_rows::<V, false, 2, ADD>(rows.len()),
                    (false, false) => part.of_rows::<V, false, 1, ADD>(rows.len()),
                }
            }
        }
        column += if wide { 2 * V::LANES } else { V::LANES };
    }
}

/// Rows of a part whose sums fit the registers. Two hold a row of b, and one or two elements of a; and of a by rows, each row takes a
/// register for its address.
const fn most_rows<V: Vector>(columns: bool) -> usize {
    let most = (V::REGISTERS - 4) / 2;
    if columns || most < 8 { most } else { 8 }
}

/// A part of the product whose sums are all in registers.
#[derive(Clone, Copy)]
struct Part {
    k: usize,
    a: *const f32,
    /// Of rows or columns of a.
    a_stride: usize,
    b: *const f32,
    b_stride: usize,
    out: *mut f32,
    out_stride: usize,
}

impl Part {
    /// # Safety
    /// The processor has the vector's instructions, and the pointers are valid for this many rows of `VECTORS` vectors.
    #[inline(always)]
    unsafe fn of_rows<V: Vector, const COLUMNS: bool, const VECTORS: usize, const ADD: bool>(self, rows: usize) {
        macro_rules! of {
            ($($count:literal)*) => {
                match rows {
                    $(
                        $count if $count <= const { most_rows::<V>(COLUMNS) } =>
                            // SAFETY: as the caller's.
                            unsafe { self.multiply::<V, COLUMNS, $count, VECTORS, ADD>() },
                    )*
                    _ => unreachable!("{rows} rows"),
                }
            };
        }
        of!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    /// # Safety
    /// As [`of_rows`](Part::of_rows).
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "through iterators the sums would live in memory")]
    unsafe fn multiply<V: Vector, const COLUMNS: bool, const ROWS: usize, const VECTORS: usize, const ADD: bool>(self) {
        let Part { k, a, a_stride, b, b_stride, out, out_stride } = self;
        // SAFETY: as the caller's.
        unsafe {
            let mut sums = [[V::zero(); VECTORS]; ROWS];
            for inner in 0..k {
                let mut of_b = [V::zero(); VECTORS];
                for vector in 0..VECTORS {
                    of_b[vector] = V::load(b.add(inner * b_stride + vector * V::LANES));
                }
                for row in 0..ROWS {
                    let index = if COLUMNS { inner * a_stride + row } else { row * a_stride + inner };
                    let of_a = V::splat(*a.add(index));
                    for vector in 0..VECTORS {
                        sums[row][vector] = sums[row][vector].add_product(of_a, of_b[vector]);
                    }
                }
            }
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    let out = out.add(row * out_stride + vector * V::LANES);
                    let sum = sums[row][vector];
                    (if ADD { sum.add(V::load(out)) } else { sum }).store(out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::random;
    use super::super::{InstructionSet, Kernel};
    use super::*;

    struct Multiply<'a>([usize; 3], Left<'a>, Right<'a>, &'a mut [f32], usize, bool);

    impl Kernel for Multiply<'_> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            let Multiply(sizes, a, b, out, out_stride, add) = self;
            // SAFETY: as the caller's.
            unsafe {
                match add {
                    true => multiply::<V, true>(sizes, a, b, out, out_stride),
                    false => multiply::<V, false>(sizes, a, b, out, out_stride),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn products_are_those_in_double_precision(
            m in 1_usize..40, k in 1_usize..70, widths in 1_usize..5, more in 0_usize..9, transposed: bool, add: bool, seed: u64,
        ) {
            let n = widths * WIDTH;
            let (a, b) = (random((m + more) * (k + more), seed), random(k * (n + more), seed ^ 1));
            let (row, column) = if transposed { (1, m + more) } else { (k + more, 1) };
            let left = if transposed { Left::Columns(&a, column) } else { Left::Rows(&a, row) };
            let right = Right { values: &b, stride: n + more };
            let before = random(m * (n + more), seed ^ 2);
            for instructions in InstructionSet::available() {
                let mut out = before.clone();
                instructions.run(Multiply([m, k, n], left, right, &mut out, n + more, add));
                for (place, (&got, &before)) in out.iter().zip(&before).enumerate() {
                    let (i, j) = (place / (n + more), place % (n + more));
                    if j >= n {
                        prop_assert_eq!(got, before);
                        continue;
                    }
                    let product = |inner: usize| f64::from(a[i * row + inner * column]) * f64::from(b[inner * (n + more) + j]);
                    let sum: f64 = (0..k).map(product).sum::<f64>() + if add { f64::from(before) } else { 0.0 };
                    let size: f64 = (0..k).map(|inner| product(inner).abs()).sum::<f64>() + 4.0;
                    prop_assert!((f64::from(got) - sum).abs() <= 1e-6 * size, "{}: {got}, {sum}", instructions.name());
                }
            }
        }
    }
}
