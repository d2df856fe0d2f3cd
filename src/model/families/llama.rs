//! Llama 1, 2 and 3.x, SmolLM and SmolLM2, TinyLlama, and all else whose `model_type` is `llama`.

use super::family::Family;
use crate::model::config::{ConfigError, DecoderConfig, DecoderDefaults, Keys};
use crate::model::decoder::Decoder;
use crate::model::layers::RmsNorm;

pub(super) const FAMILY: Family = Family::Decoder { read, build: Decoder::build::<RmsNorm> };

const DEFAULTS: DecoderDefaults = DecoderDefaults {
    vocab_size: 32000,
    intermediate_size: 11008,
    num_key_value_heads: None,
    max_position_embeddings: 2048,
};

/// `LlamaConfig`: `attention_bias` gives all four projections a bias.
fn read(keys: Keys<'_>) -> Result<DecoderConfig, ConfigError> {
    let attention_bias = keys.flag("attention_bias")?;
    Ok(DecoderConfig {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        mlp_bias: keys.flag("mlp_bias")?,
        ..DecoderConfig::read(keys, &DEFAULTS)?
    })
}
