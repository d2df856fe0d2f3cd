//! The loss has left its lowest level for good, or is no number any more.

use super::window::{figure, median, start_level, steps};
use super::{Check, Verdict};
use crate::protocol::Level;
use crate::runs::History;

/// Blocks that the curve is cut into, and the buckets of one. A median over 10 steps is not moved by a single bad batch.
const BLOCKS: usize = 20;
const BLOCK: std::ops::RangeInclusive<usize> = 10..=64;

/// The loss is this many times the lowest block's. Half as much again is more than a change of the data explains.
const RATIO: f64 = 1.5;

/// It has also risen by this share of the level at which the run began, so that 0.02 after 0.01 does not count.
const RISE: f64 = 0.3;

const ADVICE: &str =
    "stop; resume from a checkpoint before it (--from best) with a lower train.learning_rate or longer train.warmup";

pub(super) fn check(run: &History) -> Option<Verdict> {
    let verdict = |badge, seen, step| Verdict {
        check: Check::Divergence,
        level: Level::Error,
        badge,
        seen,
        advice: ADVICE,
        step: Some(step),
        target: None,
    };
    if let Some(step) = run.step.as_ref().filter(|step| !step.loss.is_finite()) {
        let (value, at) = (step.loss, step.step);
        return Some(verdict(format!("loss is {value} at {at}"), format!("loss {value} at step {at}"), at as f64));
    }
    let buckets = run.loss.raw.buckets();
    let size = (buckets.len() / BLOCKS).clamp(*BLOCK.start(), *BLOCK.end());
    // From the end, so that the last block is a whole one.
    let blocks: Vec<_> = buckets.rchunks(size).filter(|block| block.len() == size).collect();
    let [last, before_last, earlier @ ..] = blocks.as_slice() else { return None };
    let lowest = earlier.iter().min_by(|a, b| median(a).total_cmp(&median(b)))?;
    let (low, now) = (median(lowest), median(last));
    let is_high = |level: f64| level > low * RATIO && level - low > RISE * start_level(&run.loss.raw);
    (is_high(now) && is_high(median(before_last))).then(|| {
        let high = blocks.iter().take_while(|block| is_high(median(block)));
        let since = high.last().and_then(|block| block.first()).map_or(0.0, |bucket| bucket.first.step);
        let seen =
            format!("median loss {} in {}, lowest {} in {}", figure(now), steps(last), figure(low), steps(lowest));
        verdict(format!("diverging since {since:.0}"), seen, since)
    })
}
