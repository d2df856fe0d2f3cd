//! How much a loss oscillates along a line.

/// Depth of a local minimum, as a share of the range, from which on it counts.
pub const DEPTH: f64 = 0.01;

/// A range below this share of the largest loss is rounding of fp32.
const ROUNDING: f64 = 1e-6;

/// Measures of the losses at evenly spaced points of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oscillation {
    /// Amplitude: the highest loss less the lowest, max L − min L.
    pub range: f64,
    /// Total variation divided by the range, Σ |L(i+1) − L(i)| / (max L − min L): 1 where the loss only rises or only falls,
    /// 2 in a symmetric valley, more where it oscillates. 1 of a constant loss.
    pub variation: f64,
    /// Mean absolute second difference, mean |L(i−1) − 2 L(i) + L(i+1)|. It depends on the spacing, so only lines with the
    /// same points compare.
    pub second_difference: f64,
    /// Local minima inside the line, from which the loss rises by more than [`DEPTH`] of the range on both sides.
    pub minima: usize,
}

impl Oscillation {
    /// Of at least three losses; `None` if one is not finite.
    pub fn of(losses: &[f64]) -> Option<Oscillation> {
        if losses.len() < 3 || losses.iter().any(|loss| !loss.is_finite()) {
            return None;
        }
        let (low, high) = losses
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &loss| (low.min(loss), high.max(loss)));
        let range = high - low;
        let seconds: f64 = losses.windows(3).map(|near| (near[0] - 2.0 * near[1] + near[2]).abs()).sum();
        let second_difference = seconds / (losses.len() - 2) as f64;
        if range <= ROUNDING * high.abs().max(low.abs()) {
            return Some(Oscillation { range, variation: 1.0, second_difference, minima: 0 });
        }
        let variation: f64 = losses.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
        Some(Oscillation {
            range,
            variation: variation / range,
            second_difference,
            minima: minima(losses, DEPTH * range),
        })
    }

    /// The mean of several.
    pub fn mean(all: &[Oscillation]) -> Option<MeanOscillation> {
        let count = all.len() as f64;
        let mean = |of: fn(&Oscillation) -> f64| all.iter().map(of).sum::<f64>() / count;
        (!all.is_empty()).then(|| MeanOscillation {
            range: mean(|one| one.range),
            variation: mean(|one| one.variation),
            second_difference: mean(|one| one.second_difference),
            minima: mean(|one| one.minima as f64),
        })
    }
}

/// Means over several lines of what [`Oscillation`] measures.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of Oscillation")]
pub struct MeanOscillation {
    pub range: f64,
    pub variation: f64,
    pub second_difference: f64,
    pub minima: f64,
}

/// Falls of more than `depth` that a rise of more than `depth` follows.
fn minima(losses: &[f64], depth: f64) -> usize {
    let (mut count, mut falling) = (0, false);
    // The highest loss since the last rise, or the lowest since the last fall.
    let mut extreme = losses[0];
    for &loss in losses {
        if falling {
            extreme = extreme.min(loss);
            if loss > extreme + depth {
                (count, falling, extreme) = (count + 1, false, loss);
            }
        } else {
            extreme = extreme.max(loss);
            if loss < extreme - depth {
                (falling, extreme) = (true, loss);
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn losses(of: impl Fn(f64) -> f64) -> Vec<f64> {
        (-50..=50).map(|number| of(f64::from(number) / 50.0)).collect()
    }

    #[test]
    fn shapes_with_known_measures() {
        let valley = Oscillation::of(&losses(|x| 3.0 + x * x)).unwrap();
        assert!((valley.range - 1.0).abs() < 1e-12 && (valley.variation - 2.0).abs() < 1e-12);
        // The second difference of x² is 2 h².
        assert!((valley.second_difference - 2.0 / 2500.0).abs() < 1e-12);
        assert_eq!(valley.minima, 1);
        let slope = Oscillation::of(&losses(|x| 0.7 * x)).unwrap();
        assert!((slope.variation - 1.0).abs() < 1e-12 && slope.second_difference < 1e-12 && slope.minima == 0);
        // Five periods from a crest to a crest: each falls and rises by its range.
        let wave = Oscillation::of(&losses(|x| (5.0 * std::f64::consts::PI * (x + 1.0)).cos())).unwrap();
        assert!((wave.variation - 10.0).abs() < 1e-9 && wave.minima == 5, "{wave:?}");
        let flat = Oscillation::of(&losses(|_| 0.69)).unwrap();
        assert_eq!((flat.range, flat.variation, flat.minima), (0.0, 1.0, 0));
        assert_eq!(Oscillation::of(&[1.0, f64::NAN, 2.0]), None);
        assert_eq!(Oscillation::of(&[1.0, 2.0]), None);
    }

    #[test]
    fn a_minimum_shallower_than_the_depth_does_not_count() {
        let dent = |depth: f64| [1.0, 0.5, 0.5 - depth, 0.5, 0.0, 1.0];
        assert_eq!(Oscillation::of(&dent(0.005)).unwrap().minima, 1);
        assert_eq!(Oscillation::of(&dent(0.02)).unwrap().minima, 2);
    }

    #[test]
    fn means_are_those_of_each_measure() {
        let one = Oscillation { range: 1.0, variation: 2.0, second_difference: 0.5, minima: 1 };
        let other = Oscillation { range: 3.0, variation: 4.0, second_difference: 0.1, minima: 4 };
        let mean = Oscillation::mean(&[one, other]).unwrap();
        assert_eq!((mean.range, mean.variation, mean.second_difference, mean.minima), (2.0, 3.0, 0.3, 2.5));
        assert_eq!(Oscillation::mean(&[]), None);
    }

    proptest! {
        #[test]
        fn measures_do_not_depend_on_level_and_scale_with_the_loss(
            losses in prop::collection::vec(-1.0..1.0_f64, 3..40), level in -5.0..5.0_f64, scale in 0.1..10.0_f64,
        ) {
            let before = Oscillation::of(&losses).unwrap();
            let after = Oscillation::of(&losses.iter().map(|loss| level + scale * loss).collect::<Vec<_>>()).unwrap();
            prop_assume!(before.range > 1e-3);
            prop_assert!((after.range - scale * before.range).abs() < 1e-9);
            prop_assert!((after.variation - before.variation).abs() < 1e-6);
            prop_assert!((after.second_difference - scale * before.second_difference).abs() < 1e-9);
            prop_assert!(before.variation >= 1.0 - 1e-12);
            // A line that is read backwards has the same minima.
            let backwards: Vec<f64> = losses.iter().rev().copied().collect();
            prop_assert_eq!(Oscillation::of(&backwards).unwrap().minima, before.minima);
        }
    }
}
