//! config.json, read and checked. Nothing is built here.
//!
//! What all encoders and all decoders have is in files of these names; a decoder's own part, its defaults and what it
//! adds to the common plan, is in the file of its architecture.

mod decoder;
mod encoder;
mod keys;
mod llama;
mod mistral;
mod qwen2;
mod qwen3;
mod rope;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::Usage;
pub use decoder::DecoderConfig;
pub use encoder::{EncoderConfig, Family};
use keys::Keys;
pub use rope::{Rope, RopeScaling};

/// A config.json has a few KB; with the label names of a large task some hundred.
const LARGEST: u64 = 16 << 20;

/// What a config.json says.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelConfig {
    /// A network that reads a text as a whole: with a head it is a classifier.
    Encoder(EncoderConfig),
    /// A network that writes a text token by token.
    Decoder(DecoderConfig),
}

type Read = fn(Keys<'_>) -> Result<ModelConfig, String>;

/// `model_type` and how its config is read.
const KNOWN: [(&str, Read); 8] = [
    ("bert", |keys| encoder::read(keys, Family::Bert).map(ModelConfig::Encoder)),
    ("camembert", |keys| encoder::read(keys, Family::Roberta).map(ModelConfig::Encoder)),
    ("llama", |keys| llama::read(keys).map(ModelConfig::Decoder)),
    ("mistral", |keys| mistral::read(keys).map(ModelConfig::Decoder)),
    ("qwen2", |keys| qwen2::read(keys).map(ModelConfig::Decoder)),
    ("qwen3", |keys| qwen3::read(keys).map(ModelConfig::Decoder)),
    ("roberta", |keys| encoder::read(keys, Family::Roberta).map(ModelConfig::Encoder)),
    ("xlm-roberta", |keys| encoder::read(keys, Family::Roberta).map(ModelConfig::Encoder)),
];

impl ModelConfig {
    /// Reads `folder/config.json`.
    ///
    /// # Errors
    /// [`Usage`]: no such file, not JSON, an unknown `model_type`, a value that cannot be.
    pub fn read(folder: &Path) -> Result<ModelConfig> {
        let path = folder.join("config.json");
        if !path.exists() {
            bail!(Usage(format!("{}: no such file; a model's folder needs its config.json", path.display())));
        }
        ModelConfig::read_file(&path)
    }

    /// Reads a config.json that may lie anywhere.
    ///
    /// # Errors
    /// As [`ModelConfig::read`].
    pub fn read_file(path: &Path) -> Result<ModelConfig> {
        let Ok(metadata) = fs::metadata(path) else {
            bail!(Usage(format!("{}: no such file", path.display())));
        };
        if metadata.len() > LARGEST {
            bail!(Usage(format!("{}: larger than {} MiB, so it is no config.json", path.display(), LARGEST >> 20)));
        }
        let text = fs::read(path).with_context(|| format!("{}: cannot read", path.display()))?;
        let config = serde_json::from_slice(&text).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
        ModelConfig::from_json(&config).map_err(|error| Usage(format!("{}: {error}", path.display())).into())
    }

    fn from_json(json: &Map<String, Value>) -> Result<ModelConfig, String> {
        let keys = Keys(json);
        let names = || KNOWN.map(|(name, _)| name).join(", ");
        let Some(model_type) = keys.text("model_type")? else {
            return Err(format!("no model_type; the known ones are {}", names()));
        };
        match KNOWN.iter().find(|(name, _)| *name == model_type) {
            Some((_, read)) => {
                let config = read(keys)?;
                refuse_others(keys, &config)?;
                Ok(config)
            }
            None => Err(format!("model_type {model_type:?} is none of {}", names())),
        }
    }

    /// The same network with another number of blocks; those that are added see as far as the last.
    pub fn with_layers(mut self, layers: usize) -> ModelConfig {
        match &mut self {
            ModelConfig::Encoder(config) => config.num_hidden_layers = layers as i64,
            ModelConfig::Decoder(config) => {
                let last = config.windows.last().copied().flatten();
                config.windows.resize(layers, last);
                config.num_hidden_layers = layers as i64;
            }
        }
        self
    }

    /// Tokens that a text may have.
    pub fn longest(&self) -> i64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.longest(),
            ModelConfig::Decoder(decoder) => decoder.longest(),
        }
    }

    /// Rows of the embedding table.
    pub fn vocab_size(&self) -> i64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.vocab_size,
            ModelConfig::Decoder(decoder) => decoder.vocab_size,
        }
    }

    /// What to fill up rows with; 0 where the model has no id for it, since no one looks at it.
    pub fn pad_token_id(&self) -> i64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.pad_token_id,
            ModelConfig::Decoder(_) => 0,
        }
    }
}

/// What would be another network, although all else fits.
fn refuse_others(keys: Keys<'_>, config: &ModelConfig) -> Result<(), String> {
    if let Some(quantization) = keys.object("quantization_config")? {
        let method = quantization.text("quant_method")?.unwrap_or("unknown");
        return Err(format!(
            "quantization_config: quant_method {method:?}; only F64, F32, F16 and BF16 weights can be trained, so take the model that \
             was quantized"
        ));
    }
    if keys.object("pruned_heads")?.is_some_and(|heads| !heads.0.is_empty()) {
        return Err("pruned_heads: only whole layers of heads are supported".into());
    }
    let architectures = keys.get("architectures", "a list of names", Value::as_array)?;
    let mut names = architectures.into_iter().flatten().filter_map(Value::as_str);
    let other = |name: &&str| name.contains("For") && !name.ends_with("ForCausalLM");
    match (config, names.find(other)) {
        (ModelConfig::Decoder(_), Some(name)) => {
            Err(format!("architectures names {name}; of decoders only language models, ForCausalLM, are supported"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ModelConfig, String> {
        ModelConfig::from_json(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn absent_keys_and_null_have_their_defaults() {
        let Ok(ModelConfig::Encoder(config)) =
            read(r#"{"model_type": "roberta", "classifier_dropout": null, "max_position_embeddings": 514}"#)
        else {
            panic!("no encoder")
        };
        assert_eq!((config.family, config.hidden_size, config.classifier_dropout), (Family::Roberta, 768, 0.1));
        assert_eq!(config.longest(), 512);
        assert_eq!(read(r#"{"model_type": "bert"}"#).unwrap().longest(), 512);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (json, message) in [
            (
                r#"{}"#,
                "no model_type; the known ones are bert, camembert, llama, mistral, qwen2, qwen3, roberta, xlm-roberta",
            ),
            (
                r#"{"model_type": "t5"}"#,
                "model_type \"t5\" is none of bert, camembert, llama, mistral, qwen2, qwen3, roberta, xlm-roberta",
            ),
            (
                r#"{"model_type": "bert", "hidden_size": "big"}"#,
                "hidden_size is \"big\", expected a whole number from 1",
            ),
            (r#"{"model_type": "bert", "hidden_size": 1e300}"#, "hidden_size is 1e+300, expected a whole number"),
            (r#"{"model_type": "bert", "hidden_size": 100}"#, "hidden_size 100 cannot be split"),
            (r#"{"model_type": "bert", "hidden_act": "mish"}"#, "hidden_act \"mish\" is none of gelu"),
            (r#"{"model_type": "bert", "hidden_dropout_prob": 1.5}"#, "hidden_dropout_prob is 1.5, expected"),
            (r#"{"model_type": "bert", "num_hidden_layers": 16777216}"#, "num_hidden_layers 16777216 is beyond"),
            (r#"{"model_type": "bert", "position_embedding_type": "relative_key"}"#, "position_embedding_type"),
            (r#"{"model_type": "bert", "pad_token_id": 1e18}"#, "pad_token_id"),
            (r#"{"model_type": "roberta", "max_position_embeddings": 2}"#, "leaves no position"),
            (r#"{"model_type": "bert", "is_decoder": true}"#, "only encoders"),
            (
                r#"{"model_type": "llama", "num_key_value_heads": 5}"#,
                "cannot be shared out among num_key_value_heads 5",
            ),
            (r#"{"model_type": "llama", "head_dim": 65}"#, "head_dim 65 is odd"),
            (r#"{"model_type": "llama", "hidden_act": "mish"}"#, "hidden_act \"mish\" is none of gelu"),
            (
                r#"{"model_type": "llama", "rope_scaling": {"type": "longrope", "factor": 4}}"#,
                "rope_scaling: rope_type \"longrope\" is none of default, linear, dynamic, llama3, yarn",
            ),
            (r#"{"model_type": "llama", "rope_scaling": {"type": "linear"}}"#, "rope_scaling: factor is missing"),
            (
                r#"{"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2},
                    "rope_parameters": {"rope_type": "default"}}"#,
                "remove one of them",
            ),
            (
                r#"{"model_type": "llama", "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}"#,
                "rope_parameters: partial_rotary_factor 0.5",
            ),
            (
                r#"{"model_type": "qwen3", "rope_parameters": {"full_attention": {"rope_type": "default"}}}"#,
                "rope_parameters: full_attention has positions of its own",
            ),
            (r#"{"model_type": "llama", "pad_token_id": 32000}"#, "pad_token_id is 32000, expected a token id below"),
            (
                r#"{"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}"#,
                "architectures names LlamaForSequenceClassification; of decoders only language models",
            ),
            (
                r#"{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}"#,
                "quantization_config: quant_method \"gptq\"",
            ),
            (r#"{"model_type": "bert", "pruned_heads": {"1": [0]}}"#, "pruned_heads"),
            (
                r#"{"model_type": "bert", "problem_type": "multi_label_classification"}"#,
                "problem_type \"multi_label_classification\"",
            ),
            (
                r#"{"model_type": "mistral", "num_hidden_layers": 1, "layer_types": ["full_attention"]}"#,
                "layer_types: all layers of a mistral see the same window",
            ),
            (
                r#"{"model_type": "qwen3", "layer_types": ["full_attention"]}"#,
                "layer_types has 1 entries for 32 layers",
            ),
            (
                r#"{"model_type": "qwen2", "num_hidden_layers": 1, "layer_types": ["linear_attention"]}"#,
                "\"linear_attention\" is none of full_attention",
            ),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(message), "{json}: {error}");
        }
    }

    #[test]
    fn old_and_new_keys_of_rotary_positions_say_the_same() {
        let rope = |json: &str| match read(json) {
            Ok(ModelConfig::Decoder(config)) => config.rope,
            other => panic!("{other:?}"),
        };
        let new = rope(
            r#"{"model_type": "llama", "rope_theta": 7.0, "rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5,
                "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}"#,
        );
        let old = rope(
            r#"{"model_type": "llama", "rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
                "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}"#,
        );
        assert_eq!((new, new.theta), (old, 5e5));
        assert_eq!(
            rope(r#"{"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2}}"#),
            Rope { theta: 10_000.0, scaling: RopeScaling::Linear { factor: 2.0 } }
        );
        assert_eq!(rope(r#"{"model_type": "llama", "rope_scaling": null}"#).scaling, RopeScaling::Default);
    }

    #[test]
    fn windows_are_per_layer() {
        let windows = |json: &str| match read(json) {
            Ok(ModelConfig::Decoder(config)) => config.windows,
            other => panic!("{other:?}"),
        };
        let mistral = r#"{"model_type": "mistral", "num_hidden_layers": 2"#;
        assert_eq!(windows(&format!("{mistral}}}")), [Some(4096); 2]);
        assert_eq!(windows(&format!(r#"{mistral}, "sliding_window": null}}"#)), [None; 2]);
        assert_eq!(windows(&format!(r#"{mistral}, "sliding_window": 8}}"#)), [Some(8); 2]);
        let qwen = r#"{"model_type": "qwen2", "num_hidden_layers": 3, "sliding_window": 8"#;
        assert_eq!(windows(&format!("{qwen}}}")), [None; 3]);
        let sliding = format!(r#"{qwen}, "use_sliding_window": true"#);
        assert_eq!(windows(&format!(r#"{sliding}, "max_window_layers": 2}}"#)), [None, None, Some(8)]);
        let types = r#""layer_types": ["sliding_attention", "full_attention", "full_attention"]"#;
        assert_eq!(windows(&format!("{sliding}, {types}}}")), [Some(8), None, None]);
        assert_eq!(windows(r#"{"model_type": "llama", "num_hidden_layers": 1, "sliding_window": 8}"#), [None]);
    }
}
