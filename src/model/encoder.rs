//! BERT and RoBERTa with a sequence-classification head: transformers' `BertForSequenceClassification` and
//! `RobertaForSequenceClassification`, segment by segment.

use tch::{Kind, Tensor};

use super::config::{EncoderConfig, Family};
use super::layers::{Activation, LayerNorm, Linear};
use super::tape::Pass;
use super::weights::Parameters;
use super::{Inputs, Segments};

/// The layers.
pub struct Encoder {
    config: EncoderConfig,
    embeddings: Embeddings,
    blocks: Vec<Block>,
    head: Head,
}

/// The network on a batch.
pub struct OnBatch<'a> {
    encoder: &'a Encoder,
    inputs: &'a Inputs,
    /// Bool `[rows, 1, 1, length]`: every query sees every token that is not padding.
    visible: Option<Tensor>,
}

impl Encoder {
    /// Builds the layers upon their parameters.
    pub fn new(config: &EncoderConfig, parameters: &Parameters) -> Encoder {
        let prefix = match config.family {
            Family::Bert => "bert",
            Family::Roberta => "roberta",
        };
        Encoder {
            embeddings: Embeddings::new(config, parameters, &format!("{prefix}.embeddings")),
            blocks: (0..config.num_hidden_layers)
                .map(|layer| Block::new(config, parameters, &format!("{prefix}.encoder.layer.{layer}")))
                .collect(),
            head: Head::new(config, parameters),
            config: config.clone(),
        }
    }

    /// The chain of segments for a batch.
    pub fn on<'a>(&'a self, inputs: &'a Inputs) -> OnBatch<'a> {
        let visible = inputs.sequence_ids.as_ref().map(|ids| ids.not_equal(0).unsqueeze(1).unsqueeze(1));
        OnBatch { encoder: self, inputs, visible }
    }
}

impl Segments for OnBatch<'_> {
    fn count(&self) -> usize {
        self.encoder.blocks.len() + 2
    }

    fn forward(&self, segment: usize, hidden: &Tensor, pass: &mut Pass) -> Tensor {
        let config = &self.encoder.config;
        match segment {
            0 => self.encoder.embeddings.forward(config, self.inputs, pass),
            segment if segment <= self.encoder.blocks.len() => {
                self.encoder.blocks[segment - 1].forward(config, hidden, self.visible.as_ref(), pass)
            }
            _ => self.encoder.head.forward(config, hidden, pass),
        }
    }
}

struct Embeddings {
    word: Tensor,
    position: Tensor,
    token_type: Tensor,
    norm: LayerNorm,
}

impl Embeddings {
    fn new(config: &EncoderConfig, parameters: &Parameters, name: &str) -> Embeddings {
        Embeddings {
            word: parameters.get(&format!("{name}.word_embeddings.weight")),
            position: parameters.get(&format!("{name}.position_embeddings.weight")),
            token_type: parameters.get(&format!("{name}.token_type_embeddings.weight")),
            norm: LayerNorm::new(parameters, &format!("{name}.LayerNorm"), config.layer_norm_eps),
        }
    }

    /// `[rows, length, hidden]`.
    fn forward(&self, config: &EncoderConfig, inputs: &Inputs, pass: &mut Pass) -> Tensor {
        let lookup = |table: &Tensor, ids: &Tensor, pad: i64| Tensor::embedding(table, ids, pad, false, false);
        let ids = &inputs.input_ids;
        // A network with one type of token was never told of a second, whatever the tokenizer says.
        let types = match config.type_vocab_size {
            1 => inputs.token_type_ids.zeros_like(),
            _ => inputs.token_type_ids.shallow_clone(),
        };
        // The rows of what pads do not learn, whether or not it occurs in a text.
        let position_pad = if config.family == Family::Roberta { config.pad_token_id } else { -1 };
        let sum = lookup(&self.word, ids, config.pad_token_id)
            + lookup(&self.token_type, &types, -1)
            + lookup(&self.position, &positions(config, ids), position_pad);
        pass.dropout(self.norm.forward(&sum), config.hidden_dropout_prob)
    }
}

/// int64, broadcast to `[rows, length]`. RoBERTa counts from behind the padding id, and padding itself has its id.
fn positions(config: &EncoderConfig, ids: &Tensor) -> Tensor {
    match config.family {
        Family::Bert => Tensor::arange(ids.size()[1], (Kind::Int64, ids.device())).unsqueeze(0),
        Family::Roberta => {
            let token = ids.not_equal(config.pad_token_id).to_kind(Kind::Int64);
            token.cumsum(1, Kind::Int64) * token + config.pad_token_id
        }
    }
}

struct Block {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    activation: Activation,
    output: Linear,
    output_norm: LayerNorm,
}

impl Block {
    fn new(config: &EncoderConfig, parameters: &Parameters, name: &str) -> Block {
        let linear = |module: &str| Linear::new(parameters, &format!("{name}.{module}"));
        let norm = |module: &str| LayerNorm::new(parameters, &format!("{name}.{module}"), config.layer_norm_eps);
        Block {
            query: linear("attention.self.query"),
            key: linear("attention.self.key"),
            value: linear("attention.self.value"),
            attention_output: linear("attention.output.dense"),
            attention_norm: norm("attention.output.LayerNorm"),
            intermediate: linear("intermediate.dense"),
            activation: config.hidden_act,
            output: linear("output.dense"),
            output_norm: norm("output.LayerNorm"),
        }
    }

    /// `[rows, length, hidden]`, as it came.
    fn forward(&self, config: &EncoderConfig, hidden: &Tensor, visible: Option<&Tensor>, pass: &mut Pass) -> Tensor {
        let (rows, length) = (hidden.size()[0], hidden.size()[1]);
        let heads = config.num_attention_heads;
        let split = |x: Tensor| x.view([rows, length, heads, -1]).transpose(1, 2);
        let query = split(self.query.forward(hidden, pass));
        let key = split(self.key.forward(hidden, pass));
        let value = split(self.value.forward(hidden, pass));
        let dropout = pass.probability(config.attention_probs_dropout_prob);
        let attended = Tensor::scaled_dot_product_attention(&query, &key, &value, visible, dropout, false, None, false);
        let attended = attended.transpose(1, 2).reshape([rows, length, -1]);

        let projected = self.attention_output.forward(&attended, pass);
        let projected = pass.dropout(projected, config.hidden_dropout_prob);
        let attended = self.attention_norm.forward(&(projected + hidden));
        let inner = self.activation.forward(&self.intermediate.forward(&attended, pass));
        let outer = self.output.forward(&inner, pass);
        let outer = pass.dropout(outer, config.hidden_dropout_prob);
        self.output_norm.forward(&(outer + attended))
    }
}

/// From the first token to the logits.
enum Head {
    /// `BertPooler`, then the classifier.
    Bert { pooler: Linear, classifier: Linear },
    /// `RobertaClassificationHead`.
    Roberta { dense: Linear, out_proj: Linear },
}

impl Head {
    fn new(config: &EncoderConfig, parameters: &Parameters) -> Head {
        match config.family {
            Family::Bert => Head::Bert {
                pooler: Linear::new(parameters, "bert.pooler.dense"),
                classifier: Linear::new(parameters, "classifier"),
            },
            Family::Roberta => Head::Roberta {
                dense: Linear::new(parameters, "classifier.dense"),
                out_proj: Linear::new(parameters, "classifier.out_proj"),
            },
        }
    }

    /// `[rows, labels]`.
    fn forward(&self, config: &EncoderConfig, hidden: &Tensor, pass: &mut Pass) -> Tensor {
        let first = hidden.select(1, 0);
        let p = config.classifier_dropout;
        match self {
            Head::Bert { pooler, classifier } => {
                let pooled = pooler.forward(&first, pass).tanh();
                classifier.forward(&pass.dropout(pooled, p), pass)
            }
            Head::Roberta { dense, out_proj } => {
                let inner = dense.forward(&pass.dropout(first, p), pass).tanh();
                out_proj.forward(&pass.dropout(inner, p), pass)
            }
        }
    }
}
