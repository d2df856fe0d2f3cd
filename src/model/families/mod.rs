//! The families of networks: a file each, and one line of [`FAMILIES`].
//!
//! A family's file reads its config.json and makes its layers. What families share is in [`encoder`](super::encoder) and
//! [`decoder`](super::decoder); where a family differs, its file has a block, a norm or a head of its own.

mod bert;
mod family;
mod llama;
mod mistral;
mod qwen2;
mod qwen3;
mod roberta;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::builder::Builder;
use super::config::{ConfigError, DecoderConfig, EncoderConfig, Keys, ModelConfig};
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::memory::{BlockActivations, TrainingStep};
use crate::Usage;
use family::Family;

/// A config.json has a few KB; with the label names of a large task some hundred.
const MAX_BYTES: u64 = 16 << 20;

/// Each `model_type` and its family.
const FAMILIES: &[(&str, Family)] = &[
    ("bert", bert::FAMILY),
    ("camembert", roberta::FAMILY),
    ("llama", llama::FAMILY),
    ("mistral", mistral::FAMILY),
    ("qwen2", qwen2::FAMILY),
    ("qwen3", qwen3::FAMILY),
    ("roberta", roberta::FAMILY),
    ("xlm-roberta", roberta::FAMILY),
];

/// The layers of a network.
pub enum Layers {
    /// An encoder and its head.
    Encoder(Encoder),
    /// A decoder.
    Decoder(Box<Decoder>),
}

impl Layers {
    /// Makes the layers: with a classifier of so many labels for an encoder; a decoder has none.
    pub(super) fn build(config: &ModelConfig, labels: i64, builder: &Builder<'_>) -> Layers {
        let family = FAMILIES.iter().find(|(name, _)| *name == config.model_type()).map(|(_, family)| family);
        match (config, family) {
            (ModelConfig::Encoder(config), Some(Family::Encoder { build, .. })) => {
                Layers::Encoder(build(config, builder, labels))
            }
            (ModelConfig::Decoder(config), Some(Family::Decoder { build, .. })) => {
                Layers::Decoder(Box::new(build(config, builder)))
            }
            _ => panic!("model_type {:?} has no family of this kind", config.model_type()),
        }
    }

    /// What the last block holds in memory in a training step. All blocks hold the same but for their trained layers, and the
    /// last is the first of the backward pass.
    pub fn last_block_activations(&self, step: &TrainingStep<'_>) -> Option<BlockActivations> {
        match self {
            Layers::Encoder(encoder) => encoder.blocks.last().map(|block| block.activations(step)),
            Layers::Decoder(decoder) => decoder.blocks.last().map(|block| block.activations(step)),
        }
    }
}

impl ModelConfig {
    /// Reads `folder/config.json`.
    ///
    /// # Errors
    /// [`Usage`]: no such file, not JSON, an unknown `model_type`, a value that is out of range.
    pub fn read(folder: &Path) -> Result<ModelConfig> {
        let path = folder.join("config.json");
        if !path.exists() {
            bail!(Usage(format!("{}: no such file; a model's folder needs its config.json", path.display())));
        }
        ModelConfig::read_file(&path)
    }

    /// Reads the config.json at any path.
    ///
    /// # Errors
    /// As [`ModelConfig::read`].
    pub fn read_file(path: &Path) -> Result<ModelConfig> {
        let Ok(metadata) = fs::metadata(path) else {
            bail!(Usage(format!("{}: no such file", path.display())));
        };
        if metadata.len() > MAX_BYTES {
            bail!(Usage(format!("{}: larger than {} MiB, so it is no config.json", path.display(), MAX_BYTES >> 20)));
        }
        let text = fs::read(path).with_context(|| format!("{}: cannot read", path.display()))?;
        let config = serde_json::from_slice(&text).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
        ModelConfig::from_json(&config).map_err(|error| Usage(format!("{}: {error}", path.display())).into())
    }

    fn from_json(json: &Map<String, Value>) -> Result<ModelConfig, ConfigError> {
        let keys = Keys(json);
        let known = || FAMILIES.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let Some(model_type) = keys.string("model_type")? else {
            let reason = format!("no model_type; the known ones are {}", known().join(", "));
            return Err(ConfigError::Unsupported(reason));
        };
        let Some((model_type, family)) = FAMILIES.iter().find(|(name, _)| *name == model_type) else {
            let (key, found) = ("model_type".into(), format!("{model_type:?}"));
            return Err(ConfigError::Unknown { key, found, known: known() });
        };
        let config = match family {
            Family::Encoder { read, .. } => ModelConfig::Encoder(EncoderConfig { model_type, ..read(keys)? }),
            Family::Decoder { read, .. } => ModelConfig::Decoder(DecoderConfig { model_type, ..read(keys)? }),
        };
        refuse_variants(keys, &config)?;
        Ok(config)
    }
}

/// Refuses variants that would be another network, although all else fits.
fn refuse_variants(keys: Keys<'_>, config: &ModelConfig) -> Result<(), ConfigError> {
    let refused = |reason: String| Err(ConfigError::Unsupported(reason));
    if let Some(quantization) = keys.object("quantization_config")? {
        let method = quantization.string("quant_method")?.unwrap_or("unknown");
        return refused(format!(
            "quantization_config: quant_method {method:?}; only F64, F32, F16 and BF16 weights can be trained, so take the \
             model that was quantized"
        ));
    }
    if keys.object("pruned_heads")?.is_some_and(|heads| !heads.0.is_empty()) {
        return refused("pruned_heads: only whole layers of heads are supported".into());
    }
    let architectures = keys.get("architectures", "a list of names", Value::as_array)?;
    let mut names = architectures.into_iter().flatten().filter_map(Value::as_str);
    let other = |name: &&str| name.contains("For") && !name.ends_with("ForCausalLM");
    match (config, names.find(other)) {
        (ModelConfig::Decoder(_), Some(name)) => {
            refused(format!("architectures names {name}; of decoders only language models, ForCausalLM, are supported"))
        }
        _ => Ok(()),
    }
}
