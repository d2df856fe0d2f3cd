//! Parts of a curve, and robust statistics over them. Values are those of each bucket's last point.

use crate::series::{At, Bucket, Series};

/// The buckets after a step.
pub(super) fn after(series: &Series, step: f64) -> &[Bucket] {
    let buckets = series.buckets();
    &buckets[buckets.partition_point(|bucket| bucket.last.step <= step)..]
}

/// The latest buckets, `count` at most.
pub(super) fn latest(buckets: &[Bucket], count: usize) -> &[Bucket] {
    &buckets[buckets.len().saturating_sub(count)..]
}

/// The buckets of the last `seconds`.
pub(super) fn latest_seconds(buckets: &[Bucket], seconds: f64) -> &[Bucket] {
    let end = buckets.last().map_or(0.0, |bucket| bucket.last.time);
    &buckets[buckets.partition_point(|bucket| bucket.last.time < end - seconds)..]
}

/// Seconds from the first to the last point.
pub(super) fn seconds(buckets: &[Bucket]) -> f64 {
    let (first, last) = ends(buckets);
    last.time - first.time
}

/// The positions of the first and the last point.
pub(super) fn ends(buckets: &[Bucket]) -> (At, At) {
    let first = buckets.first().map(|bucket| bucket.first).unwrap_or_default();
    (first, buckets.last().map(|bucket| bucket.last).unwrap_or_default())
}

/// The median; 0 of nothing.
pub(super) fn median(buckets: &[Bucket]) -> f64 {
    let mut values: Vec<f64> = buckets.iter().map(|bucket| bucket.end).collect();
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The mean; 0 of nothing.
pub(super) fn mean(buckets: &[Bucket]) -> f64 {
    buckets.iter().map(|bucket| bucket.end).sum::<f64>() / buckets.len().max(1) as f64
}

/// The largest value of all points.
pub(super) fn largest(buckets: &[Bucket]) -> f64 {
    buckets.iter().map(|bucket| bucket.max).fold(f64::NEG_INFINITY, f64::max)
}

/// The level at which a curve began: the median of its first 20 buckets.
pub(super) fn start_level(series: &Series) -> f64 {
    const FIRST: usize = 20;
    let buckets = series.buckets();
    median(&buckets[..buckets.len().min(FIRST)])
}

/// `steps 101 to 120`.
pub(super) fn steps(buckets: &[Bucket]) -> String {
    let (first, last) = ends(buckets);
    format!("steps {:.0} to {:.0}", first.step, last.step)
}

/// A number with three significant digits: `0.693`, `12.3`, `4210`, `1.2e-5`.
pub(super) fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        100.0..1e9 => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        1.0..10.0 => format!("{value:.2}"),
        1e-3..1.0 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}
