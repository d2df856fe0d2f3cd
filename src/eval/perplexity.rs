//! The perplexity of texts under a language model.

use super::device_batch::DeviceBatch;
use crate::data::{Sequence, collate_sequences};
use crate::model::Network;
use crate::protocol::Progress;

/// The perplexity of some texts.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Perplexity {
    /// Mean of -ln p over the tokens in the loss mask.
    pub loss: f64,
    /// exp(loss)
    pub perplexity: f64,
    /// Tokens in the loss mask.
    pub tokens: usize,
}

/// Computes the perplexity of the tokens in the loss masks, `batch` sequences at a time.
pub fn perplexity(network: &Network, sequences: &[Sequence], batch: usize, progress: &dyn Fn(Progress)) -> Perplexity {
    // Sorted by length, which saves padding.
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&number| std::cmp::Reverse(sequences[number].ids.len()));
    let (mut sum, mut tokens, mut done) = (0.0, 0, 0);
    for rows in order.chunks(batch.max(1)) {
        let batch = collate_sequences(sequences, rows, 0);
        let loaded = DeviceBatch::new(&batch, network.parameters.device());
        let output = network.output(&loaded.inputs);
        sum += network.objective(&loaded.targets, 1.0).loss(&output).double_value(&[]);
        tokens += batch.labels.count();
        done += rows.len() as u64;
        let total = sequences.len() as u64;
        progress(Progress { task: "perplexity".into(), done, total, unit: "examples".into() });
    }
    let loss = sum / tokens as f64;
    Perplexity { loss, perplexity: loss.exp(), tokens }
}
