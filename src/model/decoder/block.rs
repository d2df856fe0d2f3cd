//! A block of a Llama-like decoder: grouped-query attention, then a gated MLP, each with a norm before it and a residual
//! connection.

use tch::{Kind, Tensor};

use super::attention::AttentionContext;
use super::kv_cache::LayerCache;
use crate::model::activation::Activation;
use crate::model::attention::takes_groups;
use crate::model::builder::Builder;
use crate::model::config::DecoderConfig;
use crate::model::layers::{Linear, Norm};
use crate::model::memory::{BlockActivations, TrainingStep};
use crate::model::tape::ForwardPass;

/// A block.
pub(in crate::model) trait DecoderBlock {
    /// Hidden states `[rows, length, hidden]`, or `[1, tokens, hidden]` without padding, to hidden states. With a cache, queries attend to its keys and values too,
    /// and those of this call are appended to it.
    fn forward(
        &self,
        hidden: &Tensor,
        attention: &AttentionContext,
        cache: Option<LayerCache<'_>>,
        pass: &mut ForwardPass,
    ) -> Tensor;

    /// What `forward` and its backward pass hold in memory.
    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations;
}

/// The block of `LlamaForCausalLM`, with norms of the kind N.
pub(in crate::model) struct Block<N> {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    head_norms: Option<HeadNorms<N>>,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
    input_layernorm: N,
    post_attention_layernorm: N,
    activation: Activation,
    heads: i64,
    head_dim: i64,
    attention_dropout: f64,
    /// Tokens that a query attends to; `None` for all before it.
    window: Option<i64>,
}

/// Norms of the queries and keys of each head.
struct HeadNorms<N> {
    query: N,
    key: N,
}

impl<N: Norm> Block<N> {
    pub fn new(config: &DecoderConfig, window: Option<i64>, builder: &Builder<'_>) -> Block<N> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let queries = config.num_attention_heads * config.head_dim;
        let keys = config.num_key_value_heads * config.head_dim;
        let (attention, mlp) = (builder.pp("self_attn"), builder.pp("mlp"));
        let linear = |builder: &Builder<'_>, inputs: i64, outputs: i64, bias: bool| match bias {
            true => Linear::new(builder, inputs, outputs),
            false => Linear::without_bias(builder, inputs, outputs),
        };
        let norm = |builder: &Builder<'_>, size: i64| N::new(builder, size, config.rms_norm_eps);
        Block {
            q_proj: linear(&attention.pp("q_proj"), hidden, queries, config.qkv_bias),
            k_proj: linear(&attention.pp("k_proj"), hidden, keys, config.qkv_bias),
            v_proj: linear(&attention.pp("v_proj"), hidden, keys, config.qkv_bias),
            o_proj: linear(&attention.pp("o_proj"), queries, hidden, config.output_bias),
            head_norms: config.qk_norm.then(|| HeadNorms {
                query: norm(&attention.pp("q_norm"), config.head_dim),
                key: norm(&attention.pp("k_norm"), config.head_dim),
            }),
            gate_proj: linear(&mlp.pp("gate_proj"), hidden, inner, config.mlp_bias),
            up_proj: linear(&mlp.pp("up_proj"), hidden, inner, config.mlp_bias),
            down_proj: linear(&mlp.pp("down_proj"), inner, hidden, config.mlp_bias),
            input_layernorm: norm(&builder.pp("input_layernorm"), hidden),
            post_attention_layernorm: norm(&builder.pp("post_attention_layernorm"), hidden),
            activation: config.hidden_act,
            heads: config.num_attention_heads,
            head_dim: config.head_dim,
            attention_dropout: config.attention_dropout,
            window,
        }
    }

    fn attention(
        &self,
        hidden: &Tensor,
        attention: &AttentionContext,
        cache: Option<LayerCache<'_>>,
        pass: &mut ForwardPass,
    ) -> Tensor {
        let (rows, length) = (hidden.size()[0], hidden.size()[1]);
        let split = |x: Tensor| x.view([rows, length, -1, self.head_dim]);
        let mut query = split(self.q_proj.forward(hidden, pass));
        let mut key = split(self.k_proj.forward(hidden, pass));
        let value = split(self.v_proj.forward(hidden, pass)).transpose(1, 2);
        if let Some(norms) = &self.head_norms {
            (query, key) = (norms.query.forward(&query), norms.key.forward(&key));
        }
        let query = attention.rotary.apply(&query.transpose(1, 2));
        let key = attention.rotary.apply(&key.transpose(1, 2));
        let (key, value) = match cache {
            Some(mut cache) => cache.append(&key, &value),
            None => (key, value),
        };
        let dropout = pass.dropout_mask(self.attention_dropout);
        attention.mask(self.window).attend(&query, &key, &value, dropout)
    }
}

impl<N: Norm> DecoderBlock for Block<N> {
    fn forward(
        &self,
        hidden: &Tensor,
        attention: &AttentionContext,
        cache: Option<LayerCache<'_>>,
        pass: &mut ForwardPass,
    ) -> Tensor {
        let normed = self.input_layernorm.forward(hidden);
        let attended = self.attention(&normed, attention, cache, pass);
        let hidden = hidden + self.o_proj.forward(&attended, pass);
        let normed = self.post_attention_layernorm.forward(&hidden);
        let (gate, up) = (self.gate_proj.forward(&normed, pass), self.up_proj.forward(&normed, pass));
        let inner = self.activation.gate(gate, up);
        hidden + self.down_proj.forward(&inner, pass)
    }

    /// With H the hidden size, I the intermediate size, A heads, Q and K the widths of a token's queries and keys, and e
    /// bytes an element, a token keeps
    ///
    /// - 2·H·e of the inputs of both norms, of which the first is the block's; where heads are normalized, (Q + K)·e of theirs;
    /// - (Q + 2·K)·e: rotated queries and keys, and values, on a GPU (Q + 2·Q)·e where its kernels do not share them among heads; A·4 of attention, which is fused, and Q·e of its output where libtorch's
    ///   keeps it;
    /// - 2·I·e: the gate and what it multiplies; of an activation function other than SiLU 3·I·e, its result too;
    /// - of trained layers their inputs, where these are not among the above: H·e for q, k and v together, H·e for gate and
    ///   up together, I·e for down, or less where gradients are made of some columns, and those of o's input. Layers that run through oneDNN or have an adapter keep their inputs as well; adapters what
    ///   [`LoraAdapter`](crate::model::lora) says.
    ///
    /// Within the MLP there are gradients of 3·(H + I)·e, or (2·H + I)·e where those of SwiGLU take the place of its
    /// operands; within attention on a GPU those that [`TrainingStep::fused_attention`] counts, with the MLP's operands gone. The last segment's hidden
    /// states, H·e, live through the whole backward pass.
    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations {
        let (hidden, inner) = (self.q_proj.inputs() as u128, self.gate_proj.outputs() as u128);
        let (query, key) = (self.q_proj.outputs() as u128, self.k_proj.outputs() as u128);
        let element = step.element_size;
        let shared: [&[&Linear]; 3] =
            [&[&self.q_proj, &self.k_proj, &self.v_proj], &[&self.gate_proj, &self.up_proj], &[&self.down_proj]];
        let inputs: u128 = shared.iter().map(|layers| step.kept_input(layers)).sum();
        let taped: u128 = shared.iter().map(|layers| step.taped_input(layers)).sum();
        let attended = step.taped_input(&[&self.o_proj]);
        let output = match attended {
            _ if step.by_kernels() => step.kept_input(&[&self.o_proj]),
            // libtorch's attention keeps its output itself.
            columns if columns == query => query,
            columns => query + columns,
        };
        let gradients = if self.activation == Activation::Silu { 2 * hidden + inner } else { 3 * (hidden + inner) };
        let masked = step.packed || self.window.is_some_and(|window| (window as u128) < step.length);
        let kind = if element == 2 { Kind::BFloat16 } else { Kind::Float };
        let attended_keys = if !step.gpu || takes_groups(kind, self.head_dim, masked) { key } else { query };
        let attention = if step.gpu {
            step.fused_attention(self.heads as u128, query, attended_keys) + 2 * hidden * element
        } else {
            0
        };
        let gated = if self.activation == Activation::Silu { 2 * inner } else { 3 * inner };
        let head_norms = self.head_norms.as_ref().map_or(0, |_| query + key);
        let kept = (2 * hidden + head_norms + query + 2 * attended_keys + output + gated + inputs) * element;
        let linear =
            [&self.q_proj, &self.k_proj, &self.v_proj, &self.o_proj, &self.gate_proj, &self.up_proj, &self.down_proj];
        BlockActivations {
            kept: kept + self.heads as u128 * 4 + step.adapters(&linear),
            inputs: (taped + attended) * element,
            mlp: (gradients + hidden) * element,
            attention: attention as i128 - (gated * element) as i128,
        }
    }
}
