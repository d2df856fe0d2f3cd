//! The loss curve that lists of runs show: means over equal spans of steps, in 3 KiB however long the run is.

/// Limit of buckets.
const MOST: usize = 128;

/// Means over equal spans of steps, where a span is a power of two.
///
/// Buckets are keyed by step, so the curve keeps its shape where only parts of a file were read. Charts need extremes and
/// time instead: that is [`Series`](crate::series::Series).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanCurve {
    /// The bucket of a step is the step shifted right by this.
    shift: u32,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    number: u64,
    sum: f64,
    count: u64,
}

impl MeanCurve {
    /// Adds the value of a step and drops later steps. A value that is not finite is left out.
    pub fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let number = step >> self.shift;
        while self.buckets.last().is_some_and(|last| last.number > number) {
            self.buckets.pop();
        }
        match self.buckets.last_mut() {
            Some(last) if last.number == number => {
                last.sum += value;
                last.count += 1;
            }
            _ => self.buckets.push(Bucket { number, sum: value, count: 1 }),
        }
        while self.buckets.len() > MOST {
            self.coarsen();
        }
    }

    /// Drops the buckets after a step.
    pub fn rewind(&mut self, step: u64) {
        self.buckets.retain(|bucket| bucket.number <= step >> self.shift);
    }

    /// The first step and the mean of each bucket.
    pub fn points(&self) -> impl Iterator<Item = (u64, f64)> {
        self.buckets.iter().map(|bucket| (bucket.number << self.shift, bucket.sum / bucket.count as f64))
    }

    /// The curve in at most `width` columns of equal spans. A column without a value repeats the one before it.
    pub fn columns(&self, width: usize) -> Vec<f64> {
        let (Some(first), Some(last)) = (self.buckets.first(), self.buckets.last()) else { return Vec::new() };
        let span = (last.number - first.number) as f64 + 1.0;
        let column = |bucket: &Bucket| ((bucket.number - first.number) as f64 / span * width as f64) as usize;
        let mut columns = Vec::with_capacity(width);
        let mut rest = self.buckets.iter().peekable();
        let mut value = 0.0;
        for number in 0..width.min(span as usize) * usize::from(width > 0) {
            // Fewer steps than columns: one column each.
            let within = |bucket: &&Bucket| {
                if span < width as f64 {
                    (bucket.number - first.number) as usize <= number
                } else {
                    column(bucket) <= number
                }
            };
            let (mut sum, mut count) = (0.0, 0u64);
            while let Some(bucket) = rest.next_if(within) {
                sum += bucket.sum;
                count += bucket.count;
            }
            if count > 0 {
                value = sum / count as f64;
            }
            columns.push(value);
        }
        columns
    }

    fn coarsen(&mut self) {
        self.shift += 1;
        let mut merged: Vec<Bucket> = Vec::with_capacity(MOST);
        for bucket in &self.buckets {
            let number = bucket.number >> 1;
            match merged.last_mut() {
                Some(last) if last.number == number => {
                    last.sum += bucket.sum;
                    last.count += bucket.count;
                }
                _ => merged.push(Bucket { number, ..*bucket }),
            }
        }
        self.buckets = merged;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_curve_keeps_its_shape() {
        let mut curve = MeanCurve::default();
        (1..=1_000_000u64).for_each(|step| curve.push(step, 1.0 / step as f64));
        assert!(curve.points().count() <= MOST);
        let columns = curve.columns(10);
        assert_eq!(columns.len(), 10);
        assert!(columns.windows(2).all(|pair| pair[0] > pair[1]), "{columns:?}");
        // The mean over the last tenth.
        assert!((columns[9] - 1.05e-6).abs() < 0.02e-6, "{columns:?}");
    }

    #[test]
    fn steps_after_a_rewind_are_dropped() {
        let mut curve = MeanCurve::default();
        (1..=4).for_each(|step| curve.push(step, 1.0));
        curve.rewind(2);
        curve.push(3, 7.0);
        curve.push(4, f64::NAN);
        assert_eq!(curve.points().collect::<Vec<_>>(), [(1, 1.0), (2, 1.0), (3, 7.0)]);
        assert_eq!(curve.columns(9), [1.0, 1.0, 7.0]);
        assert_eq!(MeanCurve::default().columns(9), [0.0; 0]);
        assert_eq!(curve.columns(0), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn any_steps_are_bounded(steps in prop::collection::vec(any::<u64>(), 0..600), width in 0usize..200) {
            let mut curve = MeanCurve::default();
            steps.iter().for_each(|step| curve.push(*step, 1.0));
            let points: Vec<(u64, f64)> = curve.points().collect();
            prop_assert!(points.len() <= MOST);
            prop_assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(curve.columns(width).len() <= width);
            prop_assert!(curve.columns(width).iter().all(|value| *value == 1.0));
        }
    }
}
