//! Which examples form a batch, and how a batch is laid out. Plain vectors: tensors are made of them elsewhere.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Encoded, Target};

/// Batches within which examples are sorted by length. More waste less on padding and make an epoch less random.
const WINDOW: usize = 50;

/// A padded batch, row by row: what is told of each token is [rows, length].
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Examples.
    pub rows: usize,
    /// Tokens of the longest of them.
    pub length: usize,
    /// Token ids, padded at the end.
    pub input_ids: Vec<i64>,
    /// The example of its row that a token is of, counted from 1; 0 for padding.
    pub sequence_ids: Vec<i64>,
    /// The sequence a token belongs to; 0 for padding.
    pub token_type_ids: Vec<i64>,
    /// Where rows hold several examples, the place of each token in its own.
    pub position_ids: Option<Vec<i64>>,
    /// What the model should make of each row.
    pub targets: BatchLabels,
    /// Tokens, padding left out.
    pub tokens: u64,
}

/// The targets of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchLabels {
    /// Class indices.
    Classes(Vec<i64>),
    /// Scores.
    Scores(Vec<f32>),
    /// The tokens to say.
    Tokens {
        /// Places in the batch, row by row, of the tokens they follow.
        places: Vec<i64>,
        /// What follows.
        next: Vec<i64>,
    },
}

/// Pads the examples of these indices to the longest of them.
pub fn collate(encoded: &[Encoded], rows: &[usize], pad_id: i64) -> Batch {
    let length = rows.iter().map(|&row| encoded[row].ids.len()).max().unwrap_or(0);
    let size = rows.len() * length;
    let mut input_ids = vec![pad_id; size];
    let mut sequence_ids = vec![0; size];
    let mut token_type_ids = vec![0; size];
    let mut tokens = 0;
    for (i, example) in rows.iter().map(|&row| &encoded[row]).enumerate() {
        let (start, count) = (i * length, example.ids.len());
        for (j, (&id, &type_id)) in example.ids.iter().zip(&example.type_ids).enumerate() {
            input_ids[start + j] = i64::from(id);
            token_type_ids[start + j] = i64::from(type_id);
        }
        sequence_ids[start..start + count].fill(1);
        tokens += count as u64;
    }
    let targets = BatchLabels::of(rows.iter().map(|&row| encoded[row].target));
    Batch { rows: rows.len(), length, input_ids, sequence_ids, token_type_ids, position_ids: None, targets, tokens }
}

impl BatchLabels {
    /// How many there are: a loss is a mean over them.
    pub fn count(&self) -> usize {
        match self {
            BatchLabels::Classes(classes) => classes.len(),
            BatchLabels::Scores(scores) => scores.len(),
            BatchLabels::Tokens { next, .. } => next.len(),
        }
    }

    /// In order, as a score compares them with what is predicted.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            BatchLabels::Classes(numbers) | BatchLabels::Tokens { next: numbers, .. } => {
                numbers.iter().map(|&number| number as f64).collect()
            }
            BatchLabels::Scores(scores) => scores.iter().map(|&score| f64::from(score)).collect(),
        }
    }

    /// In order. Classes are taken for scores if any of the targets is a score; in a dataset all are of one kind.
    pub fn of(targets: impl Iterator<Item = Target> + Clone) -> BatchLabels {
        let class = |target| match target {
            Target::Class(class) => Some(i64::from(class)),
            Target::Score(_) => None,
        };
        match targets.clone().map(class).collect() {
            Some(classes) => BatchLabels::Classes(classes),
            None => BatchLabels::Scores(
                targets
                    .map(|target| match target {
                        Target::Class(class) => class as f32,
                        Target::Score(score) => score,
                    })
                    .collect(),
            ),
        }
    }
}

/// The order of the examples in each epoch: random, with examples of like length in the same batch.
pub struct Batches {
    lengths: Vec<usize>,
    batch: usize,
    seed: u64,
}

impl Batches {
    /// For examples of these lengths in tokens, `batch` of them at a time.
    ///
    /// # Panics
    /// If `batch` is 0.
    pub fn new(lengths: Vec<usize>, batch: usize, seed: u64) -> Batches {
        assert!(batch > 0, "a batch has at least one example");
        Batches { lengths, batch, seed }
    }

    /// The batches of an epoch, as indices of examples: each example once, and only the last batch may be short. They
    /// depend on the seed and the epoch alone, so a resumed run finds the batch it stopped at.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(epoch);
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        order.shuffle(&mut random);
        for window in order.chunks_mut(self.batch.saturating_mul(WINDOW)) {
            window.sort_by_key(|&index| self.lengths[index]);
        }
        let mut batches: Vec<Vec<usize>> = order.chunks(self.batch).map(<[usize]>::to_vec).collect();
        let whole = self.lengths.len() / self.batch;
        batches[..whole].shuffle(&mut random);
        batches
    }

    /// Batches in an epoch.
    pub fn per_epoch(&self) -> usize {
        self.lengths.len().div_ceil(self.batch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn padded(batches: &[Vec<usize>], lengths: &[usize]) -> usize {
        batches.iter().map(|batch| batch.len() * batch.iter().map(|&i| lengths[i]).max().unwrap()).sum()
    }

    proptest! {
        #[test]
        fn an_epoch_visits_each_example_once(
            lengths in prop::collection::vec(1_usize..60, 0..400), batch in 1_usize..20, seed: u64, epoch: u64,
        ) {
            let batches = Batches::new(lengths.clone(), batch, seed);
            let order = batches.epoch(epoch);
            prop_assert_eq!(order.len(), batches.per_epoch());
            prop_assert!(order.iter().rev().skip(1).all(|b| b.len() == batch));
            let mut visited: Vec<usize> = order.concat();
            visited.sort_unstable();
            prop_assert_eq!(visited, (0..lengths.len()).collect::<Vec<_>>());
            prop_assert_eq!(batches.epoch(epoch), order);
        }

        #[test]
        fn a_batch_unpads_to_its_examples(
            examples in prop::collection::vec(prop::collection::vec((1_u32..1000, 0_u8..2), 1..30), 1..9),
            pad_id in -1_i64..5,
        ) {
            let encoded: Vec<Encoded> = examples.iter().enumerate().map(|(i, tokens)| Encoded {
                ids: tokens.iter().map(|t| t.0).collect(),
                type_ids: tokens.iter().map(|t| t.1).collect(),
                target: Target::Class(i as u32),
            }).collect();
            let rows: Vec<usize> = (0..encoded.len()).rev().collect();
            let batch = collate(&encoded, &rows, pad_id);
            prop_assert_eq!(batch.tokens, encoded.iter().map(|e| e.ids.len() as u64).sum::<u64>());
            prop_assert_eq!(&batch.targets, &BatchLabels::Classes(rows.iter().map(|&row| row as i64).collect()));
            for (i, &row) in rows.iter().enumerate() {
                let range = i * batch.length..(i + 1) * batch.length;
                let (mask, ids) = (&batch.sequence_ids[range.clone()], &batch.input_ids[range.clone()]);
                let count = encoded[row].ids.len();
                prop_assert!(mask[..count].iter().all(|&m| m == 1) && mask[count..].iter().all(|&m| m == 0));
                prop_assert!(ids[..count].iter().zip(&encoded[row].ids).all(|(&a, &b)| a == i64::from(b)));
                prop_assert!(ids[count..].iter().all(|&id| id == pad_id));
                let types = &batch.token_type_ids[range];
                prop_assert!(types[..count].iter().zip(&encoded[row].type_ids).all(|(&a, &b)| a == i64::from(b)));
                prop_assert!(types[count..].iter().all(|&t| t == 0));
            }
        }
    }

    #[test]
    fn like_lengths_meet_and_epochs_differ() {
        let lengths: Vec<usize> = (0..3200).map(|i| 5 + (i * 7907) % 120).collect();
        let batches = Batches::new(lengths.clone(), 32, 42);
        let plain: Vec<Vec<usize>> = (0..3200).collect::<Vec<_>>().chunks(32).map(<[usize]>::to_vec).collect();
        let tokens: usize = lengths.iter().sum();
        assert!(padded(&batches.epoch(0), &lengths) < tokens * 105 / 100);
        assert!(padded(&plain, &lengths) > tokens * 150 / 100);
        assert_ne!(batches.epoch(0), batches.epoch(1));
        assert_ne!(batches.epoch(0), Batches::new(lengths, 32, 43).epoch(0));
    }
}
