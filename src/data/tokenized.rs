//! Tokenized examples of either kind: labelled texts, or sequences for a language model.

use super::batch::{Batch, collate};
use super::sequence::{Sequence, collate_sequences};
use super::tokenize::Encoded;

/// The tokenized examples of a split.
#[derive(Clone, Debug, PartialEq)]
pub enum Tokenized {
    Labelled(Vec<Encoded>),
    LanguageModel(Vec<Sequence>),
}

impl Tokenized {
    /// Length of each example in tokens.
    pub fn lengths(&self) -> Vec<usize> {
        match self {
            Tokenized::Labelled(examples) => examples.iter().map(|example| example.ids.len()).collect(),
            Tokenized::LanguageModel(sequences) => sequences.iter().map(|sequence| sequence.ids.len()).collect(),
        }
    }

    /// Pads the examples with these indices to the longest of them.
    pub fn collate(&self, rows: &[usize], pad_id: i64) -> Batch {
        match self {
            Tokenized::Labelled(examples) => collate(examples, rows, pad_id),
            Tokenized::LanguageModel(sequences) => collate_sequences(sequences, rows, pad_id),
        }
    }
}
