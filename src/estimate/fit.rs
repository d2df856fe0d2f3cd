//! What fits a memory by the estimate: how the examples of a step may be split, and what else makes a run smaller.
//! `train.batch = "auto"` and the error for memory that ran out ask the same question here.

use super::memory::StepShape;
use super::run_shape::RunShape;
use crate::sift::Rules;

/// A run as it could be, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Rows of a micro-batch.
    pub batch: u64,
    /// Micro-batches of a step.
    pub accumulate: u64,
    pub checkpointing: bool,
    /// Whether the weights of blocks are off the GPU, which goes with gradient checkpointing.
    pub offload: bool,
    /// Share of the components of each target.
    pub rate: f64,
    /// The estimate.
    pub bytes: u64,
}

/// Halvings of the rate that are tried.
const HALVINGS: i32 = 5;

/// What estimates may fill of a memory. A tenth stays free: estimates were up to 8 % below what was measured on a CPU.
pub fn usable(available: u64) -> u64 {
    available - available / 10
}

impl RunShape {
    /// The run as it is.
    pub fn as_fit(&self) -> Fit {
        let StepShape { rows: batch, micro_batches: accumulate, checkpointing, offload, .. } = self.step;
        Fit { batch, accumulate, checkpointing, offload, rate: self.rules.rate, bytes: self.bytes() }
    }

    /// The largest batch of at most so many rows with which the run takes at most `limit` bytes.
    pub fn largest_batch(&self, most: u64, limit: u64) -> Option<Fit> {
        let batches = self.batches().into_iter().filter(|rows| *rows <= most);
        largest_fit(batches, limit, |rows| self.with_batch(rows).as_fit())
    }

    /// Changes with which the run takes at most `limit` bytes, that which changes it least first: a smaller batch, gradient
    /// checkpointing, weights off the GPU, a lower rate.
    pub fn smaller(&self, limit: u64) -> Vec<Fit> {
        let step = self.step;
        let batch = self.largest_batch(step.rows - 1, limit);
        // Together with a smaller batch only where that gives a larger one than the batch alone.
        let least = batch.map_or(0, |fit| fit.batch);
        let checkpointed = (!step.checkpointing).then(|| self.checkpointed());
        let checkpointed = checkpointed.and_then(|shape| shape.largest_batch(step.rows, limit));
        let largest = checkpointed.map_or(least, |fit| fit.batch.max(least));
        let offloaded = (step.gpu && !step.offload).then(|| self.offloaded().largest_batch(step.rows, limit)).flatten();
        let rates = (1..=HALVINGS).map(|halvings| self.rules.rate / f64::from(1 << halvings));
        let with_rate = |rate| RunShape { rules: Rules { rate, ..self.rules.clone() }, ..self.clone() }.as_fit();
        let sparser = rates.map(with_rate).find(|fit| fit.bytes <= limit).filter(|_| self.estimate().selected > 0);
        let checkpointed = checkpointed.filter(|fit| fit.batch > least);
        // It takes time, so only where nothing else gives as large a batch.
        let offloaded = offloaded.filter(|fit| fit.batch > largest || largest == 0);
        [batch, checkpointed, offloaded, sparser].into_iter().flatten().collect()
    }

    /// The least that the run takes with any batch, with gradient checkpointing and on a GPU with weights off it.
    pub fn least(&self) -> Fit {
        let shape = if self.step.gpu { self.offloaded() } else { self.checkpointed() };
        let fits = shape.batches().into_iter().map(|rows| shape.with_batch(rows).as_fit());
        fits.min_by_key(|fit| fit.bytes).unwrap_or_else(|| shape.as_fit())
    }

    fn checkpointed(&self) -> RunShape {
        self.with_step(StepShape { checkpointing: true, ..self.step })
    }

    fn offloaded(&self) -> RunShape {
        self.with_step(StepShape { checkpointing: true, offload: true, ..self.step })
    }
}

/// The first of these batches that fits. A smaller one need not take less: several micro-batches keep sums that a single one does
/// not.
fn largest_fit(batches: impl Iterator<Item = u64>, limit: u64, fit: impl Fn(u64) -> Fit) -> Option<Fit> {
    batches.map(fit).find(|fit| fit.bytes <= limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::estimate::run_shape::SmallerBatch;
    use crate::estimate::run_shape::tests::shape;

    proptest! {
        #[test]
        fn the_largest_batch_that_fits_is_chosen(
            batches in prop::collection::btree_set(1_u64..999, 0..9), costs in prop::collection::vec(0_u64..100, 7), limit in 0_u64..100,
        ) {
            // Costs in any order: a smaller batch may take more.
            let fit = |batch: u64| {
                Fit { batch, accumulate: 1, checkpointing: false, offload: false, rate: 0.1, bytes: costs[batch as usize % costs.len()] }
            };
            let chosen = largest_fit(batches.iter().rev().copied(), limit, fit);
            let fitting = batches.iter().copied().filter(|batch| fit(*batch).bytes <= limit);
            prop_assert_eq!(chosen.map(|fit| fit.batch), fitting.max());
        }

        #[test]
        fn what_fits_takes_no_more_than_there_is(examples in 1_u64..200, mebibytes in 1_u64..4000, checkpointing: bool) {
            let shape = shape(examples, 1);
            let shape = shape.with_step(StepShape { checkpointing, ..shape.step });
            let limit = mebibytes << 20;
            let chosen = shape.largest_batch(examples, limit);
            match chosen {
                Some(fit) => {
                    prop_assert!(fit.bytes <= limit && fit.batch * fit.accumulate == examples, "{:?}", fit);
                    // It is what a run with that split takes.
                    prop_assert_eq!(shape.with_batch(fit.batch).as_fit(), fit);
                }
                None => prop_assert!(shape.batches().into_iter().all(|rows| shape.with_batch(rows).bytes() > limit)),
            }
            let now = shape.as_fit();
            let smaller = shape.smaller(limit);
            for fit in &smaller {
                prop_assert!(fit.bytes <= limit && fit.batch * fit.accumulate == examples, "{:?}", fit);
                let settings = |fit: Fit| (fit.batch, fit.checkpointing, fit.offload, fit.rate);
                prop_assert!(settings(*fit) != settings(now));
                prop_assert!(fit.batch <= now.batch && fit.checkpointing >= now.checkpointing && fit.rate <= now.rate);
            }
            if smaller.is_empty() {
                prop_assert!(examples == 1 || shape.least().bytes > limit || checkpointing, "{:?}", shape.least());
            }
        }
    }

    #[test]
    fn a_tenth_of_the_memory_stays_free() {
        assert_eq!([usable(0), usable(9), usable(1000), usable(u64::MAX) / 1000], [0, 9, 900, 16_602_069_666_338_596]);
    }

    #[test]
    fn a_smaller_run_is_the_one_that_changes_least() {
        let shape = shape(32, 1);
        let now = shape.as_fit();
        let with = |batch, accumulate, checkpointing, rate| (batch, accumulate, checkpointing, false, rate);
        let found = |limit| -> Vec<_> {
            let of = |fit: Fit| (fit.batch, fit.accumulate, fit.checkpointing, fit.offload, fit.rate);
            shape.smaller(limit).into_iter().map(of).collect()
        };
        assert_eq!(found(now.bytes - 1)[..2], [with(16, 2, false, 0.1), with(32, 1, true, 0.1)]);
        assert_eq!(found(now.bytes - 1)[2], with(32, 1, false, 0.05));
        // Where gradient checkpointing needs a smaller batch as well, the largest that fits is taken; weights off the GPU leave
        // room for all of it.
        let checkpointed = shape.with_step(StepShape { checkpointing: true, ..shape.step });
        let limit = checkpointed.bytes() - 1;
        let [batch, both, offloaded] = found(limit)[..] else { panic!("{:?}", found(limit)) };
        assert!(batch.0 < both.0 && !batch.2 && both.2 && !both.3, "{batch:?} {both:?}");
        assert_eq!(offloaded, (32, 1, true, true, 0.1));
        let on_cpu = shape.with_step(StepShape { gpu: false, ..shape.step });
        assert!(on_cpu.smaller(limit).iter().all(|fit| !fit.offload) && !on_cpu.least().offload);
        assert_eq!(found(1 << 20), []);
        assert!(shape.least().checkpointing && shape.least().offload && shape.least().bytes < now.bytes);
        // A benchmark has steps of one micro-batch.
        let bench = RunShape { smaller_batch: SmallerBatch::FewerExamples, ..shape.clone() };
        let fit = bench.smaller(now.bytes - 1)[0];
        assert_eq!((fit.batch, fit.accumulate), (16, 1));
        let fixed = RunShape { smaller_batch: SmallerBatch::None, ..shape };
        assert!(fixed.smaller(now.bytes - 1).iter().all(|fit| fit.batch == 32));
    }
}
