//! The GPU is idle most of the time although steps are taken: it waits for the host.

use super::window::{after, latest, median, seconds};
use super::{Check, Verdict, is_training};
use crate::protocol::Level;
use crate::runs::History;
use crate::series::Bucket;

/// Samples looked at, and the fewest: one a second.
const WINDOW: usize = 60;
const LEAST: usize = 20;

/// The utilization below which the GPU waits, in percent: kernels run less than half of the time.
const LOW: f64 = 50.0;

pub(super) fn check(run: &History) -> Option<Verdict> {
    let since = run.resumed.map_or(0.0, |at| at.step);
    let samples = after(&run.machine.utilization, since);
    if !is_training(run) || samples.is_empty() {
        return None;
    }
    let samples = while_stepping(samples, seconds_per_step(run));
    let window = latest(&samples, WINDOW);
    let utilization = median(window);
    (window.len() >= LEAST && utilization < LOW).then(|| Verdict {
        check: Check::GpuWaiting,
        level: Level::Info,
        badge: format!("GPU {utilization:.0} % busy"),
        seen: format!("median GPU utilization {utilization:.0} % over {:.0} s of training", seconds(window)),
        advice: "kernels wait for the host: raise train.batch (see max batch in the plan), or set data.packing; check the CPU load",
        step: None,
        target: None,
    })
}

/// The pace of the latest steps.
fn seconds_per_step(run: &History) -> f64 {
    const STEPS: usize = 50;
    let steps = latest(run.loss.raw.buckets(), STEPS);
    let taken: u32 = steps.iter().map(|bucket| bucket.count).sum();
    seconds(steps) / f64::from(taken.max(2) - 1)
}

/// Samples from while steps were taken. In a pause or an evaluation the number of the step stays for longer than a step
/// takes.
fn while_stepping(samples: &[Bucket], pace: f64) -> Vec<Bucket> {
    let mut since = samples.first().map(|sample| sample.first).unwrap_or_default();
    let mut kept = Vec::with_capacity(samples.len());
    for sample in samples {
        if sample.last.step != since.step {
            since = sample.last;
        }
        // Twice the pace, and a second for the moment of the sample.
        if sample.last.time - since.time <= 2.0 * pace + 1.0 {
            kept.push(*sample);
        }
    }
    kept
}
