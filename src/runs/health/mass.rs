//! The selection covers less of the gradient than it did: it no longer fits what the model learns.

use super::window::{latest, median, steps};
use super::{Check, Verdict};
use crate::protocol::Level;
use crate::runs::{History, TargetHistory};
use crate::series::{Bucket, Series};

/// Measurements that a median is over. Single ones differ by a third in healthy runs.
const WINDOW: usize = 5;

/// The latest median is below this share of the first, and by this many points.
const RATIO: f64 = 0.6;
const POINTS: f64 = 10.0;

/// Measurements of a target that are compared.
const OF_TARGET: usize = 3;

pub(super) fn check(run: &History) -> Option<Verdict> {
    let (first, last) = both_ends(&run.mass, WINDOW)?;
    let (before, now) = (median(first), median(last));
    if now > RATIO * before || now > before - POINTS || last.iter().any(|bucket| bucket.end > before) {
        return None;
    }
    let lost = |target: &TargetHistory| {
        let (first, last) = both_ends(&target.mass, OF_TARGET)?;
        Some(median(first) - median(last))
    };
    let losses = run.targets.all.iter().enumerate().filter_map(|(index, target)| Some((index, lost(target)?)));
    let target = losses.max_by(|a, b| a.1.total_cmp(&b.1));
    let most = target.map(|(index, lost)| format!("; most in {} (-{lost:.0} points)", run.targets.all[index].name));
    Some(Verdict {
        check: Check::GradientMass,
        level: Level::Warning,
        badge: format!("gradient mass {before:.0} -> {now:.0} %"),
        seen: format!(
            "median {now:.1} % in {}, {before:.1} % in {}{}",
            steps(last),
            steps(first),
            most.unwrap_or_default()
        ),
        advice: "the selection no longer fits: select again in a new run from this model, raise sift.rate or sift.batches",
        step: last.first().map(|bucket| bucket.last.step),
        target: target.map(|(index, _)| index),
    })
}

/// The first and the latest measurements. The very first one is left out: it is of the batch that selected, and so the best.
fn both_ends(series: &Series, count: usize) -> Option<(&[Bucket], &[Bucket])> {
    let measured = series.buckets().get(1..)?;
    (measured.len() >= 2 * count).then(|| (&measured[..count], latest(measured, count)))
}
