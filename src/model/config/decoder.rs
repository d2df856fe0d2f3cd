//! What all decoders of the Llama kind have in common: RMS norms, rotary positions, grouped-query attention and a gated
//! perceptron, by the keys' names in `transformers`.

use serde_json::Value;

use super::super::layers::Activation;
use super::keys::Keys;
use super::rope::{self, Rope};

/// A decoder of the Llama kind.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of transformers' LlamaConfig, where they are explained")]
pub struct DecoderConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub num_key_value_heads: i64,
    pub head_dim: i64,
    pub hidden_act: Activation,
    pub max_position_embeddings: i64,
    pub rms_norm_eps: f64,
    pub initializer_range: f64,
    pub attention_dropout: f64,
    pub tie_word_embeddings: bool,
    pub rope: Rope,
    /// The token whose row of the embedding does not learn: it stands for no text. As in `transformers` that holds where it
    /// occurs in a text, too.
    pub pad_token_id: Option<i64>,
    /// Ids that end a text: `eos_token_id` is one or a list of them.
    pub eos_token_ids: Vec<i64>,
    /// Whether `q_proj`, `k_proj` and `v_proj` have biases.
    pub qkv_bias: bool,
    /// Whether `o_proj` has one.
    pub output_bias: bool,
    pub mlp_bias: bool,
    /// Whether queries and keys are normed head by head, as in Qwen3.
    pub qk_norm: bool,
    /// Per layer the number of tokens that attention sees, itself included; `None` for all before.
    pub windows: Vec<Option<i64>>,
}

/// What an absent key means; it differs between architectures.
pub(super) struct Defaults {
    pub vocab_size: i64,
    pub intermediate_size: i64,
    pub num_key_value_heads: Option<i64>,
    pub max_position_embeddings: i64,
}

impl DecoderConfig {
    /// Tokens that a text may have.
    pub fn longest(&self) -> i64 {
        self.rope.longest(self.max_position_embeddings)
    }

    /// The common part, with neither biases nor windows.
    pub(super) fn read(keys: Keys<'_>, defaults: &Defaults) -> Result<DecoderConfig, String> {
        let hidden_size = keys.size("hidden_size", 4096)?;
        let num_attention_heads = keys.size("num_attention_heads", 32)?;
        let num_key_value_heads = keys.size_if_any("num_key_value_heads")?;
        let num_hidden_layers = keys.size("num_hidden_layers", 32)?;
        let vocab_size = keys.size("vocab_size", defaults.vocab_size)?;
        let max_position_embeddings = keys.size("max_position_embeddings", defaults.max_position_embeddings)?;
        let config = DecoderConfig {
            vocab_size,
            hidden_size,
            intermediate_size: keys.size("intermediate_size", defaults.intermediate_size)?,
            num_hidden_layers,
            num_attention_heads,
            // An explicit null means as many as there are heads.
            num_key_value_heads: match num_key_value_heads {
                Some(heads) => heads,
                None if keys.has("num_key_value_heads") => num_attention_heads,
                None => defaults.num_key_value_heads.unwrap_or(num_attention_heads),
            },
            head_dim: keys.size("head_dim", (hidden_size / num_attention_heads).max(1))?,
            hidden_act: keys.one_of("hidden_act", "silu", &Activation::NAMES)?,
            max_position_embeddings,
            rms_norm_eps: keys.number("rms_norm_eps")?.unwrap_or(1e-6),
            initializer_range: keys.number("initializer_range")?.unwrap_or(0.02),
            attention_dropout: keys.probability("attention_dropout")?.unwrap_or(0.0),
            tie_word_embeddings: keys.truth("tie_word_embeddings")?,
            rope: rope::read(keys, max_position_embeddings)?,
            pad_token_id: pad_token_id(keys, vocab_size)?,
            eos_token_ids: eos_token_ids(keys)?,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            qk_norm: false,
            windows: Vec::new(),
        };
        config.check()?;
        Ok(DecoderConfig { windows: vec![None; num_hidden_layers as usize], ..config })
    }

    fn check(&self) -> Result<(), String> {
        if self.num_attention_heads % self.num_key_value_heads != 0 {
            return Err(format!(
                "num_attention_heads {} cannot be shared out among num_key_value_heads {}",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if self.head_dim % 2 != 0 {
            return Err(format!("head_dim {} is odd, and rotary positions turn pairs", self.head_dim));
        }
        for (key, size, most) in [
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 19),
            ("num_attention_heads", self.num_attention_heads, 1 << 12),
            ("head_dim", self.head_dim, 1 << 12),
        ] {
            if size > most {
                return Err(format!("{key} {size} is beyond any model, {most} at most"));
            }
        }
        Ok(())
    }
}

/// Windows of the Qwen kind: `layer_types` by name, or from a layer on; none at all unless `use_sliding_window`.
pub(super) fn windows_by_layer(keys: Keys<'_>, layers: i64) -> Result<Vec<Option<i64>>, String> {
    let window = match keys.truth("use_sliding_window")? {
        true if keys.has("sliding_window") => keys.size_if_any("sliding_window")?,
        true => Some(4096),
        false => None,
    };
    let Some(types) = keys.get("layer_types", "a list of names", Value::as_array)? else {
        let first = keys.number("max_window_layers")?.unwrap_or(28.0) as i64;
        return Ok((0..layers).map(|layer| window.filter(|_| layer >= first)).collect());
    };
    if types.len() as i64 != layers {
        return Err(format!("layer_types has {} entries for {layers} layers", types.len()));
    }
    let of_type = |name: &Value| match name.as_str() {
        Some("full_attention") => Ok(None),
        Some("sliding_attention") => Ok(window),
        _ => Err(format!("layer_types: {name} is none of full_attention, sliding_attention")),
    };
    types.iter().map(of_type).collect()
}

/// Old configs count it from the end, as -1.
fn pad_token_id(keys: Keys<'_>, vocab_size: i64) -> Result<Option<i64>, String> {
    let wanted = format!("a token id below vocab_size {vocab_size}");
    let id = |value: &Value| value.as_i64().filter(|id| (-vocab_size..vocab_size).contains(id));
    Ok(keys.get("pad_token_id", &wanted, id)?.map(|id| if id < 0 { id + vocab_size } else { id }))
}

fn eos_token_ids(keys: Keys<'_>) -> Result<Vec<i64>, String> {
    let ids = keys.get("eos_token_id", "a token id or a list of them", |value| match value {
        Value::Array(ids) => ids.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>(),
        id => Some(vec![id.as_i64()?]),
    })?;
    Ok(ids.unwrap_or_default())
}
