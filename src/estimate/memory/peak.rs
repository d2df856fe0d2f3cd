//! The peak of activations and workspace in one micro-batch.
//!
//! What a block keeps from its forward to its backward pass is stated beside its `forward` ([`BlockActivations`]). All blocks from
//! that of the lowest target on keep it. With gradient checkpointing only one block does at a time, and the others keep their
//! input: T·H·e for T tokens of a micro-batch (rows times the length of the longest example), hidden size H and e bytes an element.
//!
//! The workspace on top is the largest of these, less what is freed by then:
//!
//! - after the forward pass, the logits of a chunk of a decoder's tokens and their gradient, 128 MiB each at most;
//! - within a block's MLP and attention, the gradients that are live at one time;
//! - after a block, the gradients of its targets' outputs; of columns, rows and blocks the parts of a target's input and gradient
//!   whose product they are, and of single components of bf16 weights on a CPU fp32 copies of both; on a GPU, and during selection, one dense
//!   gradient and what finding its largest components takes: 24 bytes a component; without a selection one dense gradient alone,
//!   4 bytes a component and where weights are bf16 2 more. Selection keeps whole inputs: where training keeps parts of them,
//!   it uses gradient checkpointing. Inputs that are kept whole to measure gradient mass, in each step of a few targets, do not
//!   count;
//! - behind all blocks, the gradients of the tables of embeddings that are trained;
//! - where the table that makes logits is trained, its fp32 gradient: with the logits once more in the weights' type, and if the
//!   table is that of the embeddings, up to the end;
//! - without a block to train, one block's forward pass;
//! - where a run selects again, the new state of the trained components beside the old one.

use super::step_shape::StepShape;
use crate::model::{BlockActivations, Layers, Layout, ModelConfig, ParameterSpec, TrainingStep};
use crate::sift::{Role, Rules};

/// What a step's memory follows from, in bytes per token of a micro-batch unless stated otherwise.
pub(super) struct StepMemory {
    tokens: u128,
    block: BlockActivations,
    /// A block's input.
    input: u128,
    /// Bytes of a weight.
    element_size: u128,
    /// After a block's backward pass, on top of what it keeps.
    after_block: i128,
    /// What a block holds during selection, where inputs are whole.
    selecting: BlockActivations,
    /// After a block's backward pass during selection, on top of what it keeps.
    after_selecting: i128,
    /// Whether training keeps less than selection, which then uses gradient checkpointing.
    narrows_inputs: bool,
    /// Bytes in total: one dense gradient, and what finding its largest components takes if there is a selection.
    dense_gradient: u128,
    /// Bytes in total: the gradients of the tables of embeddings.
    tables: u128,
    /// Bytes in total: the gradient of the table that makes logits.
    lm_head: u128,
    /// Whether that table is one of the embeddings.
    tied: bool,
    /// Bytes in total of the head and the loss.
    loss: u128,
    /// Blocks with a backward pass.
    blocks: u128,
    checkpointing: bool,
}

impl StepMemory {
    pub fn new(config: &ModelConfig, layout: &Layout, layers: &Layers, rules: &Rules, shape: StepShape) -> StepMemory {
        let is_trained = |name: &str| rules.role(name) != Role::Frozen;
        let trained = || layout.parameters.iter().filter(|spec| is_trained(&spec.name));
        let lowest = trained().map(|spec| spec.segment).min().unwrap_or(usize::MAX).max(1);
        // All blocks count as much as the last one, whose backward pass comes first.
        let last = config.num_hidden_layers() as usize;
        let targets: Vec<&ParameterSpec> =
            trained().filter(|spec| spec.segment == last && spec.is_linear() && spec.shape.len() == 2).collect();
        let element_size = u128::from(shape.dtype);
        let step = TrainingStep {
            element_size,
            gpu: shape.gpu,
            rows: u128::from(shape.rows),
            length: u128::from(shape.length),
            packed: shape.packed,
            dropout: shape.dropout,
            keeps_inputs: shape.keeps_inputs,
            is_trained: &is_trained,
            input_columns: &|name, shape| match rules.role(name) {
                Role::Sparse => rules.structure.input_columns(shape, rules.rate),
                _ => shape[1],
            },
        };
        let selecting = TrainingStep { input_columns: &|_, [_, width]| width, ..step };
        let [block, selecting] =
            [&step, &selecting].map(|step| layers.last_block_activations(step).unwrap_or_default());
        let loss = match layers {
            Layers::Encoder(encoder) => encoder.loss_memory(config.hidden_size(), &step),
            Layers::Decoder(decoder) => decoder.loss_memory(&step),
        };
        let input = config.hidden_size() as u128 * element_size;
        let gradients: u128 = targets.iter().map(|spec| spec.shape[0] as u128 * element_size).sum();
        let copies = |spec: &&ParameterSpec| {
            let (out, width) = (spec.shape[0], spec.shape[1]);
            match rules.structure.product_operands([out, width], rules.rate) {
                Some(parts) if rules.role(&spec.name) == Role::Sparse => parts as u128 * element_size,
                _ if shape.gpu || element_size == 4 => 0,
                _ => (out + width) as u128 * 4,
            }
        };
        let copies = targets.iter().map(copies).max().unwrap_or(0);
        let after =
            |block: &BlockActivations| (gradients + 2 * input + copies + block.inputs) as i128 - block.kept as i128;
        let largest = targets.iter().map(|spec| spec.components() as u128).max().unwrap_or(0);
        let selects = trained().any(|spec| rules.role(&spec.name) == Role::Sparse);
        let tables = trained().filter(|spec| spec.segment == 0 && spec.shape.len() == 2);
        let lm_head = trained().find(|spec| spec.lm_head);
        StepMemory {
            tokens: step.tokens(),
            block,
            input,
            element_size,
            after_block: after(&block),
            after_selecting: after(&selecting),
            selecting,
            narrows_inputs: selects && rules.structure.narrows_inputs(),
            dense_gradient: largest
                * match (selects, element_size) {
                    (true, 4) => 24,
                    (true, _) => 26,
                    (false, 4) => 4,
                    (false, _) => 6,
                },
            tables: tables.map(|spec| spec.components() as u128 * element_size).sum(),
            lm_head: lm_head.map_or(0, |spec| spec.components() as u128 * 4),
            tied: lm_head.is_some_and(|spec| spec.segment == 0),
            loss,
            blocks: (last + 1).saturating_sub(lowest) as u128,
            checkpointing: shape.checkpointing,
        }
    }

    /// The peak with so many sparse trained components, and for a run that selects again the bytes that it takes to move
    /// their state. Absurd sizes give an absurd number and no overflow.
    pub fn peak(&self, selected: u64, moved: Option<u64>) -> Peak {
        let (tokens, blocks) = (self.tokens, self.blocks);
        let kept_by = |block: &BlockActivations, checkpointing: bool| match (blocks, checkpointing) {
            (0, _) => 0,
            (blocks, true) => (blocks - 1) * tokens * self.input + tokens * block.kept,
            (blocks, false) => blocks * tokens * block.kept,
        };
        let kept = kept_by(&self.block, self.checkpointing);
        let kept_to_select = kept_by(&self.selecting, self.checkpointing || self.narrows_inputs);
        let after_forward = match (blocks, self.checkpointing) {
            (blocks, true) => blocks * tokens * self.input,
            (_, false) => kept,
        };
        let held = if self.tied { self.lm_head } else { 0 };
        let on_top = |kept: u128, bytes: i128| (kept + held) as i128 + tokens as i128 * bytes;
        let with_kept = |bytes: i128| on_top(kept, bytes);
        // During the first selection the optimizer state does not exist yet, except for the indices.
        let without_state = if moved.is_some() { 0 } else { 16 * i128::from(selected) };
        let mut moments = vec![
            (after_forward + self.loss + self.lm_head + self.lm_head / 4 * self.element_size) as i128,
            (self.tables + held) as i128,
            on_top(kept_to_select, self.after_selecting) + self.dense_gradient as i128 - without_state,
            i128::from(moved.unwrap_or(0)),
        ];
        if blocks == 0 {
            moments.push((tokens * self.block.kept) as i128);
        } else {
            moments.extend([self.block.mlp as i128, self.block.attention, self.after_block].map(with_kept));
        }
        let peak = moments.into_iter().max().unwrap_or(0).max(0) as u128;
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
