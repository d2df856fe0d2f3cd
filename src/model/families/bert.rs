//! BERT: a pooler, then one linear layer. transformers' `BertForSequenceClassification`.

use tch::Tensor;

use super::family::Family;
use crate::model::builder::Builder;
use crate::model::config::{ConfigError, EncoderConfig, EncoderDefaults, Keys, PositionIds};
use crate::model::encoder::{Block, Embeddings, Encoder, EncoderBatch, EncoderSegment};
use crate::model::layers::Linear;
use crate::model::tape::ForwardPass;

pub(super) const FAMILY: Family = Family::Encoder { read, build };

/// `BertConfig`.
fn read(keys: Keys<'_>) -> Result<EncoderConfig, ConfigError> {
    let position_ids = PositionIds::FromZero;
    EncoderConfig::read(keys, &EncoderDefaults { vocab_size: 30522, pad_token_id: 0, position_ids })
}

fn build(config: &EncoderConfig, builder: &Builder<'_>, labels: i64) -> Encoder {
    let (bert, hidden, head) = (builder.base_model("bert."), config.hidden_size, config.head_segment());
    Encoder {
        embeddings: Box::new(Embeddings::new(config, &bert.pp("embeddings"))),
        blocks: Block::stack(config, &bert.pp("encoder.layer")),
        head: Box::new(PooledHead {
            pooler: Linear::new(&bert.in_head(head).pp("pooler.dense"), hidden, hidden),
            classifier: Linear::new(&builder.in_head(head).as_output().pp("classifier"), hidden, labels),
            dropout: config.classifier_dropout,
        }),
    }
}

/// `BertPooler`, then the classifier: hidden states to logits `[rows, labels]`.
struct PooledHead {
    pooler: Linear,
    classifier: Linear,
    dropout: f64,
}

impl EncoderSegment for PooledHead {
    fn forward(&self, hidden: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor {
        let pooled = self.pooler.forward(&batch.first_tokens(hidden), pass).tanh();
        self.classifier.forward(&pass.dropout(pooled, self.dropout), pass)
    }
}
