//! Llama 1, 2 and 3.x, SmolLM and SmolLM2, TinyLlama, and whatever else calls itself `llama`.

use super::decoder::{DecoderConfig, Defaults};
use super::keys::Keys;

const DEFAULTS: Defaults =
    Defaults { vocab_size: 32000, intermediate_size: 11008, num_key_value_heads: None, max_position_embeddings: 2048 };

/// `LlamaConfig`: the common plan. `attention_bias` gives all four projections a bias.
pub(super) fn read(keys: Keys<'_>) -> Result<DecoderConfig, String> {
    let attention_bias = keys.truth("attention_bias")?;
    Ok(DecoderConfig {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        mlp_bias: keys.truth("mlp_bias")?,
        ..DecoderConfig::read(keys, &DEFAULTS)?
    })
}
