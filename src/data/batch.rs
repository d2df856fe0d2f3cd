//! A padded batch of labelled examples. Plain vectors: `eval` turns them into tensors.

use super::{Encoded, Label};

/// A padded batch, row by row. What is given per token has shape [rows, length].
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// Tokens per row, padding included: the length of the longest row.
    pub length: usize,
    /// Token ids, padded on the right.
    pub input_ids: Vec<i64>,
    /// Number of the example within its row, from 1; 0 for padding. Attention stays within one number.
    pub sequence_ids: Vec<i64>,
    /// Segment ids as BERT has them; 0 for padding.
    pub token_type_ids: Vec<i64>,
    /// Position of each token within its example, where rows are packed.
    pub position_ids: Option<Vec<i64>>,
    pub labels: BatchLabels,
    /// Tokens without padding.
    pub tokens: u64,
}

/// The labels of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchLabels {
    /// Class indices, [rows].
    Classes(Vec<i64>),
    /// Scores to regress to, [rows].
    Scores(Vec<f32>),
    /// Tokens to predict: those in the loss mask, in the order of the batch.
    Tokens {
        /// Flat index into [rows, length] of the token before each label, whose logits predict it.
        positions: Vec<i64>,
        /// Ids of the tokens to predict.
        labels: Vec<i64>,
    },
}

/// Pads the examples with these indices to the longest of them.
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
    let labels = BatchLabels::of(rows.iter().map(|&row| encoded[row].label));
    Batch { rows: rows.len(), length, input_ids, sequence_ids, token_type_ids, position_ids: None, labels, tokens }
}

impl Batch {
    /// Tokens of each row, without padding.
    pub fn row_tokens(&self) -> Vec<u64> {
        let rows = self.sequence_ids.chunks(self.length.max(1));
        rows.map(|row| row.iter().filter(|id| **id != 0).count() as u64).collect()
    }

    /// The batch of these rows alone, ascending, as long as the whole.
    pub fn part(&self, rows: &[usize]) -> Batch {
        let length = self.length;
        let of = |values: &[i64]| -> Vec<i64> {
            rows.iter().flat_map(|row| &values[row * length..(row + 1) * length]).copied().collect()
        };
        let sequence_ids = of(&self.sequence_ids);
        Batch {
            rows: rows.len(),
            length,
            input_ids: of(&self.input_ids),
            token_type_ids: of(&self.token_type_ids),
            position_ids: self.position_ids.as_deref().map(of),
            labels: self.labels.part(rows, length as i64),
            tokens: sequence_ids.iter().filter(|id| **id != 0).count() as u64,
            sequence_ids,
        }
    }
}

impl BatchLabels {
    /// Those of these rows of `length` tokens.
    fn part(&self, rows: &[usize], length: i64) -> BatchLabels {
        match self {
            BatchLabels::Classes(classes) => BatchLabels::Classes(rows.iter().map(|&row| classes[row]).collect()),
            BatchLabels::Scores(scores) => BatchLabels::Scores(rows.iter().map(|&row| scores[row]).collect()),
            BatchLabels::Tokens { positions, labels } => {
                let (mut found, mut of_them) = (Vec::new(), Vec::new());
                for (number, &row) in (0..).zip(rows) {
                    let start = row as i64 * length;
                    let within = positions.iter().zip(labels).filter(|(at, _)| (start..start + length).contains(*at));
                    within.for_each(|(at, label)| {
                        found.push(at - start + number * length);
                        of_them.push(*label);
                    });
                }
                BatchLabels::Tokens { positions: found, labels: of_them }
            }
        }
    }

    /// Number of labels: the loss is their mean.
    pub fn count(&self) -> usize {
        match self {
            BatchLabels::Classes(classes) => classes.len(),
            BatchLabels::Scores(scores) => scores.len(),
            BatchLabels::Tokens { labels, .. } => labels.len(),
        }
    }

    /// As numbers, in order, as [`Metrics::score`](crate::metrics::Metrics::score) takes them.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            BatchLabels::Classes(numbers) | BatchLabels::Tokens { labels: numbers, .. } => {
                numbers.iter().map(|&number| number as f64).collect()
            }
            BatchLabels::Scores(scores) => scores.iter().map(|&score| f64::from(score)).collect(),
        }
    }

    /// In order. If any label is a score all are scores; a dataset has one kind only.
    pub fn of(labels: impl Iterator<Item = Label> + Clone) -> BatchLabels {
        let class = |label| match label {
            Label::Class(class) => Some(i64::from(class)),
            Label::Score(_) => None,
        };
        match labels.clone().map(class).collect() {
            Some(classes) => BatchLabels::Classes(classes),
            None => BatchLabels::Scores(
                labels
                    .map(|label| match label {
                        Label::Class(class) => class as f32,
                        Label::Score(score) => score,
                    })
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_batch_without_padding_is_its_examples(
            examples in prop::collection::vec(prop::collection::vec((1_u32..1000, 0_u8..2), 1..30), 1..9),
            pad_id in -1_i64..5,
        ) {
            let encoded: Vec<Encoded> = examples.iter().enumerate().map(|(i, tokens)| Encoded {
                ids: tokens.iter().map(|t| t.0).collect(),
                type_ids: tokens.iter().map(|t| t.1).collect(),
                label: Label::Class(i as u32),
            }).collect();
            let rows: Vec<usize> = (0..encoded.len()).rev().collect();
            let batch = collate(&encoded, &rows, pad_id);
            prop_assert_eq!(batch.tokens, encoded.iter().map(|e| e.ids.len() as u64).sum::<u64>());
            prop_assert_eq!(&batch.labels, &BatchLabels::Classes(rows.iter().map(|&row| row as i64).collect()));
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
}
