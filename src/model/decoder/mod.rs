//! Decoders of the Llama kind, segment by segment: transformers' `LlamaForCausalLM` and those that differ from it by what
//! their config says.
//!
//! The last segment gives the normed hidden states. The logits of a large vocabulary are made of them a few rows at a
//! time, by [`Objective`](super::Objective) for a loss and by [`Decoder::logits`] for a reader.

mod block;
mod cache;
mod context;
mod rope;

use tch::Tensor;

use super::config::DecoderConfig;
use super::layers::RmsNorm;
use super::tape::Pass;
use super::weights::Parameters;
use super::{Inputs, Segments};
use block::Block;
pub use cache::Cache;
use context::Context;

/// The layers.
pub struct Decoder {
    config: DecoderConfig,
    embed_tokens: Tensor,
    blocks: Vec<Block>,
    norm: RmsNorm,
    /// Makes logits of hidden states: `[vocabulary, hidden]`.
    table: Tensor,
}

/// The network on a batch.
pub struct OnBatch<'a> {
    decoder: &'a Decoder,
    inputs: &'a Inputs,
    context: Context,
}

impl Decoder {
    /// Builds the layers upon their parameters.
    pub fn new(config: &DecoderConfig, parameters: &Parameters) -> Decoder {
        let table = parameters.specs().iter().find(|spec| spec.objective);
        Decoder {
            embed_tokens: parameters.get("model.embed_tokens.weight"),
            blocks: (0..config.num_hidden_layers)
                .map(|layer| Block::new(config, parameters, &format!("model.layers.{layer}")))
                .collect(),
            norm: RmsNorm::new(parameters, "model.norm", config.rms_norm_eps),
            table: table.map(|spec| parameters.get(&spec.name)).unwrap_or_default(),
            config: config.clone(),
        }
    }

    /// What its config.json says.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The chain of segments for a batch.
    pub fn on<'a>(&'a self, inputs: &'a Inputs) -> OnBatch<'a> {
        let context = Context::of_batch(&self.config, inputs, self.embed_tokens.kind());
        OnBatch { decoder: self, inputs, context }
    }

    /// The table `[vocabulary, hidden]` that makes logits of hidden states.
    pub fn table(&self) -> &Tensor {
        &self.table
    }

    /// Logits `[…, vocabulary]` of hidden states `[…, hidden]` as the last segment gives them.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        hidden.linear(&self.table, None::<&Tensor>)
    }

    /// Reads more tokens, int64 `[rows, length]`, after those the cache holds, and gives the hidden states of the last
    /// one: `[rows, hidden]`. Without a graph.
    pub fn read_on(&self, input_ids: &Tensor, cache: &mut Cache) -> Tensor {
        tch::no_grad(|| {
            let length = input_ids.size()[1];
            let context = Context::of_more(&self.config, cache.length(), length, &self.embed_tokens);
            let mut pass = Pass::inference();
            let mut hidden = self.embed(input_ids);
            for (layer, block) in self.blocks.iter().enumerate() {
                let window = self.config.windows[layer];
                hidden = block.forward(&self.config, &hidden, &context, window, Some(cache.layer(layer)), &mut pass);
            }
            cache.advance(length);
            self.norm.forward(&hidden.select(1, length - 1))
        })
    }

    fn embed(&self, input_ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.embed_tokens, input_ids, self.config.pad_token_id.unwrap_or(-1), false, false)
    }
}

impl Segments for OnBatch<'_> {
    fn count(&self) -> usize {
        self.decoder.blocks.len() + 2
    }

    fn forward(&self, segment: usize, hidden: &Tensor, pass: &mut Pass) -> Tensor {
        let Decoder { config, blocks, norm, .. } = self.decoder;
        match segment {
            0 => self.decoder.embed(&self.inputs.input_ids),
            segment if segment <= blocks.len() => {
                let window = config.windows[segment - 1];
                blocks[segment - 1].forward(config, hidden, &self.context, window, None, pass)
            }
            _ => norm.forward(hidden),
        }
    }
}
