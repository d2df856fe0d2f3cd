//! The order of the examples in an epoch: shuffled, with examples of similar length in one batch.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Batches per window within which examples are sorted by length. A larger window pads less and shuffles less.
const WINDOW: usize = 50;

/// Draws the batches of each epoch, as transformers' length-grouped sampler does.
pub struct BatchSampler {
    lengths: Vec<usize>,
    batch: usize,
    seed: u64,
    short_batch: ShortBatch,
}

/// The examples of an epoch's last, short batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortBatch {
    /// The longest of the last window: a run of an earlier version, whose order has to stay the same when it is resumed.
    #[default]
    Longest,
    /// Drawn again in each epoch, so that no example always makes a batch of its own.
    Random,
}

impl BatchSampler {
    /// `lengths` are the examples' lengths in tokens, `batch` is the number of examples per batch.
    ///
    /// # Panics
    /// If `batch` is 0.
    pub fn new(lengths: Vec<usize>, batch: usize, seed: u64) -> BatchSampler {
        assert!(batch > 0, "a batch has at least one example");
        BatchSampler { lengths, batch, seed, short_batch: ShortBatch::Random }
    }

    /// The same sampler with another short batch.
    pub fn with_short_batch(self, short_batch: ShortBatch) -> BatchSampler {
        BatchSampler { short_batch, ..self }
    }

    pub fn short_batch(&self) -> ShortBatch {
        self.short_batch
    }

    /// The batches of an epoch, as indices of examples: each example once, and only the last batch may be short. They
    /// depend on seed and epoch alone, so that a resumed run continues with the right batch.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(epoch);
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        order.shuffle(&mut random);
        let whole = self.lengths.len() / self.batch;
        // The examples after the whole batches are a random sample as long as they are not sorted.
        let sorted = match self.short_batch {
            ShortBatch::Random => whole * self.batch,
            ShortBatch::Longest => order.len(),
        };
        for window in order[..sorted].chunks_mut(self.batch.saturating_mul(WINDOW)) {
            window.sort_by_key(|&index| self.lengths[index]);
        }
        let mut batches: Vec<Vec<usize>> = order.chunks(self.batch).map(<[usize]>::to_vec).collect();
        // The short batch stays last.
        batches[..whole].shuffle(&mut random);
        batches
    }

    pub fn batches_per_epoch(&self) -> usize {
        self.lengths.len().div_ceil(self.batch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn padded_tokens(batches: &[Vec<usize>], lengths: &[usize]) -> usize {
        batches.iter().map(|batch| batch.len() * batch.iter().map(|&i| lengths[i]).max().unwrap()).sum()
    }

    proptest! {
        #[test]
        fn an_epoch_visits_each_example_once(
            lengths in prop::collection::vec(1_usize..60, 0..400), batch in 1_usize..20, seed: u64, epoch: u64,
        ) {
            let sampler = BatchSampler::new(lengths.clone(), batch, seed);
            let order = sampler.epoch(epoch);
            prop_assert_eq!(order.len(), sampler.batches_per_epoch());
            prop_assert!(order.iter().rev().skip(1).all(|b| b.len() == batch));
            let mut visited: Vec<usize> = order.concat();
            visited.sort_unstable();
            prop_assert_eq!(visited, (0..lengths.len()).collect::<Vec<_>>());
            prop_assert_eq!(sampler.epoch(epoch), order);
        }
    }

    proptest! {
        // Each case draws a thousand epochs.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_example_is_in_the_short_batch_about_equally_often(
            lengths in prop::collection::vec(1_usize..60, 9..40), batch in 2_usize..9, seed: u64,
        ) {
            const EPOCHS: usize = 1000;
            let short = lengths.len() % batch;
            prop_assume!(short > 0);
            let sampler = BatchSampler::new(lengths.clone(), batch, seed);
            let mut counts = vec![0_usize; lengths.len()];
            for epoch in 0..EPOCHS {
                let order = sampler.epoch(epoch as u64);
                order.last().unwrap().iter().for_each(|&index| counts[index] += 1);
            }
            // Of a binomial distribution, nothing is seven standard deviations off.
            let share = short as f64 / lengths.len() as f64;
            let (mean, deviation) = (EPOCHS as f64 * share, (EPOCHS as f64 * share * (1.0 - share)).sqrt());
            for count in counts {
                prop_assert!((count as f64 - mean).abs() < 7.0 * deviation, "{count} of {mean} \u{b1} {deviation}");
            }
        }
    }

    #[test]
    fn the_order_of_an_earlier_version_stays_the_same() {
        let lengths: Vec<usize> = (0..33).map(|i| 5 + i % 7 + 100 * usize::from(i == 20)).collect();
        let earlier = || BatchSampler::new(lengths.clone(), 8, 42).with_short_batch(ShortBatch::Longest);
        // Recorded with that version.
        assert_eq!(earlier().epoch(1)[0], [18, 26, 5, 19, 12, 13, 6, 27]);
        for epoch in 0..20 {
            assert_eq!(earlier().epoch(epoch).last(), Some(&vec![20]));
        }
        // Without a short batch both orders are the same.
        let whole = || BatchSampler::new(lengths[..32].to_vec(), 8, 42);
        assert_eq!(whole().epoch(3), whole().with_short_batch(ShortBatch::Longest).epoch(3));
    }

    #[test]
    fn batches_hold_similar_lengths_and_epochs_differ() {
        let lengths: Vec<usize> = (0..3200).map(|i| 5 + (i * 7907) % 120).collect();
        let sampler = BatchSampler::new(lengths.clone(), 32, 42);
        let unsorted: Vec<Vec<usize>> = (0..3200).collect::<Vec<_>>().chunks(32).map(<[usize]>::to_vec).collect();
        let tokens: usize = lengths.iter().sum();
        assert!(padded_tokens(&sampler.epoch(0), &lengths) < tokens * 105 / 100);
        assert!(padded_tokens(&unsorted, &lengths) > tokens * 150 / 100);
        assert_ne!(sampler.epoch(0), sampler.epoch(1));
        assert_ne!(sampler.epoch(0), BatchSampler::new(lengths, 32, 43).epoch(0));
    }
}
