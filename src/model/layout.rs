//! The parameters that follow from a config: names, shapes, places. They can be counted without building anything.

use super::config::{DecoderConfig, EncoderConfig, Family, ModelConfig};

/// The table that makes logits of a decoder's output, where the embedding does not serve as one.
const LM_HEAD: &str = "lm_head.weight";

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Its name in a checkpoint of the whole network, head included.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// The segment that uses it; one behind the last for what the objective alone uses.
    pub segment: usize,
    /// Whether the objective uses it: the table that makes logits of a decoder's output.
    pub objective: bool,
    /// Whether it belongs to a linear layer, whose gradient is had from what goes in and out.
    pub linear: bool,
    /// Whether a checkpoint may lack it, as one of the network without a head does.
    pub head: bool,
}

/// All parameters of a network, in the order of the forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Prefix of everything but the head: `bert.`, `model.`; absent in a checkpoint of the bare network.
    pub prefix: &'static str,
    /// The parameters.
    pub parameters: Vec<ParameterSpec>,
    /// Standard deviation of the weights of a new head.
    pub initializer_range: f64,
    /// A tensor that a checkpoint may have besides: the same as another.
    pub copied: Option<&'static str>,
}

impl Layout {
    /// The layout of an encoder with a classifier of this many outputs, or of a decoder, which has none.
    pub fn of(config: &ModelConfig, labels: i64) -> Layout {
        match config {
            ModelConfig::Encoder(config) => Layout::of_encoder(config, labels),
            ModelConfig::Decoder(config) => Layout::of_decoder(config),
        }
    }

    fn of_encoder(config: &EncoderConfig, labels: i64) -> Layout {
        let prefix = match config.family {
            Family::Bert => "bert.",
            Family::Roberta => "roberta.",
        };
        let hidden = config.hidden_size;
        let mut layout = Layout::empty(prefix, config.initializer_range);

        let embeddings = format!("{prefix}embeddings");
        for (table, rows) in [
            ("word_embeddings", config.vocab_size),
            ("position_embeddings", config.max_position_embeddings),
            ("token_type_embeddings", config.type_vocab_size),
        ] {
            layout.push(0, format!("{embeddings}.{table}.weight"), vec![rows, hidden], false);
        }
        layout.norm(0, &format!("{embeddings}.LayerNorm"), hidden);

        for layer in 0..config.num_hidden_layers {
            let segment = layer as usize + 1;
            let block = format!("{prefix}encoder.layer.{layer}");
            for linear in
                ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                layout.linear(segment, &format!("{block}.{linear}"), hidden, hidden, true);
            }
            layout.norm(segment, &format!("{block}.attention.output.LayerNorm"), hidden);
            layout.linear(segment, &format!("{block}.intermediate.dense"), hidden, config.intermediate_size, true);
            layout.linear(segment, &format!("{block}.output.dense"), config.intermediate_size, hidden, true);
            layout.norm(segment, &format!("{block}.output.LayerNorm"), hidden);
        }

        let head = config.num_hidden_layers as usize + 1;
        let before = layout.parameters.len();
        match config.family {
            Family::Bert => {
                layout.linear(head, "bert.pooler.dense", hidden, hidden, true);
                layout.linear(head, "classifier", hidden, labels, true);
            }
            Family::Roberta => {
                layout.linear(head, "classifier.dense", hidden, hidden, true);
                layout.linear(head, "classifier.out_proj", hidden, labels, true);
            }
        }
        for parameter in &mut layout.parameters[before..] {
            parameter.head = true;
        }
        layout
    }

    fn of_decoder(config: &DecoderConfig) -> Layout {
        let hidden = config.hidden_size;
        let (queries, keys) =
            (config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim);
        let mut layout = Layout::empty("model.", config.initializer_range);
        layout.push(0, "model.embed_tokens.weight".into(), vec![config.vocab_size, hidden], false);
        for layer in 0..config.num_hidden_layers {
            let segment = layer as usize + 1;
            let block = format!("model.layers.{layer}");
            let weight = |norm: &str| format!("{block}.{norm}.weight");
            layout.linear(segment, &format!("{block}.self_attn.q_proj"), hidden, queries, config.qkv_bias);
            layout.linear(segment, &format!("{block}.self_attn.k_proj"), hidden, keys, config.qkv_bias);
            layout.linear(segment, &format!("{block}.self_attn.v_proj"), hidden, keys, config.qkv_bias);
            layout.linear(segment, &format!("{block}.self_attn.o_proj"), queries, hidden, config.output_bias);
            if config.qk_norm {
                layout.push(segment, weight("self_attn.q_norm"), vec![config.head_dim], false);
                layout.push(segment, weight("self_attn.k_norm"), vec![config.head_dim], false);
            }
            let inner = config.intermediate_size;
            layout.linear(segment, &format!("{block}.mlp.gate_proj"), hidden, inner, config.mlp_bias);
            layout.linear(segment, &format!("{block}.mlp.up_proj"), hidden, inner, config.mlp_bias);
            layout.linear(segment, &format!("{block}.mlp.down_proj"), inner, hidden, config.mlp_bias);
            layout.push(segment, weight("input_layernorm"), vec![hidden], false);
            layout.push(segment, weight("post_attention_layernorm"), vec![hidden], false);
        }
        let last = config.num_hidden_layers as usize + 1;
        layout.push(last, "model.norm.weight".into(), vec![hidden], false);
        let table = if config.tie_word_embeddings {
            layout.copied = Some(LM_HEAD);
            0
        } else {
            layout.push(last + 1, LM_HEAD.into(), vec![config.vocab_size, hidden], false);
            layout.parameters.len() - 1
        };
        layout.parameters[table].objective = true;
        layout
    }

    /// Parameters in all, counted by component.
    pub fn components(&self) -> i64 {
        self.parameters.iter().map(|parameter| parameter.shape.iter().product::<i64>()).sum()
    }

    fn empty(prefix: &'static str, initializer_range: f64) -> Layout {
        Layout { prefix, parameters: Vec::new(), initializer_range, copied: None }
    }

    fn linear(&mut self, segment: usize, module: &str, inputs: i64, outputs: i64, bias: bool) {
        self.push(segment, format!("{module}.weight"), vec![outputs, inputs], true);
        if bias {
            self.push(segment, format!("{module}.bias"), vec![outputs], true);
        }
    }

    fn norm(&mut self, segment: usize, module: &str, size: i64) {
        self.push(segment, format!("{module}.weight"), vec![size], false);
        self.push(segment, format!("{module}.bias"), vec![size], false);
    }

    fn push(&mut self, segment: usize, name: String, shape: Vec<i64>, linear: bool) {
        self.parameters.push(ParameterSpec { name, shape, segment, objective: false, linear, head: false });
    }
}
