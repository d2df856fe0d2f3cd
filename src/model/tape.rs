//! What a forward pass carries through the layers: whether dropout is on, and the tape of the linear layers in training.

use std::collections::HashMap;

use tch::Tensor;

/// Numbers of the slots that a linear layer's parameters are trained in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearSlots {
    /// That of its weight, if the weight is trained.
    pub weight: Option<usize>,
    /// That of its bias, if the bias is trained.
    pub bias: Option<usize>,
}

/// A forward pass through one segment.
pub struct ForwardPass<'a> {
    training: bool,
    recorded: Option<&'a HashMap<String, LinearSlots>>,
    records: Vec<LinearRecord>,
}

/// The input and output of a linear layer in a forward pass.
pub struct LinearRecord {
    /// The slots of the layer's parameters.
    pub slots: LinearSlots,
    /// x, `[…, in]`, outside the graph.
    pub input: Tensor,
    /// y, `[…, out]`, as part of the graph.
    pub output: Tensor,
}

impl<'a> ForwardPass<'a> {
    /// Without dropout, and without a tape.
    pub fn inference() -> ForwardPass<'a> {
        ForwardPass { training: false, recorded: None, records: Vec::new() }
    }

    /// With dropout if `training`, and a tape of the `recorded` layers by name.
    pub fn recording(training: bool, recorded: &'a HashMap<String, LinearSlots>) -> ForwardPass<'a> {
        ForwardPass { training, recorded: Some(recorded), records: Vec::new() }
    }

    /// With dropout if `training`, and without a tape.
    pub fn without_tape(training: bool) -> ForwardPass<'a> {
        ForwardPass { training, recorded: None, records: Vec::new() }
    }

    /// The probability of dropout: `p` in training, else 0.
    pub fn dropout_probability(&self, p: f64) -> f64 {
        if self.training { p } else { 0.0 }
    }

    /// torch.nn.functional.dropout, in training only.
    pub fn dropout(&self, x: Tensor, p: f64) -> Tensor {
        if self.training && p > 0.0 { x.dropout(p, true) } else { x }
    }

    /// Puts the layer `name` on the tape, if it is one of those to record.
    pub fn record(&mut self, name: &str, input: &Tensor, output: &Tensor) {
        if let Some(&slots) = self.recorded.and_then(|recorded| recorded.get(name)) {
            self.records.push(LinearRecord { slots, input: input.detach(), output: output.shallow_clone() });
        }
    }

    /// The tape, in the order of the forward pass.
    pub fn into_records(self) -> Vec<LinearRecord> {
        self.records
    }
}
