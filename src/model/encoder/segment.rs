//! What the segments of an encoder have in common.

use tch::Tensor;

use crate::model::attention::AttentionMask;
use crate::model::memory::{BlockActivations, TrainingStep};
use crate::model::segments::Inputs;
use crate::model::tape::ForwardPass;

/// A batch, and what all blocks need of it.
pub(in crate::model) struct EncoderBatch<'a> {
    pub inputs: &'a Inputs,
    pub mask: AttentionMask,
}

impl<'a> EncoderBatch<'a> {
    /// Tokens attend to all of their example, and not to padding.
    pub fn new(inputs: &'a Inputs) -> EncoderBatch<'a> {
        let mask = match (&inputs.unpadded, &inputs.sequence_ids) {
            (Some(unpadded), _) => AttentionMask::of_examples(unpadded, |_| AttentionMask::Full),
            (None, Some(ids)) => AttentionMask::Tensor(ids.not_equal(0).unsqueeze(1).unsqueeze(1)),
            (None, None) => AttentionMask::Full,
        };
        EncoderBatch { inputs, mask }
    }

    /// The hidden states of each row's first token, `[rows, hidden]`.
    pub fn first_tokens(&self, hidden: &Tensor) -> Tensor {
        match &self.inputs.unpadded {
            Some(unpadded) => unpadded.first_tokens(hidden),
            None => hidden.select(1, 0),
        }
    }
}

/// The embeddings, a block or the head.
pub(in crate::model) trait EncoderSegment {
    /// Hidden states `[rows, length, hidden]`, or `[1, tokens, hidden]` without padding, to hidden states, or to the head's logits
    /// `[rows, labels]`. The embeddings read the batch instead.
    fn forward(&self, hidden: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor;
}

/// A block.
pub(in crate::model) trait EncoderBlock: EncoderSegment {
    /// What `forward` and its backward pass hold in memory.
    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations;
}
