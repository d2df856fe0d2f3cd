//! Tokenized texts of a language model, and how a batch of them is laid out.

use super::batch::{Batch, BatchLabels};

/// A tokenized text, special tokens included and nothing padded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each token whether the model should learn to say it. The first of an example follows nothing, so it is never
    /// learnt.
    pub learnt: Vec<bool>,
    /// Where the examples begin that were packed into it: 0 for one alone.
    pub starts: Vec<usize>,
}

/// Pads the sequences of these indices to the longest of them. What is learnt is told by place, so that it does not matter
/// which id pads and whether it means something else besides.
pub fn collate_sequences(sequences: &[Sequence], rows: &[usize], pad_id: i64) -> Batch {
    let length = rows.iter().map(|&row| sequences[row].ids.len()).max().unwrap_or(0);
    let size = rows.len() * length;
    let packed = rows.iter().any(|&row| sequences[row].starts.len() > 1);
    let mut input_ids = vec![pad_id; size];
    let mut sequence_ids = vec![0; size];
    let mut position_ids = packed.then(|| vec![0; size]);
    let (mut places, mut next, mut tokens) = (Vec::new(), Vec::new(), 0);
    for (i, sequence) in rows.iter().map(|&row| &sequences[row]).enumerate() {
        let first = i * length;
        tokens += sequence.ids.len() as u64;
        let ends = sequence.starts.iter().skip(1).copied().chain([sequence.ids.len()]);
        for (number, (&start, end)) in (1..).zip(sequence.starts.iter().zip(ends)) {
            for place in start..end {
                let id = i64::from(sequence.ids[place]);
                input_ids[first + place] = id;
                sequence_ids[first + place] = number;
                if let Some(positions) = &mut position_ids {
                    positions[first + place] = (place - start) as i64;
                }
                if place > start && sequence.learnt[place] {
                    places.push((first + place - 1) as i64);
                    next.push(id);
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
        targets: BatchLabels::Tokens { places, next },
        tokens,
    }
}
