//! Qwen2 and Qwen2.5: queries, keys and values have biases.

use super::decoder::{DecoderConfig, Defaults, windows_by_layer};
use super::keys::Keys;

const DEFAULTS: Defaults = Defaults {
    vocab_size: 151_936,
    intermediate_size: 22016,
    num_key_value_heads: Some(32),
    max_position_embeddings: 32768,
};

/// `Qwen2Config`.
pub(super) fn read(keys: Keys<'_>) -> Result<DecoderConfig, String> {
    let config = DecoderConfig::read(keys, &DEFAULTS)?;
    let windows = windows_by_layer(keys, config.num_hidden_layers)?;
    Ok(DecoderConfig { qkv_bias: true, windows, ..config })
}
