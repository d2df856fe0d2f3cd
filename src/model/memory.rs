//! The memory of a block in a training step. The formulas are beside each block's `forward`.

use super::layers::Linear;

/// Multiprocessors of a GPU, about: those of an H100.
const MULTIPROCESSORS: u128 = 132;

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
    /// Whether rows are packed, so that a decoder's attention has a mask.
    pub packed: bool,
    /// Whether dropout is on.
    pub dropout: bool,
    /// Whether all linear layers keep their inputs, as they do through oneDNN ([`by_onednn`](super::by_onednn)).
    pub keeps_inputs: bool,
    /// Whether the parameter of this name is trained.
    pub is_trained: &'a dyn Fn(&str) -> bool,
    /// Columns of its input that the gradient of a trained layer's weight is made of, by the weight's name and shape `[out, in]`.
    pub input_columns: &'a dyn Fn(&str, [i64; 2]) -> i64,
}

impl TrainingStep<'_> {
    /// Whether [our kernels](crate::kernels) compute what is not a product of matrices.
    pub fn by_kernels(&self) -> bool {
        !self.gpu && self.element_size == 4
    }

    /// Bytes per token that attention of these queries takes in its backward pass on a GPU: of each operand and its output the gradient, and
    /// in bf16 fp32 sums of the queries' for so many blocks of threads as a row and a head are computed by, where sums are in one order.
    pub fn fused_attention(&self, heads: u128, query: u128, key: u128) -> u128 {
        let sums = MULTIPROCESSORS.div_ceil((self.rows * heads).max(1));
        let sums = if self.element_size == 2 { sums * query * 4 } else { 0 };
        (2 * query + 2 * key) * self.element_size + sums
    }

    /// Tokens of a micro-batch, padding included.
    pub fn tokens(&self) -> u128 {
        self.rows * self.length
    }

    /// Elements per token that are kept of the input that these layers share: what the gradients of their weights are made of, or
    /// all of it where layers keep their inputs anyway.
    pub fn kept_input(&self, layers: &[&Linear]) -> u128 {
        if self.keeps_inputs || layers.iter().any(|linear| linear.adapter().is_some()) {
            return layers.iter().map(|linear| linear.inputs() as u128).max().unwrap_or(0);
        }
        self.taped_input(layers)
    }

    /// Elements per token of the input that these layers share, on the tape: the columns that each needs, or once all of it if
    /// that is less.
    pub fn taped_input(&self, layers: &[&Linear]) -> u128 {
        let width = layers.iter().map(|linear| linear.inputs() as u128).max().unwrap_or(0);
        let needed = layers.iter().map(|linear| self.trains(linear) * self.columns(linear)).sum::<u128>();
        if self.keeps_inputs && needed > 0 { width } else { needed.min(width) }
    }

    fn columns(&self, linear: &Linear) -> u128 {
        (self.input_columns)(&format!("{}.weight", linear.name()), [linear.outputs(), linear.inputs()]) as u128
    }

    /// Bytes per token that the adapters of these layers keep on top of the layers' inputs.
    pub fn adapters(&self, layers: &[&Linear]) -> u128 {
        let adapted = layers.iter().filter_map(|linear| Some((linear.adapter()?, linear.inputs() as u128)));
        adapted.map(|(adapter, inputs)| adapter.activations(inputs, self.element_size, self.dropout)).sum()
    }

    /// 1 if the layer's weight is trained, so that its output is kept; else 0.
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
