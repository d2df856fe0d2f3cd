//! Most steps exceed the maximum gradient norm, so that the learning rate is in fact a lower one.

use super::window::{figure, latest, median, steps};
use super::{Check, Verdict};
use crate::protocol::Level;
use crate::runs::History;

/// The steps looked at, and the fewest.
const WINDOW: usize = 100;
const LEAST: usize = 50;

/// The share of them that may be clipped: clipping is meant for the exceptions.
const SHARE: f64 = 0.75;

pub(super) fn check(run: &History) -> Option<Verdict> {
    let clip = run.started.as_ref().and_then(|started| started.clip)?;
    let window = latest(run.grad_norm.raw.buckets(), WINDOW);
    let clipped = window.iter().filter(|bucket| bucket.end > clip).count();
    if window.len() < LEAST || (clipped as f64) < SHARE * window.len() as f64 {
        return None;
    }
    let share = 100.0 * clipped as f64 / window.len() as f64;
    Some(Verdict {
        check: Check::Clipping,
        level: Level::Info,
        badge: format!("clipping {share:.0} % of steps"),
        seen: format!(
            "gradient norm above train.clip = {clip} in {share:.0} % of {}, median {}",
            steps(window),
            figure(median(window))
        ),
        advice: "raise train.clip to the median norm or above, or lower train.learning_rate",
        step: None,
        target: None,
    })
}
