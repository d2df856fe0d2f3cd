//! The loss of a network's output, and the gradient that the backward pass starts from.
//!
//! A classifier's output is logits. A decoder's output is hidden states, and their logits are made here, for a chunk of tokens
//! at a time and only where the loss mask is set: those of a whole batch over a large vocabulary are never in memory.

use tch::{Kind, Reduction, Tensor, no_grad};

use super::fused::cross_entropy_gradient;

/// Components of the fp32 logits that are in memory at a time: 128 MiB.
pub(super) const CHUNK_LOGITS: i64 = 32 << 20;

/// What the network should have predicted for a batch, on the device.
#[derive(Debug)]
pub enum LossTargets {
    /// int64 `[rows]`.
    Classes(Tensor),
    /// fp32 `[rows]`.
    Scores(Tensor),
    /// The next token, at the positions that the loss mask selects.
    Tokens {
        /// Positions in the batch, row by row: int64 `[targets]`.
        positions: Tensor,
        /// The token that follows each: int64 `[targets]`.
        labels: Tensor,
    },
}

/// A loss of a network's output: cross-entropy for classes and tokens, the squared error for scores.
pub struct Objective<'a> {
    /// What the network should have predicted.
    pub targets: &'a LossTargets,
    /// The table `[vocabulary, hidden]` that makes logits of a decoder's output; `None` for a classifier.
    pub lm_head: Option<&'a Tensor>,
    /// Factor of the sum over all targets. A mean over several batches takes 1 / the number of targets in all of them.
    pub scale: f64,
}

/// A loss and its gradients, outside any graph.
pub struct LossGradients {
    /// fp32 scalar.
    pub loss: Tensor,
    /// Gradient of the network's output, in its shape and dtype.
    pub output: Tensor,
    /// Gradient of the table that makes logits, fp32 in its shape, if it was asked for.
    pub lm_head: Option<Tensor>,
}

impl Objective<'_> {
    /// The loss of an output: fp32 scalar.
    pub fn loss(&self, output: &Tensor) -> Tensor {
        let sum = match self.targets {
            LossTargets::Classes(classes) => cross_entropy(&output.to_kind(Kind::Float), classes),
            LossTargets::Scores(scores) => output.to_kind(Kind::Float).squeeze_dim(-1).mse_loss(scores, Reduction::Sum),
            LossTargets::Tokens { positions, labels } => no_grad(|| {
                let chunks = self.chunks(output, positions, labels);
                let losses = chunks.map(|chunk| cross_entropy(&chunk.logits(), &chunk.labels));
                losses.fold(Tensor::zeros([], (Kind::Float, output.device())), |sum, loss| sum + loss)
            }),
        };
        sum * self.scale
    }

    /// The loss and its gradients; that of the table that makes logits if `lm_head`.
    pub fn differentiate(&self, output: &Tensor, lm_head: bool) -> LossGradients {
        if let (LossTargets::Tokens { positions, labels }, Some(table)) = (self.targets, self.lm_head) {
            let table_gradient = lm_head.then(|| Tensor::zeros(table.size(), (Kind::Float, table.device())));
            return no_grad(|| self.differentiate_tokens(output, table, positions, labels, table_gradient));
        }
        let output = output.detach().set_requires_grad(true);
        let loss = self.loss(&output);
        let gradient = Tensor::run_backward(&[&loss], &[&output], false, false).pop().unwrap_or_default();
        LossGradients { loss: loss.detach(), output: gradient, lm_head: None }
    }

    /// Chunk by chunk: with p = softmax(logits), the gradient of the logits is p, less one at the label.
    fn differentiate_tokens(
        &self,
        output: &Tensor,
        table: &Tensor,
        positions: &Tensor,
        labels: &Tensor,
        mut table_gradient: Option<Tensor>,
    ) -> LossGradients {
        let flat = output.reshape([-1, output.size().last().copied().unwrap_or(1)]);
        let mut output_gradient = flat.zeros_like();
        let mut loss = Tensor::zeros([], (Kind::Float, output.device()));
        for chunk in self.chunks(output, positions, labels) {
            let (sum, gradient) = cross_entropy_gradient(chunk.logits(), &chunk.labels, self.scale);
            loss += sum;
            let gradient = gradient.to_kind(table.kind());
            let _ = output_gradient.index_copy_(0, &chunk.positions, &gradient.matmul(table));
            if let Some(sum) = &mut table_gradient {
                *sum += gradient.tr().matmul(&chunk.hidden);
            }
        }
        LossGradients { loss: loss * self.scale, output: output_gradient.view_as(output), lm_head: table_gradient }
    }

    /// The hidden states at the positions, a chunk at a time.
    fn chunks<'a>(
        &'a self,
        output: &Tensor,
        positions: &'a Tensor,
        labels: &'a Tensor,
    ) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let flat = output.reshape([-1, output.size().last().copied().unwrap_or(1)]);
        let vocabulary = self.lm_head.map_or(1, |table| table.size()[0]);
        let (total, most) = (positions.numel(), (CHUNK_LOGITS / vocabulary).max(1) as usize);
        // As few as there can be, of equal length.
        let length = total.div_ceil(total.div_ceil(most).max(1)).max(1) as i64;
        let total = total as i64;
        (0..total).step_by(length as usize).filter_map(move |start| {
            let part = |tensor: &Tensor| tensor.narrow(0, start, length.min(total - start));
            let positions = part(positions);
            let hidden = flat.index_select(0, &positions);
            Some(Chunk { hidden, positions, labels: part(labels), lm_head: self.lm_head? })
        })
    }
}

struct Chunk<'a> {
    positions: Tensor,
    labels: Tensor,
    hidden: Tensor,
    lm_head: &'a Tensor,
}

impl Chunk<'_> {
    /// fp32 `[positions, vocabulary]`.
    fn logits(&self) -> Tensor {
        self.hidden.linear(self.lm_head, None::<&Tensor>).to_kind(Kind::Float)
    }
}

/// Summed over the rows.
fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Tensor {
    logits.cross_entropy_loss::<Tensor>(targets, None, Reduction::Sum, -100, 0.0)
}
