//! The memory of a block in a training step. The formulas are beside each block's `forward`.

use super::layers::Linear;

/// The properties of a training step that the memory of a block and of the head depends on.
pub struct TrainingStep<'a> {
    /// Bytes of a weight and of an activation.
    pub element_size: u128,
    /// Whether it runs on a GPU.
    pub gpu: bool,
    /// Examples of a micro-batch.
    pub rows: u128,
    /// Tokens of the longest example.
    pub length: u128,
    /// Whether dropout is on.
    pub dropout: bool,
    /// Whether all linear layers keep their inputs, as they do through oneDNN ([`by_onednn`](super::by_onednn)).
    pub keeps_inputs: bool,
    /// Whether the parameter of this name is trained.
    pub is_trained: &'a dyn Fn(&str) -> bool,
}

impl TrainingStep<'_> {
    /// Tokens of a micro-batch, padding included.
    pub fn tokens(&self) -> u128 {
        self.rows * self.length
    }

    /// 1 if the layer's input is kept, because its weight is trained or it has an adapter; else 0.
    pub fn keeps_input(&self, linear: &Linear) -> u128 {
        self.trains(linear).max(u128::from(linear.adapter().is_some()))
    }

    /// Bytes per token that the adapters of these layers keep on top of the layers' inputs.
    pub fn adapters(&self, layers: &[&Linear]) -> u128 {
        let adapted = layers.iter().filter_map(|linear| Some((linear.adapter()?, linear.inputs() as u128)));
        adapted.map(|(adapter, inputs)| adapter.activations(inputs, self.element_size, self.dropout, self.gpu)).sum()
    }

    /// 1 if the layer's weight is trained, so that its input and output are kept; else 0.
    pub fn trains(&self, linear: &Linear) -> u128 {
        u128::from((self.is_trained)(&format!("{}.weight", linear.name())))
    }
}

/// Bytes per token that a block holds in a training step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockActivations {
    /// Held from the block's forward to its backward pass.
    pub kept: u128,
    /// The part of `kept` that is the inputs of trained linear layers. It lives on until their gradients are made.
    pub inputs: u128,
    /// Gradients alive at one time within the MLP, on top of `kept`.
    pub mlp: u128,
    /// Gradients alive at one time within attention, on top of `kept` and less what the MLP has freed.
    pub attention: i128,
}
