//! Gaussians around the initial and the trained weights: their divergence, and the grid that prior variances come from.

use std::f64::consts::PI;

/// KL(Q‖P) in nats of Q = N(w, `posterior` · I) from P = N(w₀, `prior` · I), with variances above 0, in so many dimensions with
/// ‖w − w₀‖² = `distance`: ½ [d (s − 1 − ln s) + ‖w − w₀‖² / σ_P²], s = σ_Q² / σ_P².
pub fn gaussian_kl(dimensions: f64, distance: f64, posterior: f64, prior: f64) -> f64 {
    // s − 1 − ln s by way of s − 1, which keeps the digits that cancel where s is near 1.
    let excess = (posterior - prior) / prior;
    let shape = (excess - excess.ln_1p()).max(0.0);
    0.5 * (dimensions * shape + distance / prior)
}

/// Variances σ_P² = `largest` · exp(−j / `per_e`), j = 1, 2, …, fixed before the data are seen. Number j has a share of
/// 6 / (π² j²) of the confidence, which sum to 1, so that the j that suits the data best may be chosen (Dziugaite and Roy,
/// UAI 2017, arXiv 1703.11008, section 3.2, where `largest` is c and `per_e` is b).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VarianceGrid {
    /// An upper bound of the variances.
    pub largest: f64,
    /// Variances per factor of e.
    pub per_e: f64,
}

/// A prior variance of a grid, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChosenPrior {
    /// Its number in the grid, from 1.
    pub number: u64,
    pub variance: f64,
    /// KL(Q‖P) in nats.
    pub kl: f64,
    /// ln(π² j² / 6), in nats: the price of choosing it after the data are seen.
    pub union: f64,
}

impl VarianceGrid {
    /// As fine as that of Dziugaite and Roy, who start from 0.1. A few components may move farther than many.
    pub const FIXED: VarianceGrid = VarianceGrid { largest: 1.0, per_e: 100.0 };

    pub fn variance(self, number: u64) -> f64 {
        self.largest * (-(number as f64) / self.per_e).exp()
    }

    /// The variance of the grid that makes the divergence of such a posterior small: next to σ_Q² + ‖w − w₀‖² / d, which
    /// makes it least.
    pub fn choose(self, dimensions: f64, distance: f64, posterior: f64) -> ChosenPrior {
        let best = posterior + distance / dimensions;
        let number = self.per_e * (self.largest / best).ln();
        let candidates = [number.floor(), number.ceil()].map(|number| {
            let number = number.max(1.0) as u64;
            let variance = self.variance(number);
            let kl = gaussian_kl(dimensions, distance, posterior, variance);
            ChosenPrior { number, variance, kl, union: (PI * PI / 6.0).ln() + 2.0 * (number as f64).ln() }
        });
        let [low, high] = candidates;
        if low.kl + low.union <= high.kl + high.union { low } else { high }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_divergence_is_zero_for_equal_gaussians_alone(
            dimensions in 1.0_f64..1e6, distance in 0.0_f64..10.0, posterior in -18.0_f64..2.0, prior in -18.0_f64..2.0,
        ) {
            let (posterior, prior) = (posterior.exp(), prior.exp());
            prop_assert_eq!(gaussian_kl(dimensions, 0.0, prior, prior), 0.0);
            let kl = gaussian_kl(dimensions, distance, posterior, prior);
            prop_assert!(kl >= 0.0 && kl.is_finite());
            if (posterior / prior).ln().abs() > 1e-3 || distance > 1e-6 {
                prop_assert!(kl > 0.0);
            }
            // It adds up over dimensions.
            let half = gaussian_kl(dimensions / 2.0, distance / 2.0, posterior, prior);
            prop_assert!((2.0 * half - kl).abs() <= 1e-12 * kl);
        }

        #[test]
        fn no_other_variance_of_the_grid_is_much_better(
            dimensions in 1.0_f64..1e6, rms in -14.0_f64..-1.0, noise in -14.0_f64..-1.0, other in 1_u64..4000,
        ) {
            let grid = VarianceGrid::FIXED;
            let (distance, posterior) = ((2.0 * rms).exp() * dimensions, (2.0 * noise).exp());
            let chosen = grid.choose(dimensions, distance, posterior);
            prop_assert_eq!(grid.variance(chosen.number), chosen.variance);
            let kl = gaussian_kl(dimensions, distance, posterior, grid.variance(other));
            // Of two neighbours the cheaper one is taken by its whole price.
            prop_assert!(chosen.kl <= kl + 1.0 + 1e-9 * kl, "{chosen:?} {kl}");
            prop_assert!(chosen.union > 0.0);
        }
    }

    #[test]
    fn the_shares_of_the_grid_sum_to_one() {
        let grid = VarianceGrid { largest: 1.0, per_e: 1.0 };
        let union = |number: u64| grid.choose(1.0, 0.0, grid.variance(number));
        let share = |number: u64| (-union(number).union).exp();
        let sum: f64 = (1..=600).map(share).sum();
        // What is left out of the sum is about 6 / (π² · 600).
        assert!((sum + 6.0 / (PI * PI * 600.5) - 1.0).abs() < 1e-5, "{sum}");
    }
}
