//! Products of fp32 matrices with AVX512-BF16: operands are rounded to bf16, and summed in fp32.
//!
//! The blocks are those of Goto and van de Geijn (Anatomy of High-Performance Matrix Multiplication, 2008): a block of b is packed once
//! for all threads, each of which packs rows of a and multiplies them with one panel of b after the other. Packing rounds, so
//! that the numbers are read from memory in fp32 and from the caches in bf16.

mod pack;
#[cfg(test)]
mod tests;
mod tile;

use std::cell::RefCell;
use std::num::NonZero;
use std::slice;

use rayon::prelude::*;

use pack::{Lines, Packed};
use tile::{COLUMNS, ROWS};

/// Columns of b that are packed at a time.
const COLUMN_BLOCK: usize = 16 * COLUMNS;

/// Rows of b that are packed at a time: with [`COLUMN_BLOCK`] 2 MiB in bf16.
const ROW_BLOCK: usize = 4 * DEPTH;

/// Terms of a sum between two visits of c: a panel of b is then 32 KiB, and stays in the first cache.
const DEPTH: usize = 256;

/// Rows of a that a task packs at a time: 48 KiB.
const CHUNK: usize = 16 * ROWS;

/// An fp32 matrix: its row i and column j is `numbers[i * row + j * column]`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub numbers: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    pub row: usize,
    pub column: usize,
}

/// The product, on a processor that has its instructions.
#[derive(Clone, Copy)]
pub struct Bf16Product(());

impl Bf16Product {
    /// The product, if this processor has AVX512-BF16.
    pub fn detect() -> Option<Bf16Product> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        has.then_some(Bf16Product(()))
    }

    /// Writes a·b to the row-major `c`, or adds it. A sum does not depend on the number of threads, nor on the other rows and columns.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn multiply(self, a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], add: bool) {
        let (rows, columns) = (a.rows, b.columns);
        assert!(a.columns == b.rows && c.len() == rows * columns);
        if c.is_empty() {
            return;
        }
        if a.columns == 0 && !add {
            c.fill(0.0);
        }
        // Fewer rows than threads have to do are shared among them.
        let chunk = rows.div_ceil(2 * rayon::current_num_threads()).next_multiple_of(ROWS).min(CHUNK);
        let mut packed = Packed::default();
        for first in (0..columns).step_by(COLUMN_BLOCK) {
            let width = COLUMN_BLOCK.min(columns - first);
            for top in (0..b.rows).step_by(ROW_BLOCK) {
                let depth = ROW_BLOCK.min(b.rows - top);
                packed.panels(b.lines_of_columns(first, width, top), depth);
                let tasks = c.par_chunks_mut(chunk * columns).enumerate();
                tasks.for_each(|(number, c)| {
                    let rows = a.lines_of_rows(number * chunk, c.len() / columns, top);
                    multiply_rows(rows, &packed, c, Target { first, width: columns, add: add || top > 0 });
                });
            }
        }
    }
}

impl<'a> Matrix<'a> {
    /// Columns, from the row `top` on.
    fn lines_of_columns(self, first: usize, number: usize, top: usize) -> Lines<'a> {
        let numbers = &self.numbers[first * self.column + top * self.row..];
        Lines { numbers, number, line: self.column, next: self.row }
    }

    /// Rows, from the column `left` on.
    fn lines_of_rows(self, first: usize, number: usize, left: usize) -> Lines<'a> {
        let numbers = &self.numbers[first * self.row + left * self.column..];
        Lines { numbers, number, line: self.row, next: self.column }
    }
}

/// Where in some whole rows of c a block of columns goes.
#[derive(Clone, Copy)]
struct Target {
    first: usize,
    /// Columns of c.
    width: usize,
    add: bool,
}

/// Multiplies some rows of a with a packed block of b.
fn multiply_rows(rows: Lines<'_>, packed: &Packed, c: &mut [f32], target: Target) {
    thread_local! {
        static BUFFER: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        for from in (0..packed.depth()).step_by(DEPTH) {
            let depth = DEPTH.min(packed.depth() - from);
            let a = pack::rows(rows.skip(from), depth, buffer);
            for panel in packed.iter(from, depth) {
                for row in (0..rows.number).step_by(ROWS) {
                    let c = &mut c[row * target.width + target.first + panel.first..];
                    let valid = ROWS.min(rows.number - row);
                    tile::multiply(a.from(row), panel, c, target.width, valid, target.add || from > 0);
                }
            }
        }
    });
}

/// [`Bf16Product::multiply`] for the other side of the shim: a\[m, k\]·b\[k, n\], each with its strides of rows and columns.
///
/// # Safety
/// The processor has the instructions. The matrices have these sizes and strides, which are not negative, and c is row-major and apart
/// from both.
pub unsafe extern "C" fn multiply(
    m: i64,
    n: i64,
    k: i64,
    a: *const f32,
    a_row: i64,
    a_column: i64,
    b: *const f32,
    b_row: i64,
    b_column: i64,
    c: *mut f32,
    add: bool,
) {
    let matrix = |numbers: *const f32, [rows, columns, row, column]: [i64; 4]| {
        let [rows, columns, row, column] = [rows, columns, row, column].map(|size| size as usize);
        let length = match rows == 0 || columns == 0 {
            true => 0,
            false => (rows - 1) * row + (columns - 1) * column + 1,
        };
        // SAFETY: the matrix has this many numbers from its first to its last, and nobody writes them during the call.
        let numbers = if length == 0 { &[] } else { unsafe { slice::from_raw_parts(numbers, length) } };
        Matrix { numbers, rows, columns, row, column }
    };
    let (a, b) = (matrix(a, [m, k, a_row, a_column]), matrix(b, [k, n, b_row, b_column]));
    let Some(length) = NonZero::new(m as usize * n as usize) else { return };
    // SAFETY: c is row-major, has this many numbers, and is apart from the others.
    let c = unsafe { slice::from_raw_parts_mut(c, length.get()) };
    Bf16Product(()).multiply(a, b, c, add);
}
