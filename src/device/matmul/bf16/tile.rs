//! The inner loop: six rows of a times a panel of b, with all sums in registers.

use std::arch::x86_64::*;

use super::pack::{PackedRows, Panel};

/// Numbers in a vector.
pub const LANES: usize = 16;

/// Rows of a tile. Its 24 vectors of sums leave room for a pair of rows of the panel and a number of each row of a.
pub const ROWS: usize = 6;

/// Most columns of a tile.
pub const COLUMNS: usize = 4 * LANES;

/// Multiplies [`ROWS`] rows with a panel, and writes or adds the sums of the first `rows` of them to `c`, whose rows are `width` apart.
pub fn multiply(a: PackedRows<'_>, panel: Panel<'_>, c: &mut [f32], width: usize, rows: usize, add: bool) {
    let Panel { words, pairs, columns, width: padded, .. } = panel;
    assert!((1..=ROWS).contains(&rows) && (1..=padded).contains(&columns) && padded <= COLUMNS);
    assert!(pairs > 0 && words.len() >= pairs * padded && c.len() >= (rows - 1) * width + columns);
    assert!(a.words.len() > (ROWS - 1) * a.line + (pairs - 1) * a.next);
    // SAFETY: sizes were checked; a product is only made where the processor has the instructions.
    unsafe {
        match padded / LANES {
            1 => tile::<1>(a, panel, c, width, rows, add),
            2 => tile::<2>(a, panel, c, width, rows, add),
            3 => tile::<3>(a, panel, c, width, rows, add),
            _ => tile::<4>(a, panel, c, width, rows, add),
        }
    }
}

/// # Safety
/// The sizes are those that [`multiply`] checks, with a panel of `V` vectors.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tile<const V: usize>(
    a: PackedRows<'_>,
    panel: Panel<'_>,
    c: &mut [f32],
    width: usize,
    rows: usize,
    add: bool,
) {
    // SAFETY: every address is within a, the panel or c.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); V]; ROWS];
        let masks: [__mmask16; V] = std::array::from_fn(|vector| mask(panel.columns - vector * LANES));
        let out = |row: usize, vector: usize| row * width + vector * LANES;
        if add {
            for (row, sums) in sums.iter_mut().enumerate().take(rows) {
                for vector in 0..V {
                    sums[vector] = _mm512_maskz_loadu_ps(masks[vector], c.as_ptr().add(out(row, vector)));
                }
            }
        }
        for pair in 0..panel.pairs {
            let b = panel.words.as_ptr().add(pair * V * LANES);
            let b: [__m512bh; V] =
                std::array::from_fn(|vector| pairs(_mm512_loadu_si512(b.add(vector * LANES).cast())));
            for (row, sums) in sums.iter_mut().enumerate() {
                let word = *a.words.as_ptr().add(row * a.line + pair * a.next);
                let a = pairs(_mm512_set1_epi32(word as i32));
                for vector in 0..V {
                    sums[vector] = _mm512_dpbf16_ps(sums[vector], a, b[vector]);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate().take(rows) {
            for vector in 0..V {
                _mm512_mask_storeu_ps(c.as_mut_ptr().add(out(row, vector)), masks[vector], sums[vector]);
            }
        }
    }
}

/// The first lanes, so many of them.
fn mask(lanes: usize) -> __mmask16 {
    if lanes >= LANES { !0 } else { (1 << lanes) - 1 }
}

/// Words as pairs of bf16.
#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits without a meaning of their own.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(words) }
}
