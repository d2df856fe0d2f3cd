//! Tokenized texts for a language model, and batches of them.

use super::batch::{Batch, BatchLabels};

/// One row for a language model: one example, or several packed, with special tokens and without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub ids: Vec<u32>,
    /// Whether each token counts in the loss. Never true for the first token of an example, which no token predicts.
    pub loss_mask: Vec<bool>,
    /// Start of each packed example; `[0]` for a single one.
    pub starts: Vec<usize>,
}

/// Pads the sequences with these indices to the longest of them. Labels are given by position, so that the padding id may
/// be one that also occurs in texts, such as EOS.
pub fn collate_sequences(sequences: &[Sequence], rows: &[usize], pad_id: i64) -> Batch {
    let length = rows.iter().map(|&row| sequences[row].ids.len()).max().unwrap_or(0);
    let size = rows.len() * length;
    let packed = rows.iter().any(|&row| sequences[row].starts.len() > 1);
    let mut input_ids = vec![pad_id; size];
    let mut sequence_ids = vec![0; size];
    let mut position_ids = packed.then(|| vec![0; size]);
    let (mut positions, mut labels, mut tokens) = (Vec::new(), Vec::new(), 0);
    for (i, sequence) in rows.iter().map(|&row| &sequences[row]).enumerate() {
        let first = i * length;
        tokens += sequence.ids.len() as u64;
        let ends = sequence.starts.iter().skip(1).copied().chain([sequence.ids.len()]);
        for (number, (&start, end)) in (1..).zip(sequence.starts.iter().zip(ends)) {
            for index in start..end {
                let id = i64::from(sequence.ids[index]);
                input_ids[first + index] = id;
                sequence_ids[first + index] = number;
                if let Some(position_ids) = &mut position_ids {
                    position_ids[first + index] = (index - start) as i64;
                }
                if index > start && sequence.loss_mask[index] {
                    positions.push((first + index - 1) as i64);
                    labels.push(id);
                }
            }
        }
    }
    Batch {
        rows: rows.len(),
        length,
        input_ids,
        sequence_ids,
        token_type_ids: vec![0; size],
        position_ids,
        labels: BatchLabels::Tokens { positions, labels },
        tokens,
    }
}
