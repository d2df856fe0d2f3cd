//! The loss no longer falls although the learning rate is high and steps remain.

use super::window::{figure, mean, start_level};
use super::{Check, Verdict, is_training};
use crate::protocol::Level;
use crate::runs::History;
use crate::series::Bucket;

/// The share of the curve that is looked at, and the fewest buckets of it: fewer steps tell nothing in the noise of batches.
const SHARE: f64 = 0.4;
const LEAST: usize = 60;

/// From the first to the second half of it the loss falls by less than this share, the noise of both means included.
const FALL: f64 = 0.02;

/// Below this share of its peak the learning rate has decayed: the end of a schedule is meant to be flat.
const LEARNING_RATE: f64 = 0.5;

/// Below this share of the level at which the run began, there is nothing left to learn.
const CONVERGED: f64 = 0.1;

/// Parts of each half, whose means show how far noise moves a mean.
const PARTS: usize = 6;

pub(super) fn check(run: &History) -> Option<Verdict> {
    // The moving average holds every step, also where a bucket has several.
    let all = run.loss.light.buckets();
    let count = (all.len() as f64 * SHARE) as usize;
    if !is_training(run) || count < LEAST {
        return None;
    }
    let window = &all[all.len() - count..];
    let start = window.first()?.first.step;
    let peak = run.learning_rate.buckets().iter().map(|bucket| bucket.max).fold(0.0, f64::max);
    let rate_at = |step: f64| run.learning_rate.nearest(step, |at| at.step).map_or(0.0, |bucket| bucket.end);
    let decayed = [start, run.taken as f64].into_iter().any(|step| rate_at(step) < LEARNING_RATE * peak);
    let improved = run.best().is_some_and(|best| best.step as f64 > start);
    let (older, newer) = window.split_at(count / 2);
    let (before, now) = (mean(older), mean(newer));
    let uncertain = 2.0 * error(older).hypot(error(newer));
    if decayed || improved || now < CONVERGED * start_level(&run.loss.raw) || before - now + uncertain > FALL * before {
        return None;
    }
    let since = beginning(all, all.len() - count, now);
    Some(Verdict {
        check: Check::Plateau,
        level: Level::Info,
        badge: format!("plateau since {since:.0}"),
        seen: format!(
            "mean loss {} in steps {start:.0} to {:.0}, {} up to step {}, at {:.0} % of the peak learning rate",
            figure(before),
            older.last()?.last.step,
            figure(now),
            run.taken,
            100.0 * rate_at(run.taken as f64) / peak
        ),
        advice: "try another train.learning_rate, a larger sift.rate or more sift.modules; or stop here",
        step: Some(since),
        target: None,
    })
}

/// The standard error of a mean, from the means of parts of it.
fn error(buckets: &[Bucket]) -> f64 {
    let whole = mean(buckets);
    let parts: Vec<f64> = buckets.chunks(buckets.len().div_ceil(PARTS).max(1)).map(mean).collect();
    let squares: f64 = parts.iter().map(|part| (part - whole).powi(2)).sum();
    (squares / (parts.len() as f64 * (parts.len() as f64 - 1.0).max(1.0))).sqrt()
}

/// The step from which on the curve was at this level.
fn beginning(all: &[Bucket], from: usize, level: f64) -> f64 {
    let part = (all.len() / 20).max(1);
    let is_level = |part: &&[Bucket]| (mean(part) - level).abs() < FALL * level;
    let flat: usize = all[..from].rchunks(part).take_while(is_level).map(<[Bucket]>::len).sum();
    all[from - flat].first.step
}
