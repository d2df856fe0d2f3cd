//! PAC-Bayes inequalities for a loss between 0 and 1. `risk` is the empirical risk of the posterior, `complexity` is KL(Q‖P) with
//! everything that a union bound adds to it, in nats; `delta` is the probability with which the inequality may fail.

/// KL divergence in nats between coins with these probabilities of heads.
pub fn kl_bernoulli(q: f64, p: f64) -> f64 {
    let term = |q: f64, p: f64| if q == 0.0 { 0.0 } else { q * (q / p).ln() };
    (term(q, p) + term(1.0 - q, 1.0 - p)).max(0.0)
}

/// The largest p with kl(q‖p) ≤ `epsilon`, rounded up.
pub fn kl_inverse(q: f64, epsilon: f64) -> f64 {
    let (mut low, mut high) = (q.clamp(0.0, 1.0), 1.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return high;
        }
        if kl_bernoulli(q, middle) <= epsilon { low = middle } else { high = middle }
    }
}

/// An upper bound of the mean of independent variables in [0, 1] from the average of `draws` of them: Hoeffding's inequality in its
/// sharp form (1963, theorem 1, equation 2.1), as Langford and Caruana use it for the risk of a stochastic network (NIPS 2001).
pub fn mean_bound(average: f64, draws: u64, delta: f64) -> f64 {
    kl_inverse(average, (1.0 / delta).ln() / draws as f64)
}

/// What the inequalities of McAllester and of Langford and Seeger share: (complexity + ln(2√m / δ)) / m. The constant is Maurer's (2004,
/// arXiv cs/0411099, theorem 5), for m of at least 8 examples that are independent, but need not be of one distribution.
fn rate(complexity: f64, examples: u64, delta: f64) -> f64 {
    let m = examples as f64;
    (complexity + (2.0 * m.sqrt() / delta).ln()) / m
}

/// Bounds the risk by risk + √((complexity + ln(2√m / δ)) / 2m): McAllester (COLT 1999; 2003), with Maurer's constant. At least 1
/// is vacuous.
pub fn mcallester(risk: f64, complexity: f64, examples: u64, delta: f64) -> f64 {
    risk + (0.5 * rate(complexity, examples, delta)).sqrt()
}

/// Bounds the risk by the largest p with kl(risk‖p) ≤ (complexity + ln(2√m / δ)) / m: Langford and Seeger (2001), Seeger (JMLR 2002),
/// with Maurer's constant. Never above McAllester's, which follows by Pinsker's inequality.
pub fn langford_seeger(risk: f64, complexity: f64, examples: u64, delta: f64) -> f64 {
    kl_inverse(risk, rate(complexity, examples, delta))
}

/// The values of C that Catoni's bound chooses from: powers of √2 from 2⁻⁶ to 2⁶.
pub const CATONI_GRID: usize = 25;

/// A bound by Catoni, and where on the grid it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Catoni {
    pub bound: f64,
    /// The chosen C = λ / m.
    pub c: f64,
}

/// Bounds the risk by min over C of (1 − exp(−C · risk − (complexity + ln(|grid| / δ)) / m)) / (1 − exp(−C)): Catoni (2007, arXiv
/// 0712.0248, theorem 1.2.6), by a union bound over a grid of C.
pub fn catoni(risk: f64, complexity: f64, examples: u64, delta: f64) -> Catoni {
    let price = (complexity + (CATONI_GRID as f64 / delta).ln()) / examples as f64;
    let half = (CATONI_GRID / 2) as i32;
    let bounds = (-half..=half).map(|exponent| {
        let c = 2_f64.powf(f64::from(exponent) / 2.0);
        Catoni { bound: (-c * risk - price).exp_m1() / (-c).exp_m1(), c }
    });
    bounds.min_by(|a, b| a.bound.total_cmp(&b.bound)).unwrap_or(Catoni { bound: 1.0, c: 1.0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Bound = fn(f64, f64, u64, f64) -> f64;

    const BOUNDS: [(&str, Bound); 3] = [
        ("McAllester", mcallester),
        ("Langford-Seeger", langford_seeger),
        ("Catoni", |risk, complexity, examples, delta| catoni(risk, complexity, examples, delta).bound),
    ];

    proptest! {
        #[test]
        fn the_inverse_inverts(q in 0.0_f64..1.0, epsilon in 1e-9_f64..3.0) {
            let p = kl_inverse(q, epsilon);
            prop_assert!((q..=1.0).contains(&p));
            prop_assert!(kl_bernoulli(q, p) >= epsilon * (1.0 - 1e-9) || p == 1.0, "{p}");
            if p < 1.0 - 1e-9 {
                prop_assert!((kl_bernoulli(q, p) - epsilon).abs() < 1e-6 * epsilon + 1e-12, "{p}");
            }
            prop_assert!(kl_bernoulli(q, p.min(1.0 - 1e-12)) >= 0.0 && kl_bernoulli(q, q) == 0.0);
        }

        #[test]
        fn bounds_grow_with_risk_and_complexity_and_shrink_with_examples_and_delta(
            risk in 0.0_f64..1.0, complexity in 0.0_f64..1e5, examples in 8_u64..1_000_000, delta in 1e-6_f64..0.5,
            factor in 1.01_f64..10.0,
        ) {
            for (name, bound) in BOUNDS {
                let value = bound(risk, complexity, examples, delta);
                prop_assert!(value >= risk, "{name}");
                let slack = 1e-12;
                let larger = |other: f64| other >= value - slack;
                prop_assert!(larger(bound((risk * factor).min(1.0), complexity, examples, delta)), "{name}");
                prop_assert!(larger(bound(risk, complexity * factor + 1.0, examples, delta)), "{name}");
                prop_assert!(larger(bound(risk, complexity, examples, delta / factor)), "{name}");
                prop_assert!(bound(risk, complexity, examples * 2, delta) <= value + slack, "{name}");
            }
            let seeger = langford_seeger(risk, complexity, examples, delta);
            prop_assert!(seeger <= mcallester(risk, complexity, examples, delta) + 1e-12);
            prop_assert!(seeger <= 1.0 && catoni(risk, complexity, examples, delta).bound <= 1.0 + 1e-12);
        }
    }

    #[test]
    fn a_mean_of_no_failures_has_the_bound_of_the_binomial_tail() {
        // (1 − p)ⁿ = δ.
        let expected = 1.0 - 0.05_f64.powf(1.0 / 100.0);
        assert!((mean_bound(0.0, 100, 0.05) - expected).abs() < 1e-12);
        assert_eq!(mean_bound(1.0, 100, 0.05), 1.0);
    }
}
