//! The peak of activations and workspace in one micro-batch.
//!
//! With T tokens in a micro-batch (rows times the length of the longest example), hidden size H, inner size I, A heads and
//! e bytes a number, an encoder block in the backward pass keeps
//!
//! - 7·T·H·e: the block's input, query, key, value, the output of attention, and the inputs of both norms;
//! - T·I·e: the input of the activation function;
//! - 2·T·H·m for its two dropouts, with m bytes a mask element: 1 on a GPU, e on a CPU;
//! - for attention T·A·4 where it is fused; on a CPU with dropout, where it is not fused, 3·T·H·e for copies of query, key
//!   and value and T·L·A·(2e + m) for its weights over L tokens, before and after dropout, and the mask;
//! - for targets what would be freed otherwise: the outputs of `attention.output.dense` and `output.dense`, and the inputs
//!   of `intermediate.dense` and `output.dense`.
//!
//! A decoder block with Q query and K key features a token keeps
//!
//! - T·H·e of its input and T·H·4 for the input of each norm, which is the same memory where e is 4;
//! - 2·T·(Q + K)·e: rotated queries and keys, values, and the output of attention; T·A·4 for attention, which is fused;
//! - 3·T·I·e: the gate, before and after its activation, and the up projection;
//! - for targets their inputs and outputs, where these are not among the above: T·H·e for q, k and v together, T·H·e for
//!   gate and up together, T·I·e for down; Q, K, H and H for the outputs of q, k, o and down; on a CPU Q for a copy of the
//!   input of o.
//!
//! Linear layers computed by oneDNN keep their inputs, as targets do.
//!
//! All blocks from the lowest target on keep this until their backward pass. With gradient checkpointing one block does at
//! a time, and the others keep their input: T·H·e.
//!
//! The workspace on top is the largest of these, less what is freed by then:
//!
//! - after the forward pass the logits of some tokens of a decoder, twice, 128 MiB each at most;
//! - in the MLP of a block its gradients: 2·T·(H + I)·e of an encoder, 3·T·(H + I)·e of a decoder;
//! - in attention, where it is not fused, T·L·A·e;
//! - after a block the gradients of its targets' outputs; on a CPU fp32 copies of a target's input and gradient; during
//!   selection one whole gradient and the search for its largest components: 24 bytes a component;
//! - in the update three fp32 numbers for each trained component, or for [`UPDATE_PART`] of them.

use super::step_shape::StepShape;
use crate::model::{DecoderConfig, EncoderConfig, Layout, ModelConfig, ParameterSpec};
use crate::sift::{Role, Rules, UPDATE_PART};

/// Bytes of the logits that exist at a time, at most.
const LOGITS: u128 = 128 << 20;

/// Bytes per token of a micro-batch, unless stated otherwise.
pub(super) struct ActivationBytes {
    tokens: u128,
    /// Kept by a block until its backward pass.
    kept: u128,
    /// The input of a block.
    input: u128,
    /// On top of `kept`: in the MLP, in attention, and after the block.
    mlp: u128,
    attention: i128,
    after_block: i128,
    /// Bytes in total: one whole gradient, and the search for its largest components.
    whole: u128,
    /// Bytes in total: logits and their gradient.
    head: u128,
    /// Blocks with a backward pass.
    blocks: u128,
    checkpointing: bool,
}

impl ActivationBytes {
    pub fn new(config: &ModelConfig, layout: &Layout, rules: &Rules, step: StepShape) -> ActivationBytes {
        let trained = || layout.parameters.iter().filter(|spec| rules.role(&spec.name) != Role::Frozen);
        let lowest = trained().map(|spec| spec.segment).min().unwrap_or(usize::MAX).max(1);
        let (layers, hidden, inner) = match config {
            ModelConfig::Encoder(config) => (config.num_hidden_layers, config.hidden_size, config.intermediate_size),
            ModelConfig::Decoder(config) => (config.num_hidden_layers, config.hidden_size, config.intermediate_size),
        };
        let (layers, hidden, inner) = (layers as usize, hidden as u128, inner as u128);
        // All blocks count as much as the last one, whose backward pass comes first.
        let targets: Vec<&ParameterSpec> =
            trained().filter(|spec| spec.segment == layers && spec.linear && spec.shape.len() == 2).collect();
        // The whole module name: `attention.output.dense` ends in `output.dense` too.
        let is_target = |module: &str| {
            let name = format!(".{}.{module}.weight", layers.saturating_sub(1));
            targets.iter().any(|spec| spec.name.ends_with(&name))
        };
        let (rows, number) = (u128::from(step.rows), u128::from(step.dtype));
        let tokens = rows * u128::from(step.length);
        let input = hidden * number;
        let (kept, inputs, mlp, attention, head) = match config {
            ModelConfig::Encoder(config) => {
                let (kept, inputs) = encoder_block(config, &is_target, step);
                let scores = u128::from(step.length) * config.num_attention_heads as u128 * number;
                let unfused = if is_unfused(config, step) { scores } else { 0 };
                let attention = (unfused + 2 * input) as i128 - (inner * number) as i128;
                (kept, inputs, 2 * (hidden + inner) * number, attention, rows * 4 * input)
            }
            ModelConfig::Decoder(config) => {
                let (kept, inputs) = decoder_block(config, &is_target, step);
                let logits = (tokens * config.vocab_size as u128 * 4).min(LOGITS);
                // The output of the final norm exists until the end of the backward pass.
                let mlp = 3 * (hidden + inner) * number + input;
                (kept, inputs, mlp, 0, 2 * logits + 5 * tokens * input)
            }
        };
        let gradients: u128 = targets.iter().map(|spec| spec.shape[0] as u128 * number).sum();
        let copies = |spec: &&ParameterSpec| (spec.shape[0] + spec.shape[1]) as u128 * 4;
        let copies = if step.gpu { 0 } else { targets.iter().map(copies).max().unwrap_or(0) };
        let size = |spec: &&ParameterSpec| spec.shape.iter().product::<i64>() as u128;
        ActivationBytes {
            tokens,
            kept,
            input,
            mlp,
            attention,
            after_block: (gradients + 2 * input + copies + inputs) as i128 - kept as i128,
            whole: targets.iter().map(size).max().unwrap_or(0) * if number == 4 { 24 } else { 26 },
            head,
            blocks: (layers + 1).saturating_sub(lowest) as u128,
            checkpointing: step.checkpointing,
        }
    }

    /// The peak for so many sparse and dense trained components. Absurd sizes give an absurd number and no overflow.
    pub fn peak(&self, selected: u64, dense: u64) -> Peak {
        let (tokens, blocks) = (self.tokens, self.blocks);
        let kept = match (blocks, self.checkpointing) {
            (0, _) => 0,
            (blocks, true) => (blocks - 1) * tokens * self.input + tokens * self.kept,
            (blocks, false) => blocks * tokens * self.kept,
        };
        let after_forward = match (blocks, self.checkpointing) {
            (blocks, true) => blocks * tokens * self.input,
            (_, false) => kept,
        };
        let signed = |bytes: i128| kept as i128 + tokens as i128 * bytes;
        let mut peaks = vec![
            (after_forward + self.head) as i128,
            // During selection the optimizer state does not exist yet, except for the indices.
            signed(self.after_block) + self.whole as i128 - 16 * i128::from(selected),
            12 * i128::from(selected + dense).min(UPDATE_PART.into()),
        ];
        if blocks > 0 {
            peaks.extend([signed(self.mlp as i128), signed(self.attention), signed(self.after_block)]);
        }
        let peak = peaks.into_iter().max().unwrap_or(0).max(0) as u128;
        let bytes = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
        Peak { activations: bytes(kept.min(peak)), workspace: bytes(peak.saturating_sub(kept)) }
    }
}

/// Bytes of one micro-batch at the peak.
pub(super) struct Peak {
    /// Everything kept for the backward pass.
    pub activations: u64,
    /// On top of it.
    pub workspace: u64,
}

/// Whether attention keeps its weights: libtorch has no fused attention with dropout for CPUs.
fn is_unfused(config: &EncoderConfig, step: StepShape) -> bool {
    !step.gpu && step.dropout && config.attention_probs_dropout_prob > 0.0
}

/// Bytes per token that a block keeps, and those of them that are inputs of targets.
fn encoder_block(config: &EncoderConfig, is_target: &dyn Fn(&str) -> bool, step: StepShape) -> (u128, u128) {
    let (hidden, inner) = (config.hidden_size as u128, config.intermediate_size as u128);
    let heads = config.num_attention_heads as u128;
    let (length, number) = (u128::from(step.length), u128::from(step.dtype));
    let mask = if step.gpu { 1 } else { number };
    let target = |module: &str| u128::from(is_target(module));
    let dropout = if step.dropout && config.hidden_dropout_prob > 0.0 { 2 * hidden * mask } else { 0 };
    let attention =
        if is_unfused(config, step) { 3 * hidden * number + length * heads * (2 * number + mask) } else { heads * 4 };
    let (projection, intermediate, output) =
        (target("attention.output.dense"), target("intermediate.dense"), target("output.dense"));
    let keeps = u128::from(step.keeps_inputs);
    let besides = (projection + intermediate.max(keeps) + output) * hidden + output.max(keeps) * inner;
    let inputs = (1 + projection + intermediate) * hidden + output * inner;
    ((7 * hidden + inner + besides) * number + dropout + attention, inputs * number)
}

/// The same for a decoder.
fn decoder_block(config: &DecoderConfig, is_target: &dyn Fn(&str) -> bool, step: StepShape) -> (u128, u128) {
    let (hidden, inner) = (config.hidden_size as u128, config.intermediate_size as u128);
    let heads = config.num_attention_heads as u128;
    let query = heads * config.head_dim as u128;
    let key = (config.num_key_value_heads * config.head_dim) as u128;
    let number = u128::from(step.dtype);
    let target = |module: &str| u128::from(is_target(module));
    let (q, k, v, o) = (
        target("self_attn.q_proj"),
        target("self_attn.k_proj"),
        target("self_attn.v_proj"),
        target("self_attn.o_proj"),
    );
    let (gate, up, down) = (target("mlp.gate_proj"), target("mlp.up_proj"), target("mlp.down_proj"));
    let keeps = u128::from(step.keeps_inputs);
    let copied = if step.gpu { 0 } else { o.max(keeps) * query };
    let inputs = q.max(k).max(v) * hidden + gate.max(up) * hidden + down * inner;
    let given = (q.max(k).max(v).max(keeps) + gate.max(up).max(keeps)) * hidden + down.max(keeps) * inner;
    let outputs = q * query + k * key + (o + down) * hidden;
    // Norms compute in fp32 and keep their input in that type.
    let norms = if number == 4 { 2 * hidden * 4 } else { hidden * number + 2 * hidden * 4 };
    let head_norms = match (config.qk_norm, number) {
        (false, _) => 0,
        (true, 4) => ((1 - q) * query + (1 - k) * key) * 4,
        (true, _) => (query + key) * 4,
    };
    let kept = (2 * query + 2 * key + 3 * inner + given + outputs + copied) * number;
    (kept + norms + head_norms + heads * 4, (inputs + o * query) * number)
}
