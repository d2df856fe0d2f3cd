//! Examples as tokens, and what happened to them on the way.

use std::collections::BTreeMap;

use super::InstructionRow;
use super::fault::RowFault;
use super::fitting::Unwritten;
use super::loss_spans::MaskSource;
use super::template::TemplateError;
use super::truncate::Truncation;
use crate::Usage;
use crate::data::Sequence;
use crate::data::left_out::RowCounts;

/// Tokenized examples.
#[derive(Default)]
pub struct EncodedPrompts {
    /// Each with at least one token in the loss.
    pub sequences: Vec<Sequence>,
    /// How many examples were truncated, and how.
    pub truncated: BTreeMap<Truncation, usize>,
    /// The rows that are left out, by their number among the examples.
    pub left_out: Vec<(usize, RowFault)>,
    /// How many conversations have their loss mask from where.
    pub masks: BTreeMap<MaskSource, usize>,
    /// How many conversations have what the chat template does not write.
    pub unwritten: BTreeMap<Unwritten, usize>,
}

/// The sequences of one example.
#[derive(Default)]
pub(super) struct EncodedExample {
    pub sequences: Vec<Sequence>,
    pub truncation: Option<Truncation>,
    pub mask: Option<MaskSource>,
    pub unwritten: Vec<Unwritten>,
}

/// Why an example has no tokens.
pub(super) enum EncodeError {
    /// The row is left out.
    Row(RowFault),
    /// The tokenizer fails, or there is no chat template.
    Other(anyhow::Error),
}

impl From<RowFault> for EncodeError {
    fn from(fault: RowFault) -> EncodeError {
        EncodeError::Row(fault)
    }
}

impl From<TemplateError> for EncodeError {
    fn from(error: TemplateError) -> EncodeError {
        EncodeError::Row(error.into())
    }
}

impl From<anyhow::Error> for EncodeError {
    fn from(error: anyhow::Error) -> EncodeError {
        EncodeError::Other(error)
    }
}

impl From<Usage> for EncodeError {
    fn from(usage: Usage) -> EncodeError {
        EncodeError::Other(usage.into())
    }
}

impl EncodedPrompts {
    pub(super) fn add(&mut self, example: EncodedExample) {
        self.sequences.extend(example.sequences);
        example.truncation.into_iter().for_each(|truncation| *self.truncated.entry(truncation).or_default() += 1);
        example.mask.into_iter().for_each(|mask| *self.masks.entry(mask).or_default() += 1);
        example.unwritten.into_iter().for_each(|what| *self.unwritten.entry(what).or_default() += 1);
    }

    /// The rows that are left out of `rows`, one sentence per reason.
    pub fn warnings(&self, rows: &[InstructionRow]) -> Vec<String> {
        let mut counts = RowCounts::default();
        self.leave_out(rows, &mut counts);
        counts.warnings()
    }

    /// Counts the rows that are left out of `rows`.
    pub(super) fn leave_out(&self, rows: &[InstructionRow], counts: &mut RowCounts) {
        for (number, fault) in &self.left_out {
            let row = &rows[*number];
            counts.leave_out(&row.file, &fault.to_string(), row.line);
        }
    }
}
