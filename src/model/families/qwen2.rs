//! Qwen2 and Qwen2.5: queries, keys and values have biases.

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

/// `Qwen2Config`.
fn read(keys: Keys<'_>) -> Result<DecoderConfig, ConfigError> {
    let config = DecoderConfig::read(keys, &DEFAULTS)?;
    let windows = windows_by_layer(keys, config.num_hidden_layers)?;
    Ok(DecoderConfig { qkv_bias: true, windows, ..config })
}
