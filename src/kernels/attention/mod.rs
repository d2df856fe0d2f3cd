//! Scaled dot-product attention within examples, and its gradients.
//!
//! A thread takes an example and a head of its keys at a time, with all heads of queries that share it. Scores of a block of queries and of
//! all their keys stay in its cache, and only those of keys that the block attends to are computed. Of the forward pass the backward pass
//! needs the logarithm of each query's sum of exponentials alone: scores and dropout's mask are computed again (FlashAttention;
//! Dao et al., arXiv 2205.14135).

mod backward;
mod block;
mod forward;
mod rows;
mod softmax;

use std::ops::Range;

use super::dropout::Dropout;
use super::instructions::InstructionSet;

/// The tokens and heads of a call, and what attends to what.
#[derive(Clone, Debug)]
pub struct Attention {
    /// Heads of queries: a multiple of `kv_heads`.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Elements of a query, of a key and of a value.
    pub head_dim: usize,
    /// The tokens of each example, one after the other.
    pub examples: Vec<Range<usize>>,
    /// Which keys a query attends to.
    pub mask: Mask,
    /// That of the weights.
    pub dropout: Option<Dropout>,
    /// The number of the first token: dropout depends on those of queries.
    pub first_token: u32,
}

/// Which keys of its example a query attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All.
    Full,
    /// Its own and those before it.
    Causal,
    /// Its own and those before it, so many in all.
    Window(usize),
}

/// What attention is computed of, or its gradients.
pub struct Operands<T> {
    /// `[tokens, heads, head_dim]`.
    pub query: T,
    /// `[tokens, kv_heads, head_dim]`.
    pub key: T,
    /// `[tokens, kv_heads, head_dim]`.
    pub value: T,
}

impl Attention {
    /// Attention's output, `[tokens, heads, head_dim]`, and for the backward pass the logarithm of each query's sum of exponentials:
    /// `logsumexp`, of `tokens · heads`, in an order of its own.
    ///
    /// # Panics
    /// If an operand is too short, or examples leave out tokens.
    pub fn forward(
        &self,
        instructions: InstructionSet,
        operands: &Operands<&[f32]>,
        out: &mut [f32],
        logsumexp: &mut [f32],
    ) {
        self.check(operands.query.len(), operands.key.len(), operands.value.len(), logsumexp.len());
        assert_eq!(out.len(), operands.query.len());
        forward::run(self, instructions, operands, out, logsumexp);
    }

    /// The gradients of the operands, of the gradient of the output.
    ///
    /// # Panics
    /// As [`forward`](Attention::forward).
    pub fn backward(
        &self,
        instructions: InstructionSet,
        operands: &Operands<&[f32]>,
        logsumexp: &[f32],
        gradient: &[f32],
        out: &mut Operands<&mut [f32]>,
    ) {
        self.check(operands.query.len(), operands.key.len(), operands.value.len(), logsumexp.len());
        self.check(out.query.len(), out.key.len(), out.value.len(), logsumexp.len());
        assert_eq!(gradient.len(), operands.query.len());
        backward::run(self, instructions, operands, logsumexp, gradient, out);
    }

    fn check(&self, query: usize, key: usize, value: usize, logsumexp: usize) {
        let tokens = self.examples.last().map_or(0, |last| last.end);
        let follow = self.examples.iter().try_fold(0, |end, example| (example.start == end).then_some(example.end));
        assert!(follow == Some(tokens) && self.examples.iter().all(|example| !example.is_empty()));
        assert!(self.head_dim > 0 && self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads));
        assert_eq!(query, tokens * self.heads * self.head_dim);
        assert_eq!((key, value), (tokens * self.kv_heads * self.head_dim, key));
        assert_eq!(logsumexp, tokens * self.heads);
    }
}

#[cfg(test)]
mod tests;
