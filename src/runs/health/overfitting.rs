//! The loss on the held-out set rises while the training loss falls.

use super::window::{figure, median};
use super::{Check, Verdict};
use crate::protocol::Level;
use crate::runs::History;
use crate::series::Bucket;

/// The latest two evaluations are this many times the lowest. One alone may be noise.
const RATIO: f64 = 1.1;

/// Since the lowest evaluation the training loss has fallen to this share.
const FALLEN: f64 = 0.95;

/// Buckets of the training loss around an evaluation.
const AROUND: usize = 20;

pub(super) fn check(run: &History) -> Option<Verdict> {
    let evaluations = run.eval_loss.buckets();
    let [.., before_last, last] = evaluations else { return None };
    let lowest = evaluations.iter().min_by(|a, b| a.end.total_cmp(&b.end))?;
    if before_last.end < lowest.end * RATIO || last.end < lowest.end * RATIO {
        return None;
    }
    // A classifier may be right more often while its wrong predictions grow more confident.
    if run.best().is_some_and(|best| best.step as f64 >= before_last.last.step) {
        return None;
    }
    let (then, now) = (training_loss(run, lowest)?, training_loss(run, last)?);
    (now < then * FALLEN).then(|| Verdict {
        check: Check::Overfitting,
        level: Level::Warning,
        badge: format!("overfitting since {:.0}", lowest.last.step),
        seen: format!(
            "eval loss {} at step {:.0}, lowest {} at step {:.0}; training loss {} then, {} now",
            figure(last.end),
            last.last.step,
            figure(lowest.end),
            lowest.last.step,
            figure(then),
            figure(now)
        ),
        advice: "stop, or set train.patience; the best checkpoint is kept. Fewer epochs, a lower sift.rate or more data help",
        step: Some(lowest.last.step),
        target: None,
    })
}

/// The median training loss before an evaluation.
fn training_loss(run: &History, evaluation: &Bucket) -> Option<f64> {
    let buckets = run.loss.raw.buckets();
    let end = buckets.partition_point(|bucket| bucket.last.step <= evaluation.last.step);
    let around = &buckets[end.saturating_sub(AROUND)..end];
    (!around.is_empty()).then(|| median(around))
}
