//! The exponential function in arithmetic that compiles to vector instructions.

use std::f32::consts::LOG2_E;

use super::vector::{Vector, madd};

/// e^x, within 2 units in the last place from the smallest normal number up to the largest; beyond that their values. NaN gives NaN.
///
/// With n = round(x / ln 2), e^x = 2ⁿ·e^r and |r| ≤ ln 2 / 2, where a polynomial is enough (Cephes, `expf.c`: its coefficients and
/// its split of ln 2).
#[inline(always)]
pub(super) fn exp<V: Vector>(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const LEAST: f32 = -87.336_54;
    const MOST: f32 = 88.722_83;
    // Added and taken away, it rounds to an integer, which is then in its lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // `clamp` would look for NaN, which these comparisons let through.
    let x = if x < LEAST { LEAST } else { x };
    let x = if x > MOST { MOST } else { x };
    let shifted = madd::<V>(x, LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = madd::<V>(n, -LN2_LOW, madd::<V>(n, -LN2_HIGH, x));
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = madd::<V>(sum, r, coefficient);
    }
    let of_r = madd::<V>(sum, r * r, r) + 1.0;
    f32::from_bits(of_r.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn sigmoid<V: Vector>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<V>(-x))
}

#[cfg(test)]
mod tests {
    use super::super::vector::Lanes;
    use super::*;

    fn check<V: Vector>() {
        let units = |got: f32, expected: f64| {
            let expected = expected as f32;
            (i64::from(got.to_bits()) - i64::from(expected.to_bits())).abs()
        };
        let mut worst = 0;
        for step in 0..1_000_000 {
            let x = -87.3 + 176.0 * (step as f32 / 1_000_000.0);
            worst = worst.max(units(exp::<V>(x), f64::from(x).exp()));
        }
        assert!(worst <= 2, "{worst}");
        assert_eq!(exp::<V>(0.0), 1.0);
        assert!(exp::<V>(f32::NAN).is_nan());
        for (x, least, most) in
            [(-1e30, 0.0, 1.2e-38), (f32::NEG_INFINITY, 0.0, 1.2e-38), (1e30, 3.3e38, f32::INFINITY)]
        {
            assert!((least..=most).contains(&exp::<V>(x)), "{x}: {}", exp::<V>(x));
        }
        assert_eq!((sigmoid::<V>(0.0), sigmoid::<V>(100.0)), (0.5, 1.0));
        assert!(sigmoid::<V>(-200.0) < 1e-37 && sigmoid::<V>(f32::NAN).is_nan());
    }

    #[test]
    fn it_is_the_exponential_function_within_two_units_in_the_last_place() {
        check::<Lanes>();
        #[cfg(target_arch = "x86_64")]
        check::<std::arch::x86_64::__m256>();
    }
}
