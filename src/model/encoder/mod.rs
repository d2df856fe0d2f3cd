//! Encoders with a sequence-classification head, segment by segment.

mod block;
mod embeddings;

use tch::Tensor;

use super::memory::{BlockActivations, TrainingStep};
use super::tape::ForwardPass;
use super::{Inputs, Segments};
pub(super) use block::Block;
pub(super) use embeddings::Embeddings;

/// An encoder.
pub struct Encoder {
    pub(super) embeddings: Box<dyn EncoderSegment>,
    pub(super) blocks: Vec<Box<dyn EncoderBlock>>,
    pub(super) head: Box<dyn EncoderSegment>,
}

/// A batch, and what all blocks need of it.
pub(super) struct EncoderBatch<'a> {
    pub inputs: &'a Inputs,
    /// Attention mask, bool `[rows, 1, 1, length]`: true for tokens, false for padding. `None` where nothing is padded.
    pub attention_mask: Option<Tensor>,
}

/// The embeddings, a block or the head.
pub(super) trait EncoderSegment {
    /// Hidden states `[rows, length, hidden]` to hidden states, or to the head's logits `[rows, labels]`. The embeddings
    /// read the batch instead.
    fn forward(&self, hidden: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor;
}

/// A block.
pub(super) trait EncoderBlock: EncoderSegment {
    /// What `forward` and its backward pass hold in memory.
    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations;
}

impl Encoder {
    /// The chain of segments for a batch.
    pub fn segments<'a>(&'a self, inputs: &'a Inputs) -> EncoderSegments<'a> {
        let attention_mask = inputs.sequence_ids.as_ref().map(|ids| ids.not_equal(0).unsqueeze(1).unsqueeze(1));
        EncoderSegments { encoder: self, batch: EncoderBatch { inputs, attention_mask } }
    }

    /// Bytes that the head and the loss take, of an encoder with this hidden size: they see one token of each example.
    pub fn loss_memory(&self, hidden_size: i64, step: &TrainingStep<'_>) -> u128 {
        4 * step.rows * hidden_size as u128 * step.element_size
    }
}

/// An encoder applied to a batch.
pub struct EncoderSegments<'a> {
    encoder: &'a Encoder,
    batch: EncoderBatch<'a>,
}

impl Segments for EncoderSegments<'_> {
    fn count(&self) -> usize {
        self.encoder.blocks.len() + 2
    }

    fn forward(&self, segment: usize, hidden: &Tensor, pass: &mut ForwardPass) -> Tensor {
        let Encoder { embeddings, blocks, head } = self.encoder;
        match segment {
            0 => embeddings.forward(hidden, &self.batch, pass),
            segment if segment <= blocks.len() => blocks[segment - 1].forward(hidden, &self.batch, pass),
            _ => head.forward(hidden, &self.batch, pass),
        }
    }
}
