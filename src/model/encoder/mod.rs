//! Encoders with a sequence-classification head, segment by segment.

mod block;
mod embeddings;
mod segment;

use tch::Tensor;

use super::memory::TrainingStep;
use super::segments::{Inputs, Segments};
use super::tape::ForwardPass;
pub(super) use block::Block;
pub(super) use embeddings::Embeddings;
pub(super) use segment::{EncoderBatch, EncoderBlock, EncoderSegment};

/// An encoder.
pub struct Encoder {
    pub(super) embeddings: Box<dyn EncoderSegment>,
    pub(super) blocks: Vec<Box<dyn EncoderBlock>>,
    pub(super) head: Box<dyn EncoderSegment>,
}

impl Encoder {
    /// The chain of segments for a batch.
    pub fn segments<'a>(&'a self, inputs: &'a Inputs) -> EncoderSegments<'a> {
        EncoderSegments { encoder: self, batch: EncoderBatch::new(inputs) }
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
