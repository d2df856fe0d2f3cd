//! Stragglers: ranks that the others wait for at each step. Pure: the times of some samples in, ranks out.

use crate::protocol::RankSample;

/// Samples in which steps were taken that a rank's times are medians of, and the fewest: one slow step is no straggler,
/// and an evaluation or a checkpoint makes one or two.
const WINDOW: usize = 10;
const LEAST: usize = 5;

/// A rank is one if it computes this many times as long as the median of the others, and if they wait for this share of
/// a step longer than it does. It remains one until it is below the second pair: a rank at the limit would come and go.
const RAISED: Limits = Limits { ratio: 1.25, waits: 0.1 };
const LOWERED: Limits = Limits { ratio: 1.15, waits: 0.05 };

struct Limits {
    ratio: f64,
    waits: f64,
}

/// A rank that the others wait for.
#[derive(Clone, Debug, PartialEq)]
pub struct Straggler {
    pub rank: usize,
    /// Seconds per optimizer step that it computes, and the median of the other ranks.
    pub seconds: f64,
    pub others: f64,
    /// Median share of a step that the others wait, in 0..=1.
    pub others_wait: f64,
}

impl Straggler {
    /// How many times as long as the others it computes.
    pub fn ratio(&self) -> f64 {
        self.seconds / self.others
    }
}

/// The seconds per optimizer step of a rank in a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankTimes {
    pub step: f64,
    /// The part of the step in which it waited for other ranks.
    pub wait: f64,
}

impl RankTimes {
    /// The times of a sample; `None` if it took no steps, or of numbers that are none.
    pub fn of(sample: &RankSample) -> Option<RankTimes> {
        let times = RankTimes { step: sample.step_seconds, wait: sample.wait_seconds };
        (times.step.is_finite() && times.step > 0.0 && times.wait >= 0.0)
            .then(|| RankTimes { wait: times.wait.min(times.step), ..times })
    }

    /// Seconds that it computed.
    pub fn compute(self) -> f64 {
        self.step - self.wait
    }

    /// The share of the step that it waited, in 0..=1.
    pub fn wait_share(self) -> f64 {
        self.wait / self.step
    }
}

/// The times of all ranks in the latest samples in which steps were taken.
#[derive(Default)]
pub(super) struct StepTimes {
    /// One entry per rank, the latest sample last; `None` where a rank took no step since the sample before.
    samples: Vec<Vec<Option<RankTimes>>>,
    /// The step of each rank at its latest entry.
    steps: Vec<u64>,
}

impl StepTimes {
    /// Adds a sample, if steps were taken in it, and returns its times.
    pub fn push(&mut self, ranks: &[RankSample]) -> Option<&[Option<RankTimes>]> {
        if ranks.len() != self.steps.len() {
            // Other ranks than before.
            *self = StepTimes { samples: Vec::new(), steps: vec![0; ranks.len()] };
        }
        let new = ranks.iter().zip(&mut self.steps).map(|(rank, before)| {
            // A rank that does not respond repeats its latest sample.
            let times = RankTimes::of(rank).filter(|_| rank.step > *before)?;
            *before = rank.step;
            Some(times)
        });
        let new: Vec<_> = new.collect();
        if new.iter().all(Option::is_none) {
            return None;
        }
        if self.samples.len() == WINDOW {
            self.samples.remove(0);
        }
        self.samples.push(new);
        self.samples.last().map(Vec::as_slice)
    }

    /// The stragglers now, in order, given those until now.
    pub fn stragglers(&self, before: &[Straggler]) -> Vec<Straggler> {
        stragglers(&self.samples, before)
    }
}

/// The stragglers in a window of samples, each with the times of all ranks, given those before it.
fn stragglers(window: &[Vec<Option<RankTimes>>], before: &[Straggler]) -> Vec<Straggler> {
    let ranks = window.first().map_or(0, Vec::len);
    let typical: Vec<(usize, Typical)> =
        (0..ranks).filter_map(|rank| Some((rank, Typical::of(window, rank)?))).collect();
    let seconds = Sorted::new(typical.iter().map(|(_, typical)| typical.seconds));
    let waits = Sorted::new(typical.iter().map(|(_, typical)| typical.waits));
    let judge = |(rank, typical): &(usize, Typical)| {
        let known = before.iter().any(|known| known.rank == *rank);
        let limits = if known { LOWERED } else { RAISED };
        let (others, others_wait) = (seconds.median_without(typical.seconds)?, waits.median_without(typical.waits)?);
        let slow = typical.seconds > limits.ratio * others && others_wait - typical.waits > limits.waits;
        // Where the others compute nothing, there is nothing to compare with.
        (slow && others > 0.0).then_some(Straggler { rank: *rank, seconds: typical.seconds, others, others_wait })
    };
    typical.iter().filter_map(judge).collect()
}

/// The medians of a rank over a window.
struct Typical {
    /// Seconds per step that it computes.
    seconds: f64,
    /// Share of a step that it waits.
    waits: f64,
}

impl Typical {
    fn of(window: &[Vec<Option<RankTimes>>], rank: usize) -> Option<Typical> {
        let times = || window.iter().filter_map(move |sample| *sample.get(rank)?);
        (times().count() >= LEAST).then_some(())?;
        Some(Typical {
            seconds: Sorted::new(times().map(RankTimes::compute)).median()?,
            waits: Sorted::new(times().map(RankTimes::wait_share)).median()?,
        })
    }
}

/// Values in order.
pub(super) struct Sorted(Vec<f64>);

impl Sorted {
    pub fn new(values: impl Iterator<Item = f64>) -> Sorted {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        Sorted(values)
    }

    /// The median; of an even number the upper one.
    pub fn median(&self) -> Option<f64> {
        self.0.get(self.0.len() / 2).copied()
    }

    /// The median of all but one value.
    fn median_without(&self, value: f64) -> Option<f64> {
        let position = self.0.partition_point(|other| other.total_cmp(&value).is_lt());
        let middle = self.0.len().checked_sub(1)? / 2;
        self.0.get(middle + usize::from(position <= middle)).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A sample of ranks that compute for so many seconds and wait for the longest of them.
    fn sample(step: u64, compute: &[f64]) -> Vec<RankSample> {
        let slowest = compute.iter().copied().fold(0.0, f64::max) + 0.02;
        let rank = |seconds: &f64| RankSample {
            step,
            step_seconds: slowest,
            wait_seconds: slowest - seconds,
            ..RankSample::default()
        };
        compute.iter().map(rank).collect()
    }

    /// The ranks that are stragglers after each of some samples.
    fn found(samples: impl IntoIterator<Item = Vec<RankSample>>) -> Vec<Vec<usize>> {
        let (mut times, mut found) = (StepTimes::default(), Vec::new());
        let mut each = |sample: Vec<RankSample>| {
            times.push(&sample);
            found = times.stragglers(&found);
            found.iter().map(|straggler| straggler.rank).collect()
        };
        samples.into_iter().map(&mut each).collect()
    }

    fn after(count: u64, compute: &[f64]) -> Vec<usize> {
        found((1..=count).map(|step| sample(step, compute))).pop().unwrap()
    }

    #[test]
    fn a_rank_that_the_others_wait_for_is_a_straggler_after_some_samples() {
        assert_eq!(after(4, &[0.1, 0.1, 0.16, 0.1]), [0; 0], "too few samples");
        assert_eq!(after(5, &[0.1, 0.1, 0.16, 0.1]), [2]);
        assert_eq!(after(9, &[0.1, 0.16]), [1], "of two ranks");
        assert_eq!(after(9, &[0.1, 0.3, 0.16, 0.1, 0.1]), [1, 2], "two of five");
        let half: Vec<f64> = (0..64).map(|rank| if rank < 32 { 0.2 } else { 0.1 }).collect();
        assert_eq!(after(9, &half), (0..32).collect::<Vec<_>>(), "a slow half");
        for (what, compute) in [
            ("alone", &[0.5][..]),
            ("equal", &[0.1; 4]),
            ("a little slower", &[0.1, 0.1, 0.12, 0.1]),
            ("most of them slow", &[0.1, 0.2, 0.2]),
            ("faster than the others", &[0.1, 0.1, 0.02, 0.1]),
            ("nothing to compute", &[0.0, 0.0]),
        ] {
            assert_eq!(after(20, compute), [0; 0], "{what}");
        }
        let mut times = StepTimes::default();
        for step in 1..9 {
            times.push(&sample(step, &[0.1, 0.1, 0.16]));
        }
        let [straggler] = &times.stragglers(&[])[..] else { panic!("no straggler") };
        assert!((straggler.ratio() - 1.6).abs() < 1e-9 && (straggler.others_wait - 0.08 / 0.18).abs() < 1e-9);
    }

    #[test]
    fn a_rank_of_a_slow_network_is_no_straggler() {
        // It computes longer, but what all wait for is the network.
        let samples = (1..20).map(|step| {
            let mut sample = sample(step, &[0.01, 0.01, 0.014]);
            sample.iter_mut().for_each(|rank| (rank.step_seconds, rank.wait_seconds) = (1.0, 0.99));
            sample[2].wait_seconds = 0.986;
            sample
        });
        assert_eq!(found(samples).concat(), [0; 0]);
    }

    #[test]
    fn a_straggler_at_the_limit_does_not_come_and_go() {
        let at = |step: u64| match step {
            ..20 => 0.13,
            20..60 => {
                if step.is_multiple_of(2) {
                    0.121
                } else {
                    0.128
                }
            }
            _ => 0.11,
        };
        let found = found((0..90).map(|step| sample(step, &[0.1, 0.1, at(step), 0.1])));
        let flagged: Vec<bool> = found.iter().map(|ranks| ranks == &[2]).collect();
        let changes = flagged.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes == 2 && !flagged[0] && flagged[50] && !flagged[89], "{flagged:?}");
        let never =
            (1..40).map(|step| sample(step, &[0.1, 0.1, if step.is_multiple_of(2) { 0.121 } else { 0.124 }, 0.1]));
        assert_eq!(super::tests::found(never).concat(), [0; 0]);
    }

    #[test]
    fn only_steps_count() {
        // In a pause or an evaluation there are none, nor from a rank that repeats its latest sample.
        let slow = |step| sample(step, &[0.1, 0.1, 0.2]);
        let paused = || vec![RankSample { step: 4, ..RankSample::default() }; 3];
        let steps = (1..=4).map(slow).chain((0..50).map(|_| paused())).chain((0..50).map(|_| slow(4)));
        assert_eq!(found(steps).concat(), [0; 0]);
        // A single slow step, as that of a checkpoint.
        let samples = (1..30).map(|step| sample(step, &[if step % 10 == 0 { 3.0 } else { 0.1 }, 0.1, 0.1]));
        assert_eq!(found(samples).concat(), [0; 0]);
        // Ranks that are others than before.
        let fewer = (1..=4).map(slow).chain((5..=8).map(|step| sample(step, &[0.1, 0.2])));
        assert_eq!(found(fewer).concat(), [0; 0]);
    }

    fn any_time() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => 0.0..2.0f64,
            1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, -1.0, 0.0, 1e308, f64::MIN_POSITIVE]),
        ]
    }

    proptest! {
        #[test]
        fn a_straggler_is_slower_than_the_median_of_the_others_and_never_more_than_half_are(
            samples in prop::collection::vec(prop::collection::vec((any_time(), any_time(), 0u64..40), 0..7), 0..30)
        ) {
            let (mut times, mut found) = (StepTimes::default(), Vec::new());
            for sample in samples {
                let of = |(step_seconds, wait_seconds, step)| {
                    RankSample { step, step_seconds, wait_seconds, ..RankSample::default() }
                };
                let ranks: Vec<RankSample> = sample.into_iter().map(of).collect();
                times.push(&ranks);
                found = times.stragglers(&found);
                prop_assert!(2 * found.len() <= ranks.len());
                for straggler in &found {
                    prop_assert!(straggler.rank < ranks.len() && straggler.ratio() > 1.15, "{straggler:?}");
                    prop_assert!((0.0..=1.0).contains(&straggler.others_wait), "{straggler:?}");
                }
            }
        }

        #[test]
        fn the_median_without_a_value_is_that_of_the_others(
            values in prop::collection::vec(0u8..9, 2..9),
            index: prop::sample::Index,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let removed = index.index(values.len());
            let others = values.iter().enumerate().filter(|(other, _)| *other != removed).map(|(_, value)| *value);
            let expected = Sorted::new(others).median();
            prop_assert_eq!(Sorted::new(values.iter().copied()).median_without(values[removed]), expected);
        }
    }
}
