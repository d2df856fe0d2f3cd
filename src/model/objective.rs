//! What becomes of the last segment's output: a loss, and the gradient that walks back from it.
//!
//! A classifier's output is logits. A decoder's is hidden states, of which logits are made here, for a few of them at a
//! time and only where there is something to learn: those of a whole batch over a large vocabulary are never there.

use tch::{Kind, Reduction, Tensor, no_grad};

/// Components of the fp32 logits that are in memory at a time: 128 MB.
const LOGITS: i64 = 32 << 20;

/// What the network should have said of a batch, on the device.
#[derive(Debug)]
pub enum LossTargets {
    /// int64 `[rows]`.
    Classes(Tensor),
    /// fp32 `[rows]`.
    Scores(Tensor),
    /// Which token comes next, at the places where that is to be learnt.
    Tokens {
        /// Places in the batch, row by row: int64 `[targets]`.
        places: Tensor,
        /// The token behind each: int64 `[targets]`.
        next: Tensor,
    },
}

/// A loss of a network's output.
pub struct Objective<'a> {
    /// What is to be learnt.
    pub targets: &'a LossTargets,
    /// The table `[vocabulary, hidden]` that makes logits of a decoder's output; nothing for a classifier.
    pub table: Option<&'a Tensor>,
    /// Of the sum over all targets. A mean over several batches takes one over the number of targets in all of them.
    pub scale: f64,
}

/// A loss and its gradients, outside any graph.
pub struct Differentiated {
    /// fp32 scalar.
    pub loss: Tensor,
    /// In the shape and type of the output.
    pub by_output: Tensor,
    /// fp32, in the table's shape, where it was asked for.
    pub by_table: Option<Tensor>,
}

impl Objective<'_> {
    /// The loss of an output, fp32 scalar: cross-entropy for classes and tokens, the squared error for scores.
    pub fn loss(&self, output: &Tensor) -> Tensor {
        let sum = match self.targets {
            LossTargets::Classes(classes) => cross_entropy(&output.to_kind(Kind::Float), classes),
            LossTargets::Scores(scores) => output.to_kind(Kind::Float).squeeze_dim(-1).mse_loss(scores, Reduction::Sum),
            LossTargets::Tokens { places, next } => no_grad(|| {
                let losses = self.chunks(output, places, next).map(|chunk| cross_entropy(&chunk.logits(), &chunk.next));
                losses.fold(Tensor::zeros([], (Kind::Float, output.device())), |sum, loss| sum + loss)
            }),
        };
        sum * self.scale
    }

    /// The loss and its gradients.
    pub fn differentiate(&self, output: &Tensor, by_table: bool) -> Differentiated {
        if let (LossTargets::Tokens { places, next }, Some(table)) = (self.targets, self.table) {
            return no_grad(|| self.differentiate_tokens(output, table, places, next, by_table));
        }
        let output = output.detach().set_requires_grad(true);
        let loss = self.loss(&output);
        let by_output = Tensor::run_backward(&[&loss], &[&output], false, false).pop().unwrap_or_default();
        Differentiated { loss: loss.detach(), by_output, by_table: None }
    }

    /// By hand: with p = softmax(logits), the gradient by the logits is p less one at the target.
    fn differentiate_tokens(
        &self,
        output: &Tensor,
        table: &Tensor,
        places: &Tensor,
        next: &Tensor,
        by_table: bool,
    ) -> Differentiated {
        let flat = output.reshape([-1, output.size().last().copied().unwrap_or(1)]);
        let mut by_output = flat.zeros_like();
        let mut by_table = by_table.then(|| Tensor::zeros(table.size(), (Kind::Float, table.device())));
        let mut loss = Tensor::zeros([], (Kind::Float, output.device()));
        for chunk in self.chunks(output, places, next) {
            let mut logarithms = chunk.logits().log_softmax(-1, Kind::Float);
            let next = chunk.next.unsqueeze(-1);
            loss -= logarithms.gather(-1, &next, false).sum(Kind::Float);
            let mut by_logits = logarithms.exp_();
            let _ = by_logits.scatter_add_(-1, &next, &next.ones_like().to_kind(Kind::Float).neg());
            let by_logits = (by_logits * self.scale).to_kind(table.kind());
            let _ = by_output.index_copy_(0, &chunk.places, &by_logits.matmul(table));
            if let Some(sum) = &mut by_table {
                *sum += by_logits.tr().matmul(&chunk.hidden);
            }
        }
        Differentiated { loss: loss * self.scale, by_output: by_output.view_as(output), by_table }
    }

    /// The hidden states at the places, a few at a time.
    fn chunks<'a>(
        &'a self,
        output: &Tensor,
        places: &'a Tensor,
        next: &'a Tensor,
    ) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let flat = output.reshape([-1, output.size().last().copied().unwrap_or(1)]);
        let vocabulary = self.table.map_or(1, |table| table.size()[0]);
        let (all, many) = (places.numel() as i64, (LOGITS / vocabulary).max(1));
        (0..all).step_by(many as usize).filter_map(move |start| {
            let part = |tensor: &Tensor| tensor.narrow(0, start, many.min(all - start));
            let places = part(places);
            Some(Chunk { hidden: flat.index_select(0, &places), places, next: part(next), table: self.table? })
        })
    }
}

struct Chunk<'a> {
    places: Tensor,
    next: Tensor,
    hidden: Tensor,
    table: &'a Tensor,
}

impl Chunk<'_> {
    /// fp32 `[places, vocabulary]`.
    fn logits(&self) -> Tensor {
        self.hidden.linear(self.table, None::<&Tensor>).to_kind(Kind::Float)
    }
}

/// Summed over the rows.
fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Tensor {
    logits.cross_entropy_loss::<Tensor>(targets, None, Reduction::Sum, -100, 0.0)
}
