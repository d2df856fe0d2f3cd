//! The exponential function in arithmetic that compiles to vector instructions.

use std::f32::consts::LOG2_E;

/// e^x, within 2 units in the last place from the smallest normal number up to the largest; beyond that their values. NaN gives NaN.
///
/// With n = round(x / ln 2), e^x = 2ⁿ·e^r and |r| ≤ ln 2 / 2, where a polynomial is enough (Cephes, `expf.c`: its coefficients and
/// its split of ln 2).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_375;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Added and taken away, it rounds to an integer, which is then in its lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.336_54, 88.722_83);
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = sum * r + coefficient;
    }
    let of_r = sum * r * r + r + 1.0;
    f32::from_bits(of_r.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential_function_within_two_units_in_the_last_place() {
        let units = |got: f32, expected: f64| {
            let expected = expected as f32;
            (i64::from(got.to_bits()) - i64::from(expected.to_bits())).abs()
        };
        let mut worst = 0;
        for step in 0..2_000_000 {
            let x = -87.3 + 176.0 * (step as f32 / 2_000_000.0);
            worst = worst.max(units(exp(x), f64::from(x).exp()));
        }
        assert!(worst <= 2, "{worst}");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        for (x, least, most) in
            [(-1e30, 0.0, 1.2e-38), (f32::NEG_INFINITY, 0.0, 1.2e-38), (1e30, 3.3e38, f32::INFINITY)]
        {
            assert!((least..=most).contains(&exp(x)), "{x}: {}", exp(x));
        }
        assert_eq!((sigmoid(0.0), sigmoid(100.0)), (0.5, 1.0));
        assert!(sigmoid(-200.0) < 1e-37 && sigmoid(f32::NAN).is_nan());
    }
}
