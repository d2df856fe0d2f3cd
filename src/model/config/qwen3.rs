//! Qwen3: queries and keys are normed head by head, and heads have 128 components whatever the hidden size.

use super::decoder::{DecoderConfig, Defaults, windows_by_layer};
use super::keys::Keys;

const DEFAULTS: Defaults = Defaults {
    vocab_size: 151_936,
    intermediate_size: 22016,
    num_key_value_heads: Some(32),
    max_position_embeddings: 32768,
};

/// `Qwen3Config`.
pub(super) fn read(keys: Keys<'_>) -> Result<DecoderConfig, String> {
    let config = DecoderConfig::read(keys, &DEFAULTS)?;
    let attention_bias = keys.truth("attention_bias")?;
    Ok(DecoderConfig {
        head_dim: keys.size("head_dim", 128)?,
        qk_norm: true,
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        windows: windows_by_layer(keys, config.num_hidden_layers)?,
        ..config
    })
}
