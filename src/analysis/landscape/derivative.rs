//! The derivative of a function that can only be evaluated, and not exactly.

/// Step sizes that are tried at most; each costs two evaluations.
pub const STEPS: usize = 6;

/// Each step is this part of the one before.
const RATIO: f64 = 0.5;

/// A derivative and how far off it may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Derivative {
    /// The estimate.
    pub value: f64,
    /// By how much the estimates of the last orders differ.
    pub error: f64,
}

/// f'(0) by central differences with steps from `step` down, extrapolated to step 0 (Ridders' method: C. J. F. Ridders,
/// "Accurate computation of F'(x) and F'(x)F''(x)", Advances in Engineering Software 4, 1982). A large step leaves higher
/// derivatives in, a small one drowns in the rounding of f: the estimate whose neighbours agree best is returned.
///
/// # Errors
/// Those of `f`.
pub fn derivative<E>(mut f: impl FnMut(f64) -> Result<f64, E>, step: f64) -> Result<Derivative, E> {
    let mut best = Derivative { value: f64::NAN, error: f64::INFINITY };
    let mut before: Vec<f64> = Vec::new();
    for number in 0..STEPS {
        let step = step * RATIO.powi(number as i32);
        let mut row = vec![(f(step)? - f(-step)?) / (2.0 * step)];
        for (order, &coarse) in before.iter().enumerate() {
            // The error of a central difference is a series in step².
            let factor = RATIO.powi(-2 * (order as i32 + 1));
            let fine = row[order];
            let value = (factor * fine - coarse) / (factor - 1.0);
            let error = (value - fine).abs().max((value - coarse).abs());
            if error <= best.error {
                best = Derivative { value, error };
            }
            row.push(value);
        }
        before = row;
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn of(f: impl Fn(f64) -> f64) -> Derivative {
        derivative(|x| Ok::<f64, Infallible>(f(x)), 0.1).unwrap()
    }

    proptest! {
        #[test]
        fn rounding_to_fp32_costs_less_than_a_percent(
            slope in 0.01..5.0_f64, curvature in -100.0..100.0_f64, third in -50.0..50.0_f64, frequency in 0.1..10.0_f64,
        ) {
            let exact = |x: f64| 0.7 + slope / frequency * (frequency * x).sin() + curvature * x * x + third * x * x * x;
            let got = of(|x| f64::from(exact(x) as f32));
            prop_assert!((got.value - slope).abs() <= 0.01 * slope, "{got:?} of {slope}");
        }
    }

    #[test]
    fn a_function_that_fails_ends_it() {
        assert_eq!(derivative(|_| Err("cancelled"), 0.1), Err("cancelled"));
        let undefined = of(|_| f64::NAN);
        assert!(undefined.value.is_nan());
    }
}
