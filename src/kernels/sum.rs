//! Sums that compile to vector instructions: of as many partial sums as the widest vector has lanes, so that their order is the
//! same with every instruction set.

/// Partial sums.
pub(super) const LANES: usize = 16;

/// Σ f(aᵢ, bᵢ) of two slices of equal length.
#[inline(always)]
pub(super) fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..LANES {
            sums[lane] += f(a[lane], b[lane]);
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += f(*a, *b);
    }
    add_up(sums)
}

/// The sum of partial sums: of pairs, then of pairs of pairs.
#[inline(always)]
pub(super) fn add_up(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// The largest of a slice, and negative infinity if there is none. NaN may be skipped.
#[inline(always)]
pub(super) fn max(of: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = of.as_chunks::<LANES>();
    for numbers in whole {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], numbers[lane]);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}
