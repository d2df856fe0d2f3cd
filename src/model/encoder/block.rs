//! A block of BERT and RoBERTa: attention, then an MLP, each with a residual connection and a norm behind it.

use tch::Tensor;

use super::segment::{EncoderBatch, EncoderBlock, EncoderSegment};
use crate::model::activation::Activation;
use crate::model::builder::Builder;
use crate::model::config::EncoderConfig;
use crate::model::layers::{LayerNorm, Linear, Norm};
use crate::model::memory::{BlockActivations, TrainingStep};
use crate::model::tape::ForwardPass;

pub(in crate::model) struct Block {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub attention_output: Linear,
    pub attention_norm: LayerNorm,
    pub intermediate: Linear,
    pub output: Linear,
    pub output_norm: LayerNorm,
    pub activation: Activation,
    pub heads: i64,
    pub attention_dropout: f64,
    pub hidden_dropout: f64,
}

impl Block {
    /// All blocks of an encoder, by number below the builder.
    pub fn stack(config: &EncoderConfig, builder: &Builder<'_>) -> Vec<Box<dyn EncoderBlock>> {
        let block = |layer: i64| -> Box<dyn EncoderBlock> {
            Box::new(Block::new(config, &builder.in_segment(layer as usize + 1).pp(layer)))
        };
        (0..config.num_hidden_layers).map(block).collect()
    }

    fn new(config: &EncoderConfig, builder: &Builder<'_>) -> Block {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let linear = |name: &str, inputs: i64, outputs: i64| Linear::new(&builder.pp(name), inputs, outputs);
        let norm = |name: &str| LayerNorm::new(&builder.pp(name), hidden, config.layer_norm_eps);
        Block {
            query: linear("attention.self.query", hidden, hidden),
            key: linear("attention.self.key", hidden, hidden),
            value: linear("attention.self.value", hidden, hidden),
            attention_output: linear("attention.output.dense", hidden, hidden),
            attention_norm: norm("attention.output.LayerNorm"),
            intermediate: linear("intermediate.dense", hidden, inner),
            output: linear("output.dense", inner, hidden),
            output_norm: norm("output.LayerNorm"),
            activation: config.hidden_act,
            heads: config.num_attention_heads,
            attention_dropout: config.attention_probs_dropout_prob,
            hidden_dropout: config.hidden_dropout_prob,
        }
    }

    /// Whether attention keeps its weights: on a CPU libtorch has no fused attention with dropout.
    fn is_unfused(&self, step: &TrainingStep<'_>) -> bool {
        !step.gpu && !step.by_kernels() && step.dropout && self.attention_dropout > 0.0
    }
}

impl EncoderSegment for Block {
    fn forward(&self, hidden: &Tensor, batch: &EncoderBatch<'_>, pass: &mut ForwardPass) -> Tensor {
        let (rows, length) = (hidden.size()[0], hidden.size()[1]);
        let split = |x: Tensor| x.view([rows, length, self.heads, -1]).transpose(1, 2);
        let query = split(self.query.forward(hidden, pass));
        let key = split(self.key.forward(hidden, pass));
        let value = split(self.value.forward(hidden, pass));
        let dropout = pass.dropout_mask(self.attention_dropout);
        let attended = batch.mask.attend(&query, &key, &value, dropout);

        let projected = self.attention_output.forward(&attended, pass);
        let projected = pass.dropout(projected, self.hidden_dropout);
        let attended = self.attention_norm.forward(&(projected + hidden));
        let inner = self.activation.forward(self.intermediate.forward(&attended, pass));
        let outer = self.output.forward(&inner, pass);
        let outer = pass.dropout(outer, self.hidden_dropout);
        self.output_norm.forward(&(outer + attended))
    }
}

impl EncoderBlock for Block {
    /// With H the hidden size, I the intermediate size, A heads, L tokens of an example and e bytes an element, a token
    /// keeps
    ///
    /// - 6·H·e: the block's input, query, key, value, and the inputs of both norms;
    /// - I·e: the input of the activation function;
    /// - A·4 of fused attention; of attention that is not fused, L·A·3e for its weights before and after dropout and the mask, and
    ///   scaled copies of query and key in place of them;
    /// - of trained layers what is dropped otherwise: the inputs of `intermediate` and `output`, or the columns that their
    ///   gradients are made of. Layers that run through oneDNN or have an adapter keep their inputs as well; adapters what
    ///   [`LoraAdapter`](crate::model::lora) says;
    /// - attention's output, H·e, which libtorch's fused attention keeps, and on top of it the columns that `attention_output` needs, if
    ///   not all; of other attention in its place.
    ///
    /// Within the MLP there are gradients of (3·H + I)·e, or 2·(H + I)·e where that of the activation function does not take the
    /// place of its input, within attention that is not fused 3·L·A·e, on a GPU what [`TrainingStep::fused_attention`] counts.
    fn activations(&self, step: &TrainingStep<'_>) -> BlockActivations {
        let (hidden, inner, heads) =
            (self.query.inputs() as u128, self.intermediate.outputs() as u128, self.heads as u128);
        let element = step.element_size;
        let (attention, within) = if self.is_unfused(step) {
            let weights = 3 * step.length * heads * element;
            (weights, weights + 2 * hidden * element)
        } else if step.gpu {
            (heads * 4, step.fused_attention(heads, hidden, hidden))
        } else {
            (heads * 4, 2 * hidden * element)
        };
        let inputs = step.kept_input(&[&self.intermediate]) + step.kept_input(&[&self.output]);
        let taped =
            [&self.attention_output, &self.intermediate, &self.output].map(|linear| step.taped_input(&[linear]));
        let attended = match taped[0] {
            _ if step.by_kernels() => step.kept_input(&[&self.attention_output]),
            columns if columns == 0 || columns == hidden => hidden,
            columns if self.is_unfused(step) => columns,
            columns => hidden + columns,
        };
        let in_place = step.by_kernels() && self.activation == Activation::Gelu;
        let gradients = if in_place { 3 * hidden + inner } else { 2 * (hidden + inner) };
        let linear = [&self.query, &self.key, &self.value, &self.attention_output, &self.intermediate, &self.output];
        BlockActivations {
            kept: (6 * hidden + attended + inner + inputs) * element + attention + step.adapters(&linear),
            inputs: (hidden + taped.iter().sum::<u128>()) * element,
            mlp: gradients * element,
            attention: within as i128 - (inner * element) as i128,
        }
    }
}
