//! Steps have become slower.

use super::window::{after, figure, latest_seconds, median, seconds, steps};
use super::{Check, Verdict, is_training};
use crate::protocol::Level;
use crate::runs::History;

/// Seconds of training that are compared at each side. Shorter slow-downs are those of other programs.
const WINDOW: f64 = 60.0;

/// The fewest steps in them.
const LEAST: usize = 10;

/// The latest median is below this share of the first.
const RATIO: f64 = 0.6;

/// Steps after a start or a resume that are slow: memory is allocated, kernels are chosen.
const WARM_UP: usize = 5;

pub(super) fn check(run: &History) -> Option<Verdict> {
    // After a resume the run may be on another machine.
    let since = run.resumed.map_or(0.0, |at| at.step);
    let taken = after(&run.throughput.raw, since).get(WARM_UP..)?;
    let window = latest_seconds(taken, WINDOW);
    let reference = &taken[..(taken.len() / 2).min(taken.len() - window.len())];
    let long_enough = |part: &[_]| part.len() >= LEAST && seconds(part) >= WINDOW * 0.5;
    if !is_training(run) || !long_enough(window) || !long_enough(reference) {
        return None;
    }
    let (before, now) = (median(reference), median(window));
    (now < RATIO * before).then(|| Verdict {
        check: Check::Throughput,
        level: Level::Warning,
        badge: format!("throughput -{:.0} %", 100.0 * (1.0 - now / before)),
        seen: format!(
            "median {} tokens/s in {}, {} in {}",
            figure(now),
            steps(window),
            figure(before),
            steps(reference)
        ),
        advice: "look for other programs on the GPU or CPU, thermal throttling and swapping (System)",
        step: window.first().map(|bucket| bucket.first.step),
        target: None,
    })
}
