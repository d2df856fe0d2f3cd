//! Magnitudes of components in a histogram of fixed size, which answers what the largest of them hold.
//!
//! A bin is what the exponent and the first bits of the mantissa of a 32-bit float say, so that the magnitudes in it differ by a
//! factor of at most 1 + 2^-5. Each bin holds exact sums in double precision; only within the bin at which the largest components
//! end is the share interpolated. What the largest components hold is off by less than 1/32 of what this one bin holds.

/// Bits of the mantissa that distinguish bins.
const MANTISSA: u32 = 5;

/// Bins: the 8 bits of the exponent, and those of the mantissa.
const BINS: usize = 1 << (8 + MANTISSA);

/// The first bin of values that are not finite.
const NOT_FINITE: usize = 255 << MANTISSA;

/// Sums over the components of a bin.
#[derive(Clone, Copy, Default)]
struct Bin {
    count: u64,
    sum: f64,
    squares: f64,
}

/// Magnitudes of components.
#[derive(Clone)]
pub struct Magnitudes {
    bins: Vec<Bin>,
    /// The sum of fourth powers.
    fourth: f64,
}

impl Default for Magnitudes {
    fn default() -> Magnitudes {
        Magnitudes { bins: vec![Bin::default(); BINS], fourth: 0.0 }
    }
}

impl Magnitudes {
    /// Adds the magnitudes of these values.
    pub fn add(&mut self, values: &[f32]) {
        for value in values {
            let magnitude = f64::from(value.abs());
            let square = magnitude * magnitude;
            let bin = &mut self.bins[(value.abs().to_bits() >> (23 - MANTISSA)) as usize];
            bin.count += 1;
            bin.sum += magnitude;
            bin.squares += square;
            self.fourth += square * square;
        }
    }

    pub fn merge(&mut self, other: &Magnitudes) {
        for (bin, other) in self.bins.iter_mut().zip(&other.bins) {
            bin.count += other.count;
            bin.sum += other.sum;
            bin.squares += other.squares;
        }
        self.fourth += other.fourth;
    }

    /// Whether all of them are finite.
    pub fn is_finite(&self) -> bool {
        self.bins[NOT_FINITE..].iter().all(|bin| bin.count == 0)
    }

    /// From the largest to the smallest.
    pub fn ranking(&self) -> Ranking {
        let mut ranking = Ranking { cumulated: Vec::new(), fourth: self.fourth };
        let mut total = Sums::default();
        for (number, bin) in self.bins.iter().enumerate().rev().filter(|(_, bin)| bin.count > 0) {
            total.count += bin.count as f64;
            total.l1 += bin.sum;
            total.squares += bin.squares;
            ranking.cumulated.push((number as u32, total));
        }
        ranking
    }
}

/// Sums over the largest components.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: f64,
    l1: f64,
    squares: f64,
}

/// Components by magnitude, from the largest on.
#[derive(Clone, Default)]
pub struct Ranking {
    /// The number of a bin, and the sums over it and all larger ones.
    cumulated: Vec<(u32, Sums)>,
    fourth: f64,
}

/// Shares of a norm, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// Of the L1 norm: `100 · Σ|g| of the largest / Σ|g|`.
    pub l1: f64,
    /// Of the L2 norm: `100 · ‖g of the largest‖ / ‖g‖`, as the gradient mass of a selection.
    pub l2: f64,
}

impl Ranking {
    fn total(&self) -> Sums {
        self.cumulated.last().map(|(_, sums)| *sums).unwrap_or_default()
    }

    /// The number of components.
    pub fn components(&self) -> f64 {
        self.total().count
    }

    /// The L2 norm.
    pub fn norm(&self) -> f64 {
        self.total().squares.sqrt()
    }

    /// The sums over the `k` largest components.
    fn largest(&self, k: f64) -> Sums {
        let place = self.cumulated.partition_point(|(_, sums)| sums.count < k);
        let before = if place == 0 { Sums::default() } else { self.cumulated[place - 1].1 };
        let Some((_, end)) = self.cumulated.get(place) else { return self.total() };
        let part = (k - before.count) / (end.count - before.count);
        Sums {
            count: k,
            l1: before.l1 + part * (end.l1 - before.l1),
            squares: before.squares + part * (end.squares - before.squares),
        }
    }

    /// What this share of the components, in percent, holds of the norms; nothing of a gradient that is zero.
    pub fn top(&self, percent: f64) -> Shares {
        self.top_of(self.components() * percent / 100.0)
    }

    /// What the `k` largest components hold of the norms.
    pub fn top_of(&self, k: f64) -> Shares {
        let (sums, total) = (self.largest(k), self.total());
        if total.l1 <= 0.0 || total.squares <= 0.0 {
            return Shares::default();
        }
        Shares { l1: 100.0 * sums.l1 / total.l1, l2: 100.0 * (sums.squares / total.squares).sqrt() }
    }

    /// The share of the components, in percent, that holds this share of the L2 norm.
    pub fn needed(&self, percent: f64) -> f64 {
        let total = self.total();
        let wanted = total.squares * (percent / 100.0).powi(2);
        let place = self.cumulated.partition_point(|(_, sums)| sums.squares < wanted);
        let before = if place == 0 { Sums::default() } else { self.cumulated[place - 1].1 };
        let Some((_, end)) = self.cumulated.get(place) else { return 100.0 };
        let part = (wanted - before.squares) / (end.squares - before.squares);
        100.0 * (before.count + part * (end.count - before.count)) / total.count
    }

    /// The Gini coefficient of the magnitudes: 0 if all are equal, towards 1 if one holds everything.
    pub fn gini(&self) -> f64 {
        let total = self.total();
        if total.l1 <= 0.0 {
            return 0.0;
        }
        // Twice the area under the Lorenz curve, by trapezoids from the smallest to the largest.
        let mut area = 0.0;
        let mut before = Sums::default();
        for (_, sums) in &self.cumulated {
            let (rest, rest_before) = (total.l1 - sums.l1, total.l1 - before.l1);
            area += (rest + rest_before) * (sums.count - before.count);
            before = *sums;
        }
        1.0 - area / (total.l1 * total.count)
    }

    /// The participation ratio `(Σg²)² / Σg⁴` as a share of the components, in percent: the effective number of components that
    /// hold the squared norm.
    pub fn participation(&self) -> f64 {
        let total = self.total();
        if self.fourth <= 0.0 { 0.0 } else { 100.0 * total.squares * total.squares / self.fourth / total.count }
    }

    /// Shares of the components, in percent, by log10 of their magnitude: edges `width` apart, and a share for each bin between;
    /// then the share that is smaller than the first edge, zeros among them. The first bin is one with
    /// 0.01 % of them, at most so many decades below the largest.
    pub fn by_decade(&self, width: f64, decades: f64) -> (Vec<f64>, Vec<f64>, f64) {
        let total = self.total().count;
        let largest = self.cumulated.first().map_or(0, |(bin, _)| *bin);
        let top = (centre(largest).log10() / width).floor() as i64 + 1;
        let lowest = top - (decades / width).round() as i64;
        let mut shares = vec![0.0; (top - lowest) as usize];
        let mut below = 0.0;
        let mut before = 0.0;
        for (bin, sums) in &self.cumulated {
            let share = 100.0 * (sums.count - before) / total;
            before = sums.count;
            let at = (centre(*bin).log10() / width).floor();
            match usize::try_from(at.max(-1e6) as i64 - lowest).ok().and_then(|place| shares.get_mut(place)) {
                Some(place) => *place += share,
                None => below += share,
            }
        }
        // A tail of single components would take most of the axis.
        let first = shares.iter().position(|share| *share >= 0.01).unwrap_or(0);
        below += shares[..first].iter().sum::<f64>();
        let edges = (lowest + first as i64..=top).map(|number| number as f64 * width).collect();
        (edges, shares.split_off(first), below)
    }
}

/// The middle of a bin.
fn centre(bin: u32) -> f64 {
    let at = |bin: u32| f64::from(f32::from_bits(bin << (23 - MANTISSA)));
    (at(bin) + at(bin + 1)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same from sorted values, in double precision.
    fn sorted(values: &[f32]) -> Vec<f64> {
        let mut sorted: Vec<f64> = values.iter().map(|value| f64::from(value.abs())).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted
    }

    fn magnitudes(values: &[f32]) -> Magnitudes {
        let mut magnitudes = Magnitudes::default();
        magnitudes.add(values);
        magnitudes
    }

    #[test]
    fn values_that_are_not_finite_are_noticed() {
        assert!(magnitudes(&[0.0, f32::MAX, f32::MIN_POSITIVE, -1e-45]).is_finite());
        assert!(!magnitudes(&[f32::NAN]).is_finite() && !magnitudes(&[f32::NEG_INFINITY]).is_finite());
    }

    #[test]
    fn known_distributions_have_their_known_numbers() {
        let equal = magnitudes(&[0.5; 1000]).ranking();
        assert!((equal.top(10.0).l1 - 10.0).abs() < 1e-9 && (equal.top(1.0).l2 - 10.0).abs() < 1e-9);
        assert!(equal.gini().abs() < 1e-9 && (equal.participation() - 100.0).abs() < 1e-9);
        let mut one = vec![0.0; 999];
        one.push(3.0);
        let one = magnitudes(&one).ranking();
        assert_eq!((one.top(0.1), one.needed(90.0)), (Shares { l1: 100.0, l2: 100.0 }, 0.081));
        assert!((one.gini() - 0.999).abs() < 1e-9 && (one.participation() - 0.1).abs() < 1e-9);
        let (edges, shares, below) = one.by_decade(0.5, 4.0);
        assert_eq!((edges, shares, below), (vec![0.0, 0.5], vec![0.1], 99.9));
        assert_eq!(magnitudes(&[0.0; 4]).ranking().top(50.0), Shares::default());
        assert_eq!(Ranking::default().top(1.0), Shares::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn shares_are_those_of_sorted_values_within_the_stated_error(
            values in proptest::collection::vec((-1.0..1.0_f32, -30..3_i32).prop_map(|(value, power)| value * 2f32.powi(power)), 1..800),
            percent in 0.01..100.0_f64,
        ) {
            let (ranking, sorted) = (magnitudes(&values).ranking(), sorted(&values));
            let k = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
            let sums = |values: &[f64]| (values.iter().sum::<f64>(), values.iter().map(|v| v * v).sum::<f64>());
            let ((l1, squares), (all, all_squares)) = (sums(&sorted[..k]), sums(&sorted));
            prop_assume!(all_squares > 0.0);
            let shares = ranking.top_of(k as f64);
            // What the bin of the k-th value holds.
            let bin = |value: f64| (value as f32).to_bits() >> (23 - MANTISSA);
            let last: Vec<f64> = sorted.iter().copied().filter(|value| bin(*value) == bin(sorted[k - 1])).collect();
            let (bin_l1, bin_squares) = sums(&last);
            let error = 1.0 / 32.0;
            prop_assert!((shares.l1 / 100.0 - l1 / all).abs() <= error * bin_l1 / all + 1e-9);
            // Squares within a bin differ by twice as much.
            let difference = ((shares.l2 / 100.0).powi(2) - squares / all_squares).abs();
            prop_assert!(difference <= 2.1 * error * bin_squares / all_squares + 1e-9);
            prop_assert!((ranking.components() - sorted.len() as f64).abs() < 0.5);
            prop_assert!((ranking.norm() - all_squares.sqrt()).abs() <= 1e-9 * all_squares.sqrt());
            // The inverse finds its way back.
            let back = ranking.top(ranking.needed(shares.l2)).l2;
            prop_assert!((back - shares.l2).abs() < 1e-6, "{} {}", back, shares.l2);
            let gini: f64 = sorted.iter().enumerate().map(|(rank, v)| v * (sorted.len() as f64 - 1.0 - 2.0 * rank as f64)).sum::<f64>();
            let gini = gini / (all * sorted.len() as f64);
            prop_assert!((ranking.gini() - gini).abs() < 0.02, "{} {}", ranking.gini(), gini);
        }

        #[test]
        fn parts_add_up(values in proptest::collection::vec(-1.0..1.0_f32, 2..100), at in 0..100_usize) {
            let (a, b) = values.split_at(at % values.len());
            let (mut merged, whole) = (magnitudes(a), magnitudes(&values));
            merged.merge(&magnitudes(b));
            let (merged, whole) = (merged.ranking(), whole.ranking());
            prop_assert!((merged.top(10.0).l2 - whole.top(10.0).l2).abs() < 1e-9);
            let (_, shares, below) = whole.by_decade(0.25, 12.0);
            prop_assert!((shares.iter().sum::<f64>() + below - 100.0).abs() < 1e-9);
        }
    }
}
