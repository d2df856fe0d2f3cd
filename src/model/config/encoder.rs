//! The config of BERT-like encoders, by the names of its keys in transformers.

use super::error::ConfigError;
use super::keys::{Keys, check_sizes};
use crate::model::activation::Activation;

/// How tokens are numbered for the table of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionIds {
    /// From 0, as in BERT.
    FromZero,
    /// From the padding id + 1, as in RoBERTa; padding itself has the padding id.
    AfterPadding,
}

/// The config.json of an encoder. Absent keys have the defaults of `BertConfig`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of transformers' BertConfig, where they are explained")]
pub struct EncoderConfig {
    /// Names the family.
    pub model_type: &'static str,
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
    /// Names of the classes in order, if the config names every class. transformers writes `LABEL_0` and so on for classes
    /// without names.
    pub id2label: Option<Vec<String>>,
    /// Whether `problem_type` is `regression`.
    pub regression: bool,
    /// How tokens are numbered. It belongs to the family and is no key.
    pub position_ids: PositionIds,
}

/// What an absent key means where families differ.
pub(in crate::model) struct EncoderDefaults {
    pub vocab_size: i64,
    pub pad_token_id: i64,
    pub position_ids: PositionIds,
}

impl EncoderConfig {
    /// Tokens that a text may have.
    pub fn max_tokens(&self) -> i64 {
        match self.position_ids {
            PositionIds::FromZero => self.max_position_embeddings,
            PositionIds::AfterPadding => self.max_position_embeddings - self.pad_token_id - 1,
        }
    }

    /// The head's segment: the one after the embeddings and the blocks.
    pub(in crate::model) fn head_segment(&self) -> usize {
        self.num_hidden_layers as usize + 1
    }

    pub(in crate::model) fn read(keys: Keys<'_>, defaults: &EncoderDefaults) -> Result<EncoderConfig, ConfigError> {
        refuse_variants(keys)?;
        let hidden_dropout_prob = keys.probability("hidden_dropout_prob")?.unwrap_or(0.1);
        let config = EncoderConfig {
            // Filled in from the table of families.
            model_type: "",
            vocab_size: keys.size("vocab_size", defaults.vocab_size)?,
            hidden_size: keys.size("hidden_size", 768)?,
            num_hidden_layers: keys.size("num_hidden_layers", 12)?,
            num_attention_heads: keys.size("num_attention_heads", 12)?,
            intermediate_size: keys.size("intermediate_size", 3072)?,
            hidden_act: keys.one_of("hidden_act", "gelu", &Activation::NAMES)?,
            hidden_dropout_prob,
            attention_probs_dropout_prob: keys.probability("attention_probs_dropout_prob")?.unwrap_or(0.1),
            classifier_dropout: keys.probability("classifier_dropout")?.unwrap_or(hidden_dropout_prob),
            max_position_embeddings: keys.size("max_position_embeddings", 512)?,
            type_vocab_size: keys.size("type_vocab_size", 2)?,
            layer_norm_eps: keys.number("layer_norm_eps")?.unwrap_or(1e-12),
            pad_token_id: keys.number("pad_token_id")?.map_or(defaults.pad_token_id, |id| id as i64),
            initializer_range: keys.number("initializer_range")?.unwrap_or(0.02),
            id2label: id2label(keys),
            regression: keys.string("problem_type")? == Some("regression"),
            position_ids: defaults.position_ids,
        };
        config.check()?;
        Ok(config)
    }

    /// Whether the values fit together.
    pub(in crate::model) fn check(&self) -> Result<(), ConfigError> {
        let refused = |reason: String| Err(ConfigError::Unsupported(reason));
        if self.hidden_size % self.num_attention_heads != 0 {
            return refused(format!(
                "hidden_size {} cannot be split into num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        check_sizes(&[
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("hidden_size", self.hidden_size, 1 << 14),
            ("intermediate_size", self.intermediate_size, 1 << 17),
        ])?;
        if !(0..self.vocab_size).contains(&self.pad_token_id) {
            return refused(format!("pad_token_id {} is not below vocab_size {}", self.pad_token_id, self.vocab_size));
        }
        if self.max_tokens() < 1 {
            return refused(format!("max_position_embeddings {} leaves no position", self.max_position_embeddings));
        }
        Ok(())
    }
}

/// `id2label` as a list. Only classifiers need it, so that of another shape is no error here.
fn id2label(keys: Keys<'_>) -> Option<Vec<String>> {
    let names = keys.0.get("id2label")?.as_object()?;
    (0..names.len()).map(|id| names.get(&id.to_string())?.as_str().map(str::to_owned)).collect()
}

/// Variants of encoders that would be another network.
pub(in crate::model) fn refuse_variants(keys: Keys<'_>) -> Result<(), ConfigError> {
    let refused = |reason: String| Err(ConfigError::Unsupported(reason));
    if keys.flag("is_decoder")? || keys.flag("add_cross_attention")? {
        return refused("is_decoder or add_cross_attention: only encoders are supported".into());
    }
    match keys.string("position_embedding_type")? {
        None | Some("absolute") => {}
        Some(other) => return refused(format!("position_embedding_type {other:?}: only \"absolute\" is supported")),
    }
    match keys.string("problem_type")? {
        None | Some("regression" | "single_label_classification") => Ok(()),
        Some(other) => refused(format!(
            "problem_type {other:?}: only regression and single_label_classification are supported; without the key a new head \
             can be trained on the network"
        )),
    }
}
