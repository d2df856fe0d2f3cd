//! Qwen3: queries and keys are normalized head by head, and heads have 128 components whatever the hidden size.

use super::family::Family;
use crate::model::config::{ConfigError, DecoderConfig, DecoderDefaults, Keys, windows_by_layer};
use crate::model::decoder::Decoder;
use crate::model::layers::RmsNorm;

pub(super) const FAMILY: Family = Family::Decoder { read, build: Decoder::build::<RmsNorm> };

const DEFAULTS: DecoderDefaults = DecoderDefaults {
    vocab_size: 151_936,
    intermediate_size: 22016,
    num_key_value_heads: Some(32),
    max_position_embeddings: 32768,
};

/// `Qwen3Config`.
fn read(keys: Keys<'_>) -> Result<DecoderConfig, ConfigError> {
    let config = DecoderConfig::read(keys, &DEFAULTS)?;
    let attention_bias = keys.flag("attention_bias")?;
    Ok(DecoderConfig {
        head_dim: keys.size("head_dim", 128)?,
        qk_norm: true,
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        windows: windows_by_layer(keys, config.num_hidden_layers)?,
        ..config
    })
}
