//! Mistral: every layer has the same sliding window.

use serde_json::Value;

use super::family::Family;
use crate::model::config::{ConfigError, DecoderConfig, DecoderDefaults, Keys};
use crate::model::decoder::Decoder;
use crate::model::layers::RmsNorm;

pub(super) const FAMILY: Family = Family::Decoder { read, build: Decoder::build::<RmsNorm> };

const DEFAULTS: DecoderDefaults = DecoderDefaults {
    vocab_size: 32000,
    intermediate_size: 14336,
    num_key_value_heads: Some(8),
    max_position_embeddings: 4096 * 32,
};

/// `MistralConfig`. Version 0.1 has a window, of 4096 tokens where the key is absent; later ones say null for none.
fn read(keys: Keys<'_>) -> Result<DecoderConfig, ConfigError> {
    let config = DecoderConfig::read(keys, &DEFAULTS)?;
    let window = if keys.has("sliding_window") { keys.optional_size("sliding_window")? } else { Some(4096) };
    let types = keys.get("layer_types", "a list of names", Value::as_array)?.into_iter().flatten();
    let expected = if window.is_some() { "sliding_attention" } else { "full_attention" };
    if let Some(other) = types.into_iter().find(|name| name.as_str() != Some(expected)) {
        return Err(ConfigError::Unsupported(format!(
            "layer_types: all layers of a mistral have the same window, but {other} is not {expected}"
        )));
    }
    Ok(DecoderConfig { windows: vec![window; config.windows.len()], ..config })
}
