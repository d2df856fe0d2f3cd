//! Mistral: every layer sees a sliding window.

use serde_json::Value;

use super::decoder::{DecoderConfig, Defaults};
use super::keys::Keys;

const DEFAULTS: Defaults = Defaults {
    vocab_size: 32000,
    intermediate_size: 14336,
    num_key_value_heads: Some(8),
    max_position_embeddings: 4096 * 32,
};

/// `MistralConfig`. Version 0.1 has a window, of 4096 tokens where the key is absent; later ones say null for none.
pub(super) fn read(keys: Keys<'_>) -> Result<DecoderConfig, String> {
    let config = DecoderConfig::read(keys, &DEFAULTS)?;
    let window = if keys.has("sliding_window") { keys.size_if_any("sliding_window")? } else { Some(4096) };
    let types = keys.get("layer_types", "a list of names", Value::as_array)?.into_iter().flatten();
    let expected = if window.is_some() { "sliding_attention" } else { "full_attention" };
    if let Some(other) = types.into_iter().find(|name| name.as_str() != Some(expected)) {
        return Err(format!("layer_types: all layers of a mistral see the same window, and {other} is not {expected}"));
    }
    Ok(DecoderConfig { windows: vec![window; config.windows.len()], ..config })
}
