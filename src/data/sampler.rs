//! The order of the examples in an epoch: shuffled, with examples of similar length in one batch.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Batches per window within which examples are sorted by length. A larger window pads less and shuffles less.
const WINDOW: usize = 50;

/// Draws the batches of each epoch, as transformers' length-grouped sampler does.
pub struct BatchSampler {
    lengths: Vec<usize>,
    batch: usize,
    seed: u64,
}

impl BatchSampler {
    /// `lengths` are the examples' lengths in tokens, `batch` is the number of examples per batch.
    ///
    /// # Panics
    /// If `batch` is 0.
    pub fn new(lengths: Vec<usize>, batch: usize, seed: u64) -> BatchSampler {
        assert!(batch > 0, "a batch has at least one example");
        BatchSampler { lengths, batch, seed }
    }

    /// The batches of an epoch, as indices of examples: each example once, and only the last batch may be short. They
    /// depend on seed and epoch alone, so that a resumed run continues with the right batch.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(epoch);
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        order.shuffle(&mut random);
        for window in order.chunks_mut(self.batch.saturating_mul(WINDOW)) {
            window.sort_by_key(|&index| self.lengths[index]);
        }
        let mut batches: Vec<Vec<usize>> = order.chunks(self.batch).map(<[usize]>::to_vec).collect();
        // The short batch stays last.
        let whole = self.lengths.len() / self.batch;
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
