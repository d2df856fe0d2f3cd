//! The disk of the run will soon be full, at the rate at which it fills now.

use super::window::{ends, latest_seconds, median, seconds};
use super::{Check, Verdict};
use crate::protocol::Level;
use crate::quantity::bytes;
use crate::runs::History;

/// Seconds over which the trend is measured, and the fewest.
const WINDOW: f64 = 300.0;
const LEAST: f64 = 60.0;

/// Blocks of which each has less free than the one before. A checkpoint alone is one step down, and a trend is several.
const BLOCKS: usize = 4;

/// A disk that is full within 30 minutes is flagged, or within 6 hours if the run is to last longer.
const SOON: f64 = 30.0 * 60.0;
const LATER: f64 = 6.0 * 3600.0;

/// Within 10 minutes it is an error.
const AT_ONCE: f64 = 10.0 * 60.0;

pub(super) fn check(run: &History) -> Option<Verdict> {
    let samples = run.machine.disk_free.buckets();
    let since = run.resumed.map_or(0.0, |at| at.time);
    let samples = &samples[samples.partition_point(|sample| sample.first.time < since)..];
    let window = latest_seconds(samples, WINDOW);
    if run.end.is_some() || seconds(window) < LEAST || window.len() < 2 * BLOCKS {
        return None;
    }
    let blocks: Vec<_> = window.rchunks(window.len() / BLOCKS).take(BLOCKS).collect();
    let free: Vec<f64> = blocks.iter().map(|block| median(block)).collect();
    // The latest block is the first.
    if !free.is_sorted_by(|later, earlier| later < earlier) {
        return None;
    }
    let middle = |block: &[_]| {
        let (first, last) = ends(block);
        (first.time + last.time) / 2.0
    };
    let span = middle(blocks[0]) - middle(blocks[BLOCKS - 1]);
    let rate = (free[BLOCKS - 1] - free[0]) / span;
    let left = samples.last()?.end / rate;
    let lasts = run.step.as_ref().and_then(|step| step.eta).unwrap_or(0.0);
    let at = run.step.as_ref().map(|step| step.step as f64);
    (left < SOON.max(lasts.min(LATER))).then(|| Verdict {
        check: Check::DiskFilling,
        level: if left < AT_ONCE { Level::Error } else { Level::Warning },
        badge: format!("disk full in {:.0} min", (left / 60.0).ceil()),
        seen: format!(
            "{} free, {} less each minute over the last {:.0} s",
            bytes(free[0]),
            bytes(rate * 60.0),
            seconds(window)
        ),
        advice: "free space, or write fewer checkpoints: lower keep.checkpoints, raise keep.every_steps and keep.every_minutes",
        step: at,
        target: None,
    })
}
