//! What BERT and RoBERTa are made of, by the keys' names in `transformers`.

use super::super::layers::Activation;
use super::keys::Keys;

/// The kinds of encoders there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `BertForSequenceClassification`: a pooler, then one linear layer.
    Bert,
    /// `RobertaForSequenceClassification`, also of XLM-R and CamemBERT: a head of two layers, positions counted from
    /// the padding id on.
    Roberta,
}

/// What a config.json says, by the keys' names in `transformers`. Keys that are absent have the defaults of `BertConfig`.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of transformers' BertConfig, where they are explained")]
pub struct EncoderConfig {
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

impl EncoderConfig {
    /// Tokens that a text may have: RoBERTa's positions begin behind the padding id.
    pub fn longest(&self) -> i64 {
        match self.family {
            Family::Bert => self.max_position_embeddings,
            Family::Roberta => self.max_position_embeddings - self.pad_token_id - 1,
        }
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

/// `BertConfig` or `RobertaConfig`.
pub(super) fn read(keys: Keys<'_>, family: Family) -> Result<EncoderConfig, String> {
    if keys.truth("is_decoder")? || keys.truth("add_cross_attention")? {
        return Err("is_decoder or add_cross_attention: only encoders are supported".into());
    }
    match keys.text("position_embedding_type")? {
        None | Some("absolute") => {}
        Some(other) => return Err(format!("position_embedding_type {other:?}: only \"absolute\" is supported")),
    }
    match keys.text("problem_type")? {
        None | Some("regression" | "single_label_classification") => {}
        Some(other) => {
            return Err(format!(
                "problem_type {other:?}: only regression and single_label_classification are supported; without the key a new \
                 head can be trained upon the network"
            ));
        }
    }
    let hidden_dropout_prob = keys.probability("hidden_dropout_prob")?.unwrap_or(0.1);
    let (pad, vocabulary) = if family == Family::Bert { (0, 30522) } else { (1, 50265) };
    let config = EncoderConfig {
        family,
        vocab_size: keys.size("vocab_size", vocabulary)?,
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
        pad_token_id: keys.number("pad_token_id")?.map_or(pad, |id| id as i64),
        initializer_range: keys.number("initializer_range")?.unwrap_or(0.02),
    };
    config.check()?;
    Ok(config)
}
