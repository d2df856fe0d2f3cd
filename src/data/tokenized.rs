//! Tokenized examples of either kind, so that what comes after need not care which.

use super::batch::{Batch, collate};
use super::sequence::{Sequence, collate_sequences};
use super::tokenize::Encoded;

/// Tokenized examples.
#[derive(Clone, Debug, PartialEq)]
pub enum Tokenized {
    /// Texts with a label.
    Labelled(Vec<Encoded>),
    /// Texts to learn to write.
    Written(Vec<Sequence>),
}

impl Tokenized {
    /// Tokens of each.
    pub fn lengths(&self) -> Vec<usize> {
        match self {
            Tokenized::Labelled(examples) => examples.iter().map(|example| example.ids.len()).collect(),
            Tokenized::Written(sequences) => sequences.iter().map(|sequence| sequence.ids.len()).collect(),
        }
    }

    /// Pads the examples of these indices to the longest of them.
    pub fn collate(&self, rows: &[usize], pad_id: i64) -> Batch {
        match self {
            Tokenized::Labelled(examples) => collate(examples, rows, pad_id),
            Tokenized::Written(sequences) => collate_sequences(sequences, rows, pad_id),
        }
    }
}
