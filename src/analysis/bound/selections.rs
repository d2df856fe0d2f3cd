//! How many selections there could have been: the price of a union bound over them.

/// ln of the number of subsets of `chosen` out of `all`.
pub fn ln_binomial(all: u64, chosen: u64) -> f64 {
    let chosen = chosen.min(all - chosen.min(all));
    // Γ loses digits where the subsets are few, and there are few factors.
    const FEW: u64 = 1000;
    if chosen <= FEW {
        return (1..=chosen).map(|number| ((all - chosen + number) as f64 / number as f64).ln()).sum();
    }
    let factorial = |n: u64| libm::lgamma(n as f64 + 1.0);
    factorial(all) - factorial(chosen) - factorial(all - chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// C(n, k) = C(n − 1, k − 1) + C(n − 1, k).
        #[test]
        fn pascals_rule_holds(all in 2_u64..10_000_000, share in 0.0_f64..1.0) {
            let chosen = ((share * all as f64) as u64).clamp(1, all - 1);
            let (left, right) = (ln_binomial(all - 1, chosen - 1), ln_binomial(all - 1, chosen));
            let largest = left.max(right);
            let sum = largest + ((left - largest).exp() + (right - largest).exp()).ln();
            let whole = ln_binomial(all, chosen);
            prop_assert!((whole - sum).abs() <= 1e-9 * whole.max(1.0), "{whole} {sum}");
            prop_assert_eq!(whole, ln_binomial(all, all - chosen));
        }
    }

    #[test]
    fn small_ones_are_those_of_pascals_triangle() {
        for (all, chosen, number) in [(5, 2, 10.0_f64), (5, 5, 1.0), (5, 0, 1.0), (52, 5, 2_598_960.0)] {
            assert!((ln_binomial(all, chosen) - number.ln()).abs() < 1e-12, "{all} {chosen}");
        }
    }
}
