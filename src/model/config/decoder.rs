//! The config of Llama-like decoders, by the names of its keys in transformers: rotary positions, grouped-query attention
//! and a gated MLP.

use serde_json::Value;

use super::error::ConfigError;
use super::keys::{Keys, check_sizes};
use super::rope::{self, Rope};
use crate::model::activation::Activation;

/// The config.json of a decoder.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of transformers' LlamaConfig, where they are explained")]
pub struct DecoderConfig {
    /// Names the family.
    pub model_type: &'static str,
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
    /// The token whose row of the embedding gets no gradient (`padding_idx`), even where it occurs in a text.
    pub pad_token_id: Option<i64>,
    /// Tokens that end a text: `eos_token_id` is one or a list of them.
    pub eos_token_ids: Vec<i64>,
    /// Whether `q_proj`, `k_proj` and `v_proj` have biases.
    pub qkv_bias: bool,
    /// Whether `o_proj` has a bias.
    pub output_bias: bool,
    pub mlp_bias: bool,
    /// Whether queries and keys are normalized head by head, as in Qwen3.
    pub qk_norm: bool,
    /// Sliding window of each layer: tokens that a query attends to, itself included. `None` for all before it.
    pub windows: Vec<Option<i64>>,
}

/// What an absent key means where families differ.
pub(in crate::model) struct DecoderDefaults {
    pub vocab_size: i64,
    pub intermediate_size: i64,
    pub num_key_value_heads: Option<i64>,
    pub max_position_embeddings: i64,
}

impl DecoderConfig {
    /// Tokens that a text may have.
    pub fn max_tokens(&self) -> i64 {
        self.rope.max_tokens(self.max_position_embeddings)
    }

    /// Reads what all families have in common, without biases and windows.
    pub(in crate::model) fn read(keys: Keys<'_>, defaults: &DecoderDefaults) -> Result<DecoderConfig, ConfigError> {
        let hidden_size = keys.size("hidden_size", 4096)?;
        let num_attention_heads = keys.size("num_attention_heads", 32)?;
        let num_key_value_heads = keys.optional_size("num_key_value_heads")?;
        let num_hidden_layers = keys.size("num_hidden_layers", 32)?;
        let vocab_size = keys.size("vocab_size", defaults.vocab_size)?;
        let max_position_embeddings = keys.size("max_position_embeddings", defaults.max_position_embeddings)?;
        let config = DecoderConfig {
            // Filled in from the table of families.
            model_type: "",
            vocab_size,
            hidden_size,
            intermediate_size: keys.size("intermediate_size", defaults.intermediate_size)?,
            num_hidden_layers,
            num_attention_heads,
            // An explicit null means one for each query head.
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
            tie_word_embeddings: keys.flag("tie_word_embeddings")?,
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

    fn check(&self) -> Result<(), ConfigError> {
        let refused = |reason: String| Err(ConfigError::Unsupported(reason));
        if self.num_attention_heads % self.num_key_value_heads != 0 {
            return refused(format!(
                "num_attention_heads {} cannot be shared out among num_key_value_heads {}",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if self.head_dim % 2 != 0 {
            return refused(format!("head_dim {} is odd, but rotary positions rotate pairs", self.head_dim));
        }
        check_sizes(&[
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 19),
            ("num_attention_heads", self.num_attention_heads, 1 << 12),
            ("head_dim", self.head_dim, 1 << 12),
        ])
    }
}

/// Sliding windows of Qwen: named per layer in `layer_types`, or the same from `max_window_layers` on; none unless
/// `use_sliding_window`.
pub(in crate::model) fn windows_by_layer(keys: Keys<'_>, layers: i64) -> Result<Vec<Option<i64>>, ConfigError> {
    let window = match keys.flag("use_sliding_window")? {
        true if keys.has("sliding_window") => keys.optional_size("sliding_window")?,
        true => Some(4096),
        false => None,
    };
    let Some(types) = keys.get("layer_types", "a list of names", Value::as_array)? else {
        let first = keys.number("max_window_layers")?.unwrap_or(28.0) as i64;
        return Ok((0..layers).map(|layer| window.filter(|_| layer >= first)).collect());
    };
    if types.len() as i64 != layers {
        let reason = format!("layer_types has {} entries for {layers} layers", types.len());
        return Err(ConfigError::Unsupported(reason));
    }
    let of_type = |name: &Value| match name.as_str() {
        Some("full_attention") => Ok(None),
        Some("sliding_attention") => Ok(window),
        _ => Err(ConfigError::Unknown {
            key: "layer_types".into(),
            found: name.to_string(),
            known: vec!["full_attention", "sliding_attention"],
        }),
    };
    types.iter().map(of_type).collect()
}

/// Old configs count it from the end, as -1.
fn pad_token_id(keys: Keys<'_>, vocab_size: i64) -> Result<Option<i64>, ConfigError> {
    let expected = format!("a token id below vocab_size {vocab_size}");
    let id = |value: &Value| value.as_i64().filter(|id| (-vocab_size..vocab_size).contains(id));
    Ok(keys.get("pad_token_id", &expected, id)?.map(|id| if id < 0 { id + vocab_size } else { id }))
}

fn eos_token_ids(keys: Keys<'_>) -> Result<Vec<i64>, ConfigError> {
    let ids = keys.get("eos_token_id", "a token id or a list of them", |value| match value {
        Value::Array(ids) => ids.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>(),
        id => Some(vec![id.as_i64()?]),
    })?;
    Ok(ids.unwrap_or_default())
}
