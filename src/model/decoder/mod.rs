//! Llama-like decoders, segment by segment: transformers' `LlamaForCausalLM`, and those that differ from it by what their
//! config says or their family's file makes.
//!
//! The last segment gives normalized hidden states. The logits of a large vocabulary are made of them in chunks:
//! by [`Objective`](super::Objective) for a loss and by [`Decoder::logits`] for a reader.

pub(super) mod attention;
pub(super) mod block;
pub(super) mod kv_cache;
mod rope;

use tch::{Device, Kind, Tensor};

use super::builder::{Builder, ParameterKind};
use super::config::DecoderConfig;
use super::layers::{Embedding, Norm};
use super::memory::TrainingStep;
use super::objective::CHUNK_LOGITS;
use super::segments::{Inputs, Segments};
use super::tape::ForwardPass;
use attention::AttentionContext;
use block::{Block, DecoderBlock};
pub use kv_cache::KvCache;

/// The name of a table of its own that makes logits. A checkpoint whose embedding serves as the table may have it there, too.
const LM_HEAD: &str = "lm_head.weight";

/// A decoder.
pub struct Decoder {
    pub(super) config: DecoderConfig,
    pub(super) embed_tokens: Embedding,
    pub(super) blocks: Vec<Box<dyn DecoderBlock>>,
    pub(super) norm: Box<dyn Norm>,
    /// `[vocabulary, hidden]`.
    pub(super) lm_head: Tensor,
}

impl Decoder {
    /// A decoder with norms of one kind.
    pub(super) fn build<N: Norm + 'static>(config: &DecoderConfig, builder: &Builder<'_>) -> Decoder {
        let (model, hidden) = (builder.base_model("model."), config.hidden_size);
        let last = config.num_hidden_layers as usize + 1;
        let embed_tokens = |builder: Builder<'_>| {
            Embedding::new(&builder.pp("embed_tokens"), config.vocab_size, hidden, config.pad_token_id)
        };
        let tied = config.tie_word_embeddings;
        let embed_tokens =
            if tied { embed_tokens(model.as_lm_head().tied_to(LM_HEAD)) } else { embed_tokens(model.clone()) };
        let block = |layer: i64| -> Box<dyn DecoderBlock> {
            let window = config.windows[layer as usize];
            let builder = model.in_segment(layer as usize + 1).pp("layers").pp(layer);
            Box::new(Block::<N>::new(config, window, &builder))
        };
        Decoder {
            blocks: (0..config.num_hidden_layers).map(block).collect(),
            norm: Box::new(N::new(&model.in_segment(last).pp("norm"), hidden, config.rms_norm_eps)),
            lm_head: if tied {
                embed_tokens.weight().shallow_clone()
            } else {
                let lm_head = builder.in_segment(last + 1).as_lm_head().pp("lm_head");
                lm_head.parameter("weight", &[config.vocab_size, hidden], ParameterKind::Table)
            },
            embed_tokens,
            config: config.clone(),
        }
    }

    /// What its config.json says.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The chain of segments for a batch.
    pub fn segments<'a>(&'a self, inputs: &'a Inputs) -> DecoderSegments<'a> {
        let attention = AttentionContext::of_batch(&self.config, inputs, self.kind());
        DecoderSegments { decoder: self, inputs, attention }
    }

    /// The table `[vocabulary, hidden]` that makes logits of hidden states.
    pub fn lm_head(&self) -> &Tensor {
        &self.lm_head
    }

    /// Logits `[…, vocabulary]` of hidden states `[…, hidden]` as the last segment gives them.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        hidden.linear(&self.lm_head, None::<&Tensor>)
    }

    /// An empty cache for `rows` texts of `capacity` tokens at most.
    pub fn kv_cache(&self, rows: i64, capacity: i64) -> KvCache {
        KvCache::new(&self.config, rows, capacity, (self.kind(), self.device()))
    }

    /// Reads tokens int64 `[rows, length]` that follow those in the cache, appends them to it, and gives the hidden states
    /// of the last one: `[rows, hidden]`. Without a graph.
    pub fn forward_cached(&self, input_ids: &Tensor, cache: &mut KvCache) -> Tensor {
        tch::no_grad(|| {
            let length = input_ids.size()[1];
            let options = (self.kind(), self.device());
            let attention = AttentionContext::of_cached(&self.config, cache.length(), length, options);
            let mut pass = ForwardPass::inference();
            let mut hidden = self.embed_tokens.forward(input_ids);
            for (layer, block) in self.blocks.iter().enumerate() {
                hidden = block.forward(&hidden, &attention, Some(cache.layer(layer)), &mut pass);
            }
            cache.advance(length);
            self.norm.forward(&hidden.select(1, length - 1))
        })
    }

    /// Bytes that the loss takes: fp32 logits of one chunk, on a GPU with their gradient beside them, and hidden states with
    /// their gradients.
    pub fn loss_memory(&self, step: &TrainingStep<'_>) -> u128 {
        let logits = (step.tokens() * self.config.vocab_size as u128).min(CHUNK_LOGITS as u128) * 4;
        let copies = if step.gpu { 2 } else { 1 };
        copies * logits + 5 * step.tokens() * self.config.hidden_size as u128 * step.element_size
    }

    fn kind(&self) -> Kind {
        self.lm_head.kind()
    }

    fn device(&self) -> Device {
        self.lm_head.device()
    }
}

/// A decoder applied to a batch.
pub struct DecoderSegments<'a> {
    decoder: &'a Decoder,
    inputs: &'a Inputs,
    attention: AttentionContext,
}

impl Segments for DecoderSegments<'_> {
    fn count(&self) -> usize {
        self.decoder.blocks.len() + 2
    }

    fn forward(&self, segment: usize, hidden: &Tensor, pass: &mut ForwardPass) -> Tensor {
        let Decoder { embed_tokens, blocks, norm, .. } = self.decoder;
        let Inputs { input_ids, unpadded, .. } = self.inputs;
        match segment {
            0 => match unpadded {
                Some(unpadded) => embed_tokens.forward(&unpadded.unpad(input_ids)),
                None => embed_tokens.forward(input_ids),
            },
            segment if segment <= blocks.len() => blocks[segment - 1].forward(hidden, &self.attention, None, pass),
            _ => {
                let hidden = norm.forward(hidden);
                unpadded.as_ref().map_or(hidden.shallow_clone(), |unpadded| unpadded.pad(&hidden))
            }
        }
    }
}
