//! Curves of any length in constant memory that keep their spikes. Pure: points in, buckets out.

/// Default limit of buckets: more than any terminal has columns.
const MOST: usize = 2048;

/// The position of a point on both x axes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct At {
    /// Optimizer steps.
    pub step: f64,
    /// Seconds.
    pub time: f64,
}

/// Neighbouring points merged into one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Position of the first point.
    pub first: At,
    /// Position of the last point.
    pub last: At,
    pub min: f64,
    pub max: f64,
    /// Value of the last point.
    pub end: f64,
    /// Number of points merged.
    pub count: u32,
    /// Whether a value before this bucket, or within it, was not finite: no line is drawn to it.
    pub gap: bool,
}

/// A curve for charts: each bucket holds one point until there are too many, then two, four, and so on.
///
/// It keeps the minimum and maximum of each bucket, so that spikes survive. The list of runs needs means over equal spans
/// of steps instead: that is [`MeanCurve`](crate::runs::MeanCurve).
#[derive(Clone, Debug)]
pub struct Series {
    buckets: Vec<Bucket>,
    most: usize,
    per_bucket: u32,
    /// Whether the latest value was not finite.
    gap: bool,
}

impl Default for Series {
    fn default() -> Series {
        Series::bounded(MOST)
    }
}

impl Series {
    /// A curve of at most `most` buckets of 64 bytes each.
    ///
    /// # Panics
    /// If `most` is below 2: there would be no pair to merge.
    pub fn bounded(most: usize) -> Series {
        assert!(most >= 2, "a curve of {most} buckets");
        Series { buckets: Vec::new(), most, per_bucket: 1, gap: false }
    }

    /// Adds a point. Positions must not decrease. A value that is not finite leaves a gap.
    pub fn push(&mut self, at: At, value: f64) {
        if !value.is_finite() {
            self.gap = true;
            return;
        }
        let gap = std::mem::take(&mut self.gap);
        match self.buckets.last_mut() {
            Some(bucket) if bucket.count < self.per_bucket && !gap => {
                *bucket = Bucket {
                    last: at,
                    min: bucket.min.min(value),
                    max: bucket.max.max(value),
                    end: value,
                    count: bucket.count + 1,
                    ..*bucket
                };
            }
            _ => {
                if self.buckets.len() == self.most {
                    self.halve();
                }
                self.buckets.push(Bucket { first: at, last: at, min: value, max: value, end: value, count: 1, gap });
            }
        }
    }

    /// Drops the points after a step. A bucket that spans the step is dropped whole.
    pub fn rewind(&mut self, step: f64) {
        let kept = self.buckets.partition_point(|bucket| bucket.last.step <= step);
        if let Some(dropped) = self.buckets.get(kept) {
            self.gap = dropped.gap;
            self.buckets.truncate(kept);
        }
    }

    /// The curve, in order.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// The last finite value.
    pub fn last(&self) -> Option<f64> {
        self.buckets.last().map(|bucket| bucket.end)
    }

    /// Position of the last finite value.
    pub fn last_at(&self) -> Option<At> {
        self.buckets.last().map(|bucket| bucket.last)
    }

    /// Number of finite points.
    pub fn points(&self) -> u64 {
        self.buckets.iter().map(|bucket| u64::from(bucket.count)).sum()
    }

    /// The bucket nearest to `x` on an axis.
    pub fn nearest(&self, x: f64, axis: impl Fn(At) -> f64) -> Option<&Bucket> {
        let after = self.buckets.partition_point(|bucket| axis(bucket.last) < x);
        let near = self.buckets[after.saturating_sub(1)..].iter().take(2);
        near.min_by(|a, b| (axis(a.last) - x).abs().total_cmp(&(axis(b.last) - x).abs()))
    }

    /// The latest bucket that ends at `x` or before on an axis.
    pub fn until(&self, x: f64, axis: impl Fn(At) -> f64) -> Option<&Bucket> {
        let after = self.buckets.partition_point(|bucket| axis(bucket.last) <= x);
        self.buckets[..after].last()
    }

    /// The curve in at most `most` buckets.
    ///
    /// # Panics
    /// If `most` is below 2.
    pub fn coarsened(&self, most: usize) -> Series {
        let mut coarse = Series {
            buckets: self.buckets.clone(),
            per_bucket: self.per_bucket,
            gap: self.gap,
            ..Series::bounded(most)
        };
        while coarse.buckets.len() > most {
            coarse.halve();
        }
        coarse
    }

    fn halve(&mut self) {
        let merged = self.buckets.chunks(2).map(|pair| match pair {
            [a, b] => Bucket {
                first: a.first,
                last: b.last,
                min: a.min.min(b.min),
                max: a.max.max(b.max),
                end: b.end,
                count: a.count.saturating_add(b.count),
                gap: a.gap || b.gap,
            },
            lone => lone[0],
        });
        self.buckets = merged.collect();
        self.per_bucket = self.per_bucket.saturating_mul(2);
    }
}

/// A debiased exponential moving average over finite values, as in Adam.
#[derive(Clone, Debug)]
pub struct Ema {
    decay: f64,
    sum: f64,
    weight: f64,
}

impl Ema {
    /// `decay` in 0..1 is the weight of the past at each value.
    pub fn new(decay: f64) -> Ema {
        Ema { decay, sum: 0.0, weight: 0.0 }
    }

    /// The average that stood at `average` after `count` values.
    pub fn resumed(decay: f64, average: f64, count: u64) -> Ema {
        let weight = 1.0 - decay.powf(count as f64);
        Ema { decay, sum: average * weight, weight }
    }

    /// Adds a value and returns the average. A value that is not finite is returned as it is and changes nothing.
    pub fn push(&mut self, value: f64) -> f64 {
        if !value.is_finite() {
            return value;
        }
        self.sum = self.decay * self.sum + (1.0 - self.decay) * value;
        self.weight = self.decay * self.weight + (1.0 - self.decay);
        self.sum / self.weight
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(values: &[f64]) -> Series {
        let mut series = Series::default();
        for (step, &value) in values.iter().enumerate() {
            series.push(At { step: step as f64, time: step as f64 / 10.0 }, value);
        }
        series
    }

    #[test]
    fn a_long_curve_is_bounded_and_keeps_its_spike() {
        let mut values: Vec<f64> = (0..100_000).map(|i| f64::from(i % 7)).collect();
        values[54_321] = 1e6;
        values[77_777] = f64::NAN;
        let series = series(&values);
        assert!(series.buckets().len() <= MOST && series.buckets().len() >= MOST / 2);
        assert_eq!(series.buckets().iter().filter(|bucket| bucket.max == 1e6).count(), 1);
        assert_eq!(series.buckets().iter().filter(|bucket| bucket.gap).count(), 1);
    }

    #[test]
    fn a_bound_is_kept() {
        for most in [2, 3, 64] {
            let mut series = Series::bounded(most);
            for step in 0..10_000 {
                series.push(At { step: f64::from(step), time: 0.0 }, f64::from(step));
                assert!(series.buckets().len() <= most);
            }
            let buckets = series.buckets();
            assert_eq!((buckets[0].min, series.last()), (0.0, Some(9999.0)));
            assert!(buckets.len() >= most / 2, "{} of {most}", buckets.len());
        }
        assert!(std::mem::size_of::<Bucket>() <= 64);
    }

    #[test]
    fn a_rewound_series_and_average_go_on_as_if_the_dropped_points_had_never_come() {
        let loss = |step: u32| 5.0 / f64::from(step + 1);
        let (mut straight, mut resumed) = (Series::default(), Series::default());
        let (mut a, mut b) = (Ema::new(0.9), Ema::new(0.9));
        let at = |step: u32| At { step: f64::from(step), time: 0.0 };
        (0..30).for_each(|step| straight.push(at(step), a.push(loss(step))));
        (0..20).for_each(|step| resumed.push(at(step), b.push(loss(step))));
        resumed.rewind(9.0);
        assert_eq!((resumed.points(), resumed.last_at()), (10, Some(at(9))));
        let mut b = Ema::resumed(0.9, resumed.last().unwrap(), resumed.points());
        (10..30).for_each(|step| resumed.push(at(step), b.push(loss(step))));
        for (a, b) in straight.buckets().iter().zip(resumed.buckets()) {
            assert!(a.first == b.first && (a.end - b.end).abs() < 1e-12, "{a:?} {b:?}");
        }
        assert_eq!(straight.points(), resumed.points());
    }

    #[test]
    fn a_merged_bucket_that_spans_the_step_is_dropped_whole() {
        let mut series = Series::bounded(4);
        (0..16).for_each(|step| series.push(At { step: f64::from(step), time: 0.0 }, 1.0));
        series.rewind(6.0);
        assert_eq!(series.last_at().map(|at| at.step), Some(3.0));
        series.push(At { step: 7.0, time: 0.0 }, 1.0);
        assert_eq!(series.buckets().iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [4, 1]);
    }

    #[test]
    fn the_average_of_equal_values_is_that_value_from_the_start() {
        let mut ema = Ema::new(0.98);
        assert!((ema.push(3.0) - 3.0).abs() < 1e-12);
        assert!(ema.push(f64::NAN).is_nan());
        assert!((ema.push(3.0) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn nearest_returns_the_closest_bucket() {
        let series = series(&[1.0, 2.0, 3.0]);
        let nearest = |x| series.nearest(x, |at| at.step).unwrap().end;
        assert_eq!([-5.0, 0.4, 0.6, 1.9, 9.0].map(nearest), [1.0, 1.0, 2.0, 3.0, 3.0]);
        assert!(Series::default().nearest(1.0, |at| at.step).is_none());
    }

    proptest! {
        #[test]
        fn no_extreme_is_lost(values in prop::collection::vec(
            prop_oneof![9 => -1e9f64..1e9, 1 => Just(f64::NAN)], 1..9000,
        )) {
            let series = series(&values);
            let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            let buckets = series.buckets();
            prop_assert!(buckets.len() <= MOST);
            prop_assert!(buckets.windows(2).all(|pair| pair[0].last.step < pair[1].first.step));
            // Every bucket's extremes are those of the points it spans.
            for bucket in buckets {
                let span = &values[bucket.first.step as usize..=bucket.last.step as usize];
                let span = || span.iter().copied().filter(|value| value.is_finite());
                prop_assert_eq!(bucket.min, span().fold(f64::INFINITY, f64::min));
                prop_assert_eq!(bucket.max, span().fold(f64::NEG_INFINITY, f64::max));
            }
            prop_assert_eq!(series.last(), finite.last().copied());
            // A gap survives as one, wherever it is not at an end.
            let inner = values.iter().skip_while(|value| value.is_nan()).collect::<Vec<_>>();
            let inner = inner.iter().rev().skip_while(|value| value.is_nan()).any(|value| value.is_nan());
            prop_assert!(!inner || buckets.iter().any(|bucket| bucket.gap));
        }
    }

    #[test]
    fn a_coarser_curve_keeps_ends_and_extremes() {
        let mut series = Series::default();
        (0..1500).for_each(|step| series.push(At { step: f64::from(step), time: 0.0 }, f64::from(step * 7 % 1000)));
        let coarse = series.coarsened(100);
        assert!((50..=100).contains(&coarse.buckets().len()), "{}", coarse.buckets().len());
        assert_eq!(
            (coarse.points(), coarse.last(), coarse.last_at()),
            (series.points(), series.last(), series.last_at())
        );
        let extremes = |series: &Series| {
            let min = series.buckets().iter().map(|bucket| bucket.min).fold(f64::INFINITY, f64::min);
            (min, series.buckets().iter().map(|bucket| bucket.max).fold(0.0, f64::max))
        };
        assert_eq!(extremes(&coarse), extremes(&series));
        assert_eq!(series.coarsened(4000).buckets(), series.buckets());
    }
}
