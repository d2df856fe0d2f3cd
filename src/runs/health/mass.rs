//! The selection covers less of the gradient than it did: it no longer fits what the model learns.

use super::window::{after, latest, median, steps};
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
    let since = run.overlap.last_at().map(|at| at.step);
    let (first, last) = both_ends(&run.mass, since, WINDOW)?;
    let (before, now) = (median(first), median(last));
    if now > RATIO * before || now > before - POINTS || last.iter().any(|bucket| bucket.end > before) {
        return None;
    }
    let lost = |target: &TargetHistory| {
        let (first, last) = both_ends(&target.mass, since, OF_TARGET)?;
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
        advice: "the selection no longer fits: set sift.reselect_every, or raise sift.rate or sift.batches",
        step: last.first().map(|bucket| bucket.last.step),
        target: target.map(|(index, _)| index),
    })
}

/// The first and the latest measurements of the latest selection, which was made at the start or at a step. The very first one is
/// left out: it is of the batch that selected, and so the best.
fn both_ends(series: &Series, since: Option<f64>, count: usize) -> Option<(&[Bucket], &[Bucket])> {
    let measured = match since {
        Some(step) => after(series, step),
        None => series.buckets().get(1..)?,
    };
    (measured.len() >= 2 * count).then(|| (&measured[..count], latest(measured, count)))
}
