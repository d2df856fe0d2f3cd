//! What may be wrong with a run: checks of its curves, each a pure function of a [`History`].
//!
//! ```text
//! mod          Verdict, assess
//! window       parts of a curve, and robust statistics over them
//! loss_spike   divergence   plateau     the training loss
//! overfitting                           held-out loss against training loss
//! clipping     mass                     the gradient
//! ranks                                 ranks that the others wait for
//! gpu          throughput   disk        the machine
//! ```
//!
//! A check would rather stay silent than flag a healthy run: it compares medians over windows that noise, evaluations and
//! pauses do not move, waits until it has seen enough, and looks only at what came after the latest resume where another
//! process may run on another machine. Curves have at most some thousand buckets, so all checks take microseconds.

mod clipping;
mod disk;
mod divergence;
mod gpu;
mod loss_spike;
mod mass;
mod overfitting;
mod plateau;
mod ranks;
mod throughput;
mod window;

use super::History;
use crate::protocol::Level;

/// What a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    Divergence,
    LossSpike,
    Plateau,
    Overfitting,
    Clipping,
    GradientMass,
    RankNotResponding,
    Straggler,
    GpuWaiting,
    Throughput,
    DiskFilling,
}

/// Something that a check has seen. All texts are ASCII.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub check: Check,
    pub level: Level,
    /// A few words: `loss spike at 120`.
    pub badge: String,
    /// One line with the numbers: values, steps, and the window they are compared over.
    pub seen: String,
    /// What to do, in one line.
    pub advice: &'static str,
    /// The step at which to look.
    pub step: Option<f64>,
    /// The target that is affected most, by its index in [`TargetHistories`](super::TargetHistories).
    pub target: Option<usize>,
}

/// What is wrong with a run now, in the order of [`Check`].
pub fn assess(run: &History) -> Vec<Verdict> {
    let loss = divergence::check(run).or_else(|| loss_spike::check(run)).or_else(|| plateau::check(run));
    let lasting = [overfitting::check(run), clipping::check(run), mass::check(run)];
    let ranks = [ranks::not_responding(run), ranks::straggler(run)];
    // A GPU that waits for another rank does not wait for its host.
    let gpu = gpu::check(run).filter(|_| ranks.iter().all(Option::is_none));
    let machine = [gpu, throughput::check(run), disk::check(run)];
    let others = lasting.into_iter().chain(ranks).chain(machine);
    loss.into_iter().chain(others.flatten()).collect()
}

/// Whether the run takes steps, as far as its events say. What the machine does in a pause is no concern.
fn is_training(run: &History) -> bool {
    run.end.is_none() && !run.held && run.step.is_some()
}

#[cfg(test)]
mod tests;
