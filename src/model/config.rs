//! config.json of an encoder, read and checked. Nothing is built here.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::layers::Activation;
use crate::Usage;

/// A config.json has a few KB; with the label names of a large task some hundred.
const LARGEST: u64 = 16 << 20;

/// Beyond any published model, and small enough that no product of two sizes overflows or exhausts memory.
const MOST: i64 = 1 << 24;

/// The architectures there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `BertForSequenceClassification`: a pooler, then one linear layer.
    Bert,
    /// `RobertaForSequenceClassification`, also of XLM-R and CamemBERT: a head of two layers, positions counted from
    /// the padding id on.
    Roberta,
}

/// `model_type` and the architecture behind it.
const KNOWN: [(&str, Family); 4] = [
    ("bert", Family::Bert),
    ("camembert", Family::Roberta),
    ("roberta", Family::Roberta),
    ("xlm-roberta", Family::Roberta),
];

/// What a config.json says, by the keys' names in `transformers`. Keys that are absent have the defaults of `BertConfig`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of transformers' BertConfig, where they are explained")]
pub struct Config {
    pub family: Family,
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub intermediate_size: i64,
    pub hidden_act: Activation,
    pub hidden_dropout_prob: f64,
    pub attention_probs_dropout_prob: f64,
    /// Dropout before the head's last layer: `classifier_dropout`, or `hidden_dropout_prob` where it is null.
    pub classifier_dropout: f64,
    pub max_position_embeddings: i64,
    pub type_vocab_size: i64,
    pub layer_norm_eps: f64,
    pub pad_token_id: i64,
    pub initializer_range: f64,
}

impl Config {
    /// Reads `folder/config.json`.
    ///
    /// # Errors
    /// [`Usage`]: no such file, not JSON, an unknown `model_type`, a value that cannot be.
    pub fn read(folder: &Path) -> Result<Config> {
        let path = folder.join("config.json");
        let Ok(metadata) = fs::metadata(&path) else {
            bail!(Usage(format!("{}: no such file; a model's folder needs its config.json", path.display())));
        };
        if metadata.len() > LARGEST {
            bail!(Usage(format!("{}: larger than {} MiB, so it is no config.json", path.display(), LARGEST >> 20)));
        }
        let text = fs::read(&path).with_context(|| format!("{}: cannot read", path.display()))?;
        let config = serde_json::from_slice(&text).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
        Config::from_json(&config).map_err(|error| Usage(format!("{}: {error}", path.display())).into())
    }

    /// Tokens that a text may have: RoBERTa's positions begin behind the padding id.
    pub fn longest(&self) -> i64 {
        match self.family {
            Family::Bert => self.max_position_embeddings,
            Family::Roberta => self.max_position_embeddings - self.pad_token_id - 1,
        }
    }

    fn from_json(json: &Map<String, Value>) -> Result<Config, String> {
        let keys = Keys(json);
        let family = family(keys.text("model_type")?)?;
        if keys.truth("is_decoder")? || keys.truth("add_cross_attention")? {
            return Err("is_decoder or add_cross_attention: only encoders are supported".into());
        }
        match keys.text("position_embedding_type")? {
            None | Some("absolute") => {}
            Some(other) => return Err(format!("position_embedding_type {other:?}: only \"absolute\" is supported")),
        }
        let act = keys.text("hidden_act")?.unwrap_or("gelu");
        let hidden_dropout_prob = keys.probability("hidden_dropout_prob")?.unwrap_or(0.1);
        let (pad, types) = if family == Family::Bert { (0, 2) } else { (1, 1) };
        let config = Config {
            family,
            vocab_size: keys.size("vocab_size", 30522)?,
            hidden_size: keys.size("hidden_size", 768)?,
            num_hidden_layers: keys.size("num_hidden_layers", 12)?,
            num_attention_heads: keys.size("num_attention_heads", 12)?,
            intermediate_size: keys.size("intermediate_size", 3072)?,
            hidden_act: Activation::named(act).ok_or_else(|| {
                format!("hidden_act {act:?} is none of {}", Activation::NAMES.map(|(name, _)| name).join(", "))
            })?,
            hidden_dropout_prob,
            attention_probs_dropout_prob: keys.probability("attention_probs_dropout_prob")?.unwrap_or(0.1),
            classifier_dropout: keys.probability("classifier_dropout")?.unwrap_or(hidden_dropout_prob),
            max_position_embeddings: keys.size("max_position_embeddings", 512)?,
            type_vocab_size: keys.size("type_vocab_size", types)?,
            layer_norm_eps: keys.number("layer_norm_eps")?.unwrap_or(1e-12),
            pad_token_id: keys.number("pad_token_id")?.map_or(pad, |id| id as i64),
            initializer_range: keys.number("initializer_range")?.unwrap_or(0.02),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.hidden_size % self.num_attention_heads != 0 {
            return Err(format!(
                "hidden_size {} cannot be split into num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        for (key, size, most) in [
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("hidden_size", self.hidden_size, 1 << 14),
            ("intermediate_size", self.intermediate_size, 1 << 17),
        ] {
            if size > most {
                return Err(format!("{key} {size} is beyond any model, {most} at most"));
            }
        }
        if !(0..self.vocab_size).contains(&self.pad_token_id) {
            return Err(format!("pad_token_id {} is not below vocab_size {}", self.pad_token_id, self.vocab_size));
        }
        if self.longest() < 1 {
            return Err(format!("max_position_embeddings {} leaves no position", self.max_position_embeddings));
        }
        Ok(())
    }
}

fn family(model_type: Option<&str>) -> Result<Family, String> {
    let names = || KNOWN.map(|(name, _)| name).join(", ");
    let Some(model_type) = model_type else {
        return Err(format!("no model_type; the known ones are {}", names()));
    };
    let known = KNOWN.iter().find(|(name, _)| *name == model_type);
    known.map(|(_, family)| *family).ok_or_else(|| format!("model_type {model_type:?} is none of {}", names()))
}

/// Typed access; an absent key and null are the same, as in `transformers`.
struct Keys<'a>(&'a Map<String, Value>);

impl<'a> Keys<'a> {
    fn get<T>(&self, key: &str, wanted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, String> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| {
                let shown: String = value.to_string().chars().take(60).collect();
                format!("{key} is {shown}, expected {wanted}")
            }),
        }
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, String> {
        self.get(key, "a string", Value::as_str)
    }

    fn truth(&self, key: &str) -> Result<bool, String> {
        Ok(self.get(key, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    fn number(&self, key: &str) -> Result<Option<f64>, String> {
        self.get(key, "a number from 0 on", |value| value.as_f64().filter(|number| *number >= 0.0))
    }

    fn probability(&self, key: &str) -> Result<Option<f64>, String> {
        self.get(key, "a number from 0 to below 1", |value| value.as_f64().filter(|p| (0.0..1.0).contains(p)))
    }

    fn size(&self, key: &str, default: i64) -> Result<i64, String> {
        let wanted = format!("a whole number from 1 to {MOST}");
        Ok(self.get(key, &wanted, |value| value.as_i64().filter(|size| (1..=MOST).contains(size)))?.unwrap_or(default))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Config, String> {
        Config::from_json(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn absent_keys_and_null_have_their_defaults() {
        let config =
            read(r#"{"model_type": "roberta", "classifier_dropout": null, "max_position_embeddings": 514}"#).unwrap();
        assert_eq!((config.family, config.hidden_size, config.classifier_dropout), (Family::Roberta, 768, 0.1));
        assert_eq!(config.longest(), 512);
        assert_eq!(read(r#"{"model_type": "bert"}"#).unwrap().longest(), 512);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (json, message) in [
            (r#"{}"#, "no model_type; the known ones are bert, camembert, roberta, xlm-roberta"),
            (r#"{"model_type": "t5"}"#, "model_type \"t5\" is none of bert, camembert, roberta, xlm-roberta"),
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
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(message), "{json}: {error}");
        }
    }
}
