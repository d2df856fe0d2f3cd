//! What the segments of an encoder have in common.

use tch::Tensor;

use crate::model::memory::{BlockActivations, TrainingStep};
use crate::model::segments::Inputs;
use crate::model::tape::ForwardPass;

/// A batch, and what all blocks need of it.
pub(in crate::model) struct EncoderBatch<'a> {
    pub inputs: &'a Inputs,
    /// Attention mask, bool `[rows, 1, 1, length]`: true for tokens, false for padding. `None` where nothing is padded.
    pub attention_mask: Option<Tensor>,
}

/// The embeddings, a block or the head.
pub(in crate::model) trait EncoderSegment {
    /// Hidden states `[rows, length, hidden]` to hidden states, or to the head's logits `[rows, labels]`. The embeddings
    /// read the batch instead.
    fn forward(&self, hidden: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor;
}

/// A block.
pub(in crate::model) trait EncoderBlock: EncoderSegment {
    /// What `forward` and its backward pass hold in memory.
    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations;
}
