//! The loss has jumped far above where it was a few steps earlier.

use super::window::{figure, largest, latest, median, start_level, steps};
use super::{Check, Verdict};
use crate::protocol::Level;
use crate::runs::History;

/// A spike is compared with this many buckets before it …
const BEFORE: usize = 100;

/// … that end this many buckets earlier, since the moving average needs some steps to rise.
const GAP: usize = 20;

/// The fewest buckets to compare with.
const LEAST: usize = 20;

/// The average over 10 steps is this many times the largest that it was before. A single bad batch does not reach it.
const RATIO: f64 = 1.5;

/// It has also risen by this share of the level at which the run began: near 0 a loss of any batch is many times another.
const RISE: f64 = 0.2;

/// A spike is shown while it is among the last tenth of the buckets, and at least the last 50.
const RECENT: usize = 50;

pub(super) fn check(run: &History) -> Option<Verdict> {
    let (raw, light) = (run.loss.raw.buckets(), run.loss.light.buckets());
    let rise = RISE * start_level(&run.loss.raw);
    let first = light.len().saturating_sub(RECENT.max(light.len() / 10)).max(LEAST + GAP);
    let is_spike = |index: &usize| {
        let before = latest(&light[..index - GAP], BEFORE);
        let average = light[*index].max;
        average > RATIO * largest(before) && average - median(before) > rise
    };
    let spikes = (first..light.len()).filter(is_spike);
    let peak = spikes.max_by(|a, b| light[*a].max.total_cmp(&light[*b].max))?;
    let before = latest(raw.get(..peak - GAP)?, BEFORE);
    let highest = raw.get(peak - GAP..=peak)?.iter().max_by(|a, b| a.max.total_cmp(&b.max))?;
    let step = highest.last.step;
    Some(Verdict {
        check: Check::LossSpike,
        level: Level::Warning,
        badge: format!("loss spike at {step:.0}"),
        seen: format!(
            "loss {} at step {step:.0}, median {} in {}, {} over the last 10 steps",
            figure(highest.max),
            figure(median(before)),
            steps(before),
            figure(median(latest(raw, 10))),
        ),
        advice: "if it does not fall again, resume from an earlier checkpoint (--from STEP) with a lower train.learning_rate",
        step: Some(step),
        target: None,
    })
}
