//! Rounding to bf16 in the order in which a product reads: pairs of successive terms in one word.

use rayon::prelude::*;

use super::tile::{COLUMNS, LANES};

/// Rows of a, or columns of b: the term k of the line i is `numbers[i * line + k * next]`.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    pub numbers: &'a [f32],
    pub number: usize,
    pub line: usize,
    pub next: usize,
}

impl<'a> Lines<'a> {
    /// The same without the first terms.
    pub fn skip(self, terms: usize) -> Lines<'a> {
        Lines { numbers: &self.numbers[terms * self.next..], ..self }
    }

    /// Some of the lines.
    fn some(self, first: usize, number: usize) -> Lines<'a> {
        Lines { numbers: &self.numbers[first * self.line..], number, ..self }
    }

    /// The terms 2·pair and 2·pair + 1 of a line, of which the second is 0 if there are only `depth`.
    #[inline(always)]
    fn pair(&self, line: usize, pair: usize, depth: usize) -> u32 {
        let at = line * self.line + 2 * pair * self.next;
        let second = if 2 * pair + 1 < depth { self.numbers[at + self.next] } else { 0.0 };
        word(self.numbers[at], second)
    }
}

/// Rounded rows of a: the pair p of the row i is `words[i * line + p * next]`.
#[derive(Clone, Copy)]
pub struct PackedRows<'a> {
    pub words: &'a [u32],
    pub line: usize,
    pub next: usize,
}

impl PackedRows<'_> {
    /// The rows from this one on.
    pub fn from(self, row: usize) -> Self {
        PackedRows { words: &self.words[row * self.line..], ..self }
    }
}

/// Rounds `depth` terms of rows of a. Rows are padded to whole tiles with whatever was in the buffer: nobody reads their sums.
pub fn rows<'a>(rows: Lines<'_>, depth: usize, buffer: &'a mut Vec<u32>) -> PackedRows<'a> {
    let (pairs, padded) = (depth.div_ceil(2), rows.number.next_multiple_of(super::tile::ROWS));
    if buffer.len() < pairs * padded {
        buffer.resize(pairs * padded, 0);
    }
    // Rows as they lie in memory, so that either way neighbours are read and written together.
    let (line, next) = if rows.next == 1 { (pairs, 1) } else { (1, padded) };
    // SAFETY: a product is only made where the processor has the instructions.
    unsafe { pack(rows, depth, buffer, line, next) };
    PackedRows { words: buffer, line, next }
}

/// A rounded block of b, in panels of columns.
#[derive(Default)]
pub struct Packed {
    words: Vec<u32>,
    depth: usize,
    columns: usize,
}

/// Neighbouring columns of b: the pair p of the column j is `words[p * width + j]`.
#[derive(Clone, Copy)]
pub struct Panel<'a> {
    pub words: &'a [u32],
    pub pairs: usize,
    /// The number of its first column in the block.
    pub first: usize,
    pub columns: usize,
    /// Columns with those that pad them to whole vectors.
    pub width: usize,
}

impl Packed {
    /// Rounds `depth` terms of columns of b, in place of those that were in it.
    pub fn panels(&mut self, columns: Lines<'_>, depth: usize) {
        (self.depth, self.columns) = (depth, columns.number);
        let panel = depth.div_ceil(2) * COLUMNS;
        self.words.resize(panel * columns.number.div_ceil(COLUMNS), 0);
        self.words.par_chunks_mut(panel).enumerate().for_each(|(number, words)| {
            let first = number * COLUMNS;
            let lines = columns.some(first, COLUMNS.min(columns.number - first));
            // SAFETY: a product is only made where the processor has the instructions.
            unsafe { pack(lines, depth, words, 1, width(lines.number)) };
        });
    }

    /// Terms of each sum.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The panels, with `depth` terms from the even number `from` on.
    pub fn iter(&self, from: usize, depth: usize) -> impl Iterator<Item = Panel<'_>> {
        let panels = self.words.chunks(self.depth.div_ceil(2) * COLUMNS).enumerate();
        panels.map(move |(number, words)| {
            let first = number * COLUMNS;
            let columns = COLUMNS.min(self.columns - first);
            let width = width(columns);
            Panel { words: &words[from / 2 * width..], pairs: depth.div_ceil(2), first, columns, width }
        })
    }
}

/// The columns of a panel, padded to whole vectors.
fn width(columns: usize) -> usize {
    columns.next_multiple_of(LANES)
}

/// Writes the pair p of the line i to `out[i * line + p * next]`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack(lines: Lines<'_>, depth: usize, out: &mut [u32], line: usize, next: usize) {
    let whole = depth / 2;
    if lines.next == 1 && next == 1 {
        for i in 0..lines.number {
            let terms = &lines.numbers[i * lines.line..][..2 * whole];
            let words = &mut out[i * line..][..whole];
            words.iter_mut().zip(terms.as_chunks::<2>().0).for_each(|(out, &[a, b])| *out = word(a, b));
        }
    } else if lines.line == 1 && line == 1 {
        for p in 0..whole {
            let [a, b] = [2 * p, 2 * p + 1].map(|term| &lines.numbers[term * lines.next..][..lines.number]);
            let words = &mut out[p * next..][..lines.number];
            words.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (&a, &b))| *out = word(a, b));
        }
    } else {
        for i in 0..lines.number {
            (0..whole).for_each(|p| out[i * line + p * next] = lines.pair(i, p, depth));
        }
    }
    if depth % 2 == 1 {
        (0..lines.number).for_each(|i| out[i * line + whole * next] = lines.pair(i, whole, depth));
    }
}

/// Two numbers in bf16, the first one in the lower half.
#[inline(always)]
fn word(first: f32, second: f32) -> u32 {
    round(first) | round(second) << 16
}

/// The nearest bf16, of two the even one. NaN stays NaN.
#[inline(always)]
fn round(number: f32) -> u32 {
    let bits = number.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if number.is_nan() { bits >> 16 | 0x40 } else { nearest }
}
