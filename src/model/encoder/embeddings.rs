//! The embeddings of BERT and RoBERTa: words, positions and token types, summed and normalized.

use tch::{Kind, Tensor};

use super::segment::{EncoderBatch, EncoderSegment};
use crate::model::builder::Builder;
use crate::model::config::{EncoderConfig, PositionIds};
use crate::model::layers::{Embedding, LayerNorm, Norm};
use crate::model::segments::Inputs;
use crate::model::tape::ForwardPass;

pub(in crate::model) struct Embeddings {
    word: Embedding,
    position: Embedding,
    token_type: Embedding,
    norm: LayerNorm,
    dropout: f64,
    pad_token_id: i64,
    position_ids: PositionIds,
    type_vocab_size: i64,
}

impl Embeddings {
    pub fn new(config: &EncoderConfig, builder: &Builder<'_>) -> Embeddings {
        let (hidden, pad) = (config.hidden_size, config.pad_token_id);
        let positions = config.max_position_embeddings;
        // As in transformers, rows of padding get no gradient, even where the id occurs in a text.
        let padded_position = (config.position_ids == PositionIds::AfterPadding).then_some(pad);
        Embeddings {
            word: Embedding::new(&builder.pp("word_embeddings"), config.vocab_size, hidden, Some(pad)),
            position: Embedding::new(&builder.pp("position_embeddings"), positions, hidden, padded_position),
            token_type: Embedding::new(&builder.pp("token_type_embeddings"), config.type_vocab_size, hidden, None),
            norm: LayerNorm::new(&builder.pp("LayerNorm"), hidden, config.layer_norm_eps),
            dropout: config.hidden_dropout_prob,
            pad_token_id: pad,
            position_ids: config.position_ids,
            type_vocab_size: config.type_vocab_size,
        }
    }

    /// Positions of ids int64 `[rows, length]`: int64, broadcast to `[rows, length]`.
    fn positions(&self, ids: &Tensor) -> Tensor {
        match self.position_ids {
            PositionIds::FromZero => Tensor::arange(ids.size()[1], (Kind::Int64, ids.device())).unsqueeze(0),
            PositionIds::AfterPadding => {
                let token = ids.not_equal(self.pad_token_id).to_kind(Kind::Int64);
                token.cumsum(1, Kind::Int64) * token + self.pad_token_id
            }
        }
    }
}

impl EncoderSegment for Embeddings {
    /// `[rows, length, hidden]`, or `[1, tokens, hidden]` without padding.
    fn forward(&self, _: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor {
        let Inputs { input_ids, token_type_ids, .. } = batch.inputs;
        // A network with one token type was trained without a second, whatever the tokenizer says.
        let types = match self.type_vocab_size {
            1 => token_type_ids.zeros_like(),
            _ => token_type_ids.shallow_clone(),
        };
        let ids = [input_ids, &types, &self.positions(input_ids)];
        let [words, types, positions] = ids.map(|ids| match &batch.inputs.unpadded {
            Some(unpadded) => unpadded.unpad(ids),
            None => ids.shallow_clone(),
        });
        let sum = self.word.forward(&words) + self.token_type.forward(&types) + self.position.forward(&positions);
        pass.dropout(self.norm.forward(&sum), self.dropout)
    }
}
