//! Blocks that ask for their weights before they compute.

use std::sync::Arc;

use tch::Tensor;

use super::Offload;
use crate::model::decoder::attention::AttentionContext;
use crate::model::decoder::block::DecoderBlock;
use crate::model::decoder::kv_cache::LayerCache;
use crate::model::encoder::{EncoderBatch, EncoderBlock, EncoderSegment};
use crate::model::families::Layers;
use crate::model::memory::{BlockActivations, TrainingStep};
use crate::model::tape::ForwardPass;

/// A block whose weights are off the device.
struct OffloadedBlock<Block: ?Sized> {
    block: Box<Block>,
    segment: usize,
    offload: Arc<Offload>,
}

impl Layers {
    /// Blocks.
    pub fn blocks(&self) -> usize {
        match self {
            Layers::Encoder(encoder) => encoder.blocks.len(),
            Layers::Decoder(decoder) => decoder.blocks.len(),
        }
    }

    /// Makes the weights of each block come to the device when it computes.
    pub(in crate::model) fn offload(&mut self, offload: &Arc<Offload>) {
        match self {
            Layers::Encoder(encoder) => {
                let blocks = std::mem::take(&mut encoder.blocks).into_iter().zip(1..);
                let offloaded = |(block, segment)| -> Box<dyn EncoderBlock> {
                    Box::new(OffloadedBlock { block, segment, offload: Arc::clone(offload) })
                };
                encoder.blocks = blocks.map(offloaded).collect();
            }
            Layers::Decoder(decoder) => {
                let blocks = std::mem::take(&mut decoder.blocks).into_iter().zip(1..);
                let offloaded = |(block, segment)| -> Box<dyn DecoderBlock> {
                    Box::new(OffloadedBlock { block, segment, offload: Arc::clone(offload) })
                };
                decoder.blocks = blocks.map(offloaded).collect();
            }
        }
    }
}

impl EncoderSegment for OffloadedBlock<dyn EncoderBlock> {
    fn forward(&self, hidden: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor {
        self.offload.enter(self.segment);
        self.block.forward(hidden, batch, pass)
    }
}

impl EncoderBlock for OffloadedBlock<dyn EncoderBlock> {
    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations {
        self.block.activations(step)
    }
}

impl DecoderBlock for OffloadedBlock<dyn DecoderBlock> {
    fn forward(
        &self,
        hidden: &Tensor,
        attention: &AttentionContext,
        cache: Option<LayerCache<'_>>,
        pass: &mut ForwardPass,
    ) -> Tensor {
        self.offload.enter(self.segment);
        self.block.forward(hidden, attention, cache, pass)
    }

    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations {
        self.block.activations(step)
    }
}
