//! RoBERTa, XLM-RoBERTa and CamemBERT: a head of two layers, and positions numbered from the padding id on. transformers'
//! `RobertaForSequenceClassification`.

use tch::Tensor;

use super::family::Family;
use crate::model::builder::Builder;
use crate::model::config::{ConfigError, EncoderConfig, EncoderDefaults, Keys, PositionIds};
use crate::model::encoder::{Block, Embeddings, Encoder, EncoderBatch, EncoderSegment};
use crate::model::layers::Linear;
use crate::model::tape::ForwardPass;

pub(super) const FAMILY: Family = Family::Encoder { read, build };

/// `RobertaConfig`.
fn read(keys: Keys<'_>) -> Result<EncoderConfig, ConfigError> {
    let position_ids = PositionIds::AfterPadding;
    EncoderConfig::read(keys, &EncoderDefaults { vocab_size: 50265, pad_token_id: 1, position_ids })
}

fn build(config: &EncoderConfig, builder: &Builder<'_>, labels: i64) -> Encoder {
    let (roberta, hidden) = (builder.base_model("roberta."), config.hidden_size);
    let classifier = builder.in_head(config.head_segment()).pp("classifier");
    Encoder {
        embeddings: Box::new(Embeddings::new(config, &roberta.pp("embeddings"))),
        blocks: Block::stack(config, &roberta.pp("encoder.layer")),
        head: Box::new(ClassificationHead {
            dense: Linear::new(&classifier.pp("dense"), hidden, hidden),
            out_proj: Linear::new(&classifier.as_output().pp("out_proj"), hidden, labels),
            dropout: config.classifier_dropout,
        }),
    }
}

/// `RobertaClassificationHead`: hidden states to logits `[rows, labels]`.
struct ClassificationHead {
    dense: Linear,
    out_proj: Linear,
    dropout: f64,
}

impl EncoderSegment for ClassificationHead {
    fn forward(&self, hidden: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor {
        let first = pass.dropout(batch.first_tokens(hidden), self.dropout);
        let inner = self.dense.forward(&first, pass).tanh();
        self.out_proj.forward(&pass.dropout(inner, self.dropout), pass)
    }
}
