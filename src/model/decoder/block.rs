//! One block of a decoder: attention with grouped queries, then a gated perceptron, each behind a norm and beside a
//! shortcut.

use tch::Tensor;

use super::cache::LayerCache;
use super::context::Context;
use crate::model::config::DecoderConfig;
use crate::model::layers::{Activation, Linear, RmsNorm};
use crate::model::tape::Pass;
use crate::model::weights::Parameters;

pub(super) struct Block {
    input_layernorm: RmsNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    /// Norms of queries and keys, head by head.
    qk_norm: Option<(RmsNorm, RmsNorm)>,
    post_attention_layernorm: RmsNorm,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
    activation: Activation,
}

impl Block {
    pub fn new(config: &DecoderConfig, parameters: &Parameters, name: &str) -> Block {
        let linear = |module: &str| Linear::new(parameters, &format!("{name}.{module}"));
        let norm = |module: &str| RmsNorm::new(parameters, &format!("{name}.{module}"), config.rms_norm_eps);
        Block {
            input_layernorm: norm("input_layernorm"),
            q_proj: linear("self_attn.q_proj"),
            k_proj: linear("self_attn.k_proj"),
            v_proj: linear("self_attn.v_proj"),
            o_proj: linear("self_attn.o_proj"),
            qk_norm: config.qk_norm.then(|| (norm("self_attn.q_norm"), norm("self_attn.k_norm"))),
            post_attention_layernorm: norm("post_attention_layernorm"),
            gate_proj: linear("mlp.gate_proj"),
            up_proj: linear("mlp.up_proj"),
            down_proj: linear("mlp.down_proj"),
            activation: config.hidden_act,
        }
    }

    /// `[rows, length, hidden]`, as it came. With a cache, queries see the keys and values it holds, and those that come
    /// in are kept there.
    pub fn forward(
        &self,
        config: &DecoderConfig,
        hidden: &Tensor,
        context: &Context,
        window: Option<i64>,
        cache: Option<LayerCache<'_>>,
        pass: &mut Pass,
    ) -> Tensor {
        let normed = self.input_layernorm.forward(hidden);
        let attended = self.attention(config, &normed, context, window, cache, pass);
        let hidden = hidden + self.o_proj.forward(&attended, pass);
        let normed = self.post_attention_layernorm.forward(&hidden);
        let gate = self.activation.forward(&self.gate_proj.forward(&normed, pass));
        let inner = gate * self.up_proj.forward(&normed, pass);
        hidden + self.down_proj.forward(&inner, pass)
    }

    fn attention(
        &self,
        config: &DecoderConfig,
        hidden: &Tensor,
        context: &Context,
        window: Option<i64>,
        cache: Option<LayerCache<'_>>,
        pass: &mut Pass,
    ) -> Tensor {
        let (rows, length) = (hidden.size()[0], hidden.size()[1]);
        let split = |x: Tensor| x.view([rows, length, -1, config.head_dim]);
        let mut query = split(self.q_proj.forward(hidden, pass));
        let mut key = split(self.k_proj.forward(hidden, pass));
        let value = split(self.v_proj.forward(hidden, pass)).transpose(1, 2);
        if let Some((query_norm, key_norm)) = &self.qk_norm {
            (query, key) = (query_norm.forward(&query), key_norm.forward(&key));
        }
        let query = context.angles.turn(&query.transpose(1, 2));
        let key = context.angles.turn(&key.transpose(1, 2));
        let (key, value) = match cache {
            Some(mut cache) => cache.extend(&key, &value),
            None => (key, value),
        };
        let dropout = pass.probability(config.attention_dropout);
        let visible = context.visible(window);
        let grouped = config.num_key_value_heads != config.num_attention_heads;
        let attended = Tensor::scaled_dot_product_attention(
            &query,
            &key,
            &value,
            visible.mask.as_ref(),
            dropout,
            visible.causal,
            None,
            grouped,
        );
        attended.transpose(1, 2).reshape([rows, length, -1])
    }
}
