//! Examples as tokens, and what happened to them on the way.

use std::collections::BTreeMap;

use super::InstructionRow;
use super::fault::RowFault;
use super::loss_spans::MaskSource;
use super::truncate::Truncation;
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
    /// Conversations with tools, which the chat template does not write.
    pub unwritten_tools: usize,
    /// Conversations with a system prompt, which the chat template does not write.
    pub unwritten_prompts: usize,
}

/// The sequences of one example.
#[derive(Default)]
pub(super) struct EncodedExample {
    pub sequences: Vec<Sequence>,
    pub truncation: Option<Truncation>,
    pub mask: Option<MaskSource>,
    pub unwritten_tools: bool,
    pub unwritten_prompt: bool,
}

impl EncodedPrompts {
    pub(super) fn add(&mut self, example: EncodedExample) {
        self.sequences.extend(example.sequences);
        example.truncation.into_iter().for_each(|truncation| *self.truncated.entry(truncation).or_default() += 1);
        example.mask.into_iter().for_each(|mask| *self.masks.entry(mask).or_default() += 1);
        self.unwritten_tools += usize::from(example.unwritten_tools);
        self.unwritten_prompts += usize::from(example.unwritten_prompt);
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
