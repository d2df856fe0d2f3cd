//! The ranks of a run: their latest samples, curves over all of them, and the stragglers among them.

use super::stragglers::{RankTimes, Sorted, StepTimes, Straggler};
use crate::protocol::{RankSample, Ranks};
use crate::series::{At, Series};

/// Seconds after which a rank without a sample does not respond. There is one a second.
const RESPONDS: f64 = 5.0;

/// The ranks of a run that has several. Its size depends on their number, not on the length of the run.
#[derive(Default)]
pub struct RankHistory {
    /// The latest sample of each rank, in their order. Where no step has ended since the sample before, as in a run whose
    /// steps take seconds, the times are those of its latest steps.
    pub samples: Vec<RankSample>,
    /// The ranks that the others wait for, in their order.
    pub stragglers: Vec<Straggler>,
    /// Seconds per optimizer step that the slowest rank computes, and the median of all.
    pub slowest: Series,
    pub median: Series,
    /// The largest share of a step that a rank waits for others, and the mean of all, in percent.
    pub longest_wait: Series,
    pub mean_wait: Series,
    times: StepTimes,
    /// For each rank, when its times were measured, on the axis of [`Ranks::at`].
    measured: Vec<f64>,
}

/// Whether a rank responds, by the age of its sample.
pub fn responds(sample: &RankSample) -> bool {
    // An age that is no number says nothing.
    sample.age.is_nan() || sample.age <= RESPONDS
}

impl RankHistory {
    /// The straggler of this number.
    pub fn straggler(&self, rank: usize) -> Option<&Straggler> {
        self.stragglers.iter().find(|straggler| straggler.rank == rank)
    }

    /// The rank that computes longest, by its latest times.
    pub fn slowest_rank(&self) -> Option<usize> {
        let times = self.samples.iter().enumerate().filter_map(|(rank, sample)| Some((rank, RankTimes::of(sample)?)));
        let slowest = times.max_by(|a, b| a.1.compute().total_cmp(&b.1.compute()));
        slowest.map(|(rank, _)| rank)
    }

    pub(super) fn push(&mut self, at: At, ranks: Ranks) {
        let stepped = self.times.push(&ranks.ranks).is_some();
        self.keep_times(ranks);
        // All of them: where steps take seconds, those of one rank end in another sample than those of the others.
        let responding = self.samples.iter().filter(|sample| responds(sample));
        let times: Vec<RankTimes> = responding.filter_map(RankTimes::of).collect();
        if stepped && !times.is_empty() {
            let times = || times.iter().copied();
            let waits = || times().map(|times| 100.0 * times.wait_share());
            let compute = Sorted::new(times().map(RankTimes::compute));
            let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
            self.slowest.push(at, largest(&mut times().map(RankTimes::compute)));
            self.median.push(at, compute.median().unwrap_or(f64::NAN));
            self.longest_wait.push(at, largest(&mut waits()));
            self.mean_wait.push(at, waits().sum::<f64>() / times().count() as f64);
            self.stragglers = self.times.stragglers(&self.stragglers);
        }
    }

    /// Takes the latest samples. In one without steps, the times of those before remain for as long as a step may take.
    fn keep_times(&mut self, ranks: Ranks) {
        let before = std::mem::replace(&mut self.samples, ranks.ranks);
        if before.len() != self.samples.len() {
            self.measured = vec![ranks.at; self.samples.len()];
            self.stragglers.clear();
            return;
        }
        for ((sample, before), measured) in self.samples.iter_mut().zip(before).zip(&mut self.measured) {
            if RankTimes::of(sample).is_some() {
                *measured = ranks.at;
            } else if RankTimes::of(&before).is_some_and(|times| ranks.at - *measured <= 2.0 * times.step + 1.0) {
                *sample = RankSample {
                    tokens_per_second: before.tokens_per_second,
                    step_seconds: before.step_seconds,
                    wait_seconds: before.wait_seconds,
                    bytes_per_step: before.bytes_per_step,
                    ..std::mem::take(sample)
                };
            }
        }
    }

    /// Goes back to an earlier step. The samples are of the steps after it.
    pub(super) fn rewind(&mut self, step: f64) {
        let RankHistory { slowest, median, longest_wait, mean_wait, .. } = self;
        [slowest, median, longest_wait, mean_wait].into_iter().for_each(|series| series.rewind(step));
        (self.samples, self.stragglers) = (Vec::new(), Vec::new());
        (self.times, self.measured) = (StepTimes::default(), Vec::new());
    }
}
