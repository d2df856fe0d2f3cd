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

/// A linear layer to record.
pub struct RecordedLayer {
    /// The slots of its parameters.
    pub slots: LinearSlots,
    /// The columns of its input that its gradients are made of, int64 `[c]`; `None` for all.
    pub columns: Option<Tensor>,
}

/// A forward pass through one segment.
pub struct ForwardPass<'a> {
    training: bool,
    recorded: Option<&'a HashMap<String, RecordedLayer>>,
    records: Vec<LinearRecord>,
}

/// The input and output of a linear layer in a forward pass.
pub struct LinearRecord {
    /// The slots of the layer's parameters.
    pub slots: LinearSlots,
    /// x, `[…, in]`, or `[…, c]` of the columns that are needed; outside the graph.
    pub input: Tensor,
    /// y, `[…, out]`, as part of the graph.
    pub output: Tensor,
    /// The columns of x that are needed, while x is whole.
    columns: Option<Tensor>,
    /// Whether the graph keeps x in any case.
    saved: bool,
}

impl<'a> ForwardPass<'a> {
    /// Without dropout, and without a tape.
    pub fn inference() -> ForwardPass<'a> {
        ForwardPass { training: false, recorded: None, records: Vec::new() }
    }

    /// With dropout if `training`, and a tape of the `recorded` layers by name.
    pub fn recording(training: bool, recorded: &'a HashMap<String, RecordedLayer>) -> ForwardPass<'a> {
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

    /// Puts the layer `name` on the tape, if it is one of those to record. `saved` says that the graph keeps its input in any case.
    pub fn record(&mut self, name: &str, input: &Tensor, output: &Tensor, saved: bool) {
        if let Some(RecordedLayer { slots, columns }) = self.recorded.and_then(|recorded| recorded.get(name)) {
            let columns = columns.as_ref().map(Tensor::shallow_clone);
            let (input, output) = (input.detach(), output.shallow_clone());
            self.records.push(LinearRecord { slots: *slots, input, output, columns, saved });
        }
    }

    /// The tape, in the order of the forward pass. Of an input it has the columns that are needed only, where that takes less
    /// memory: not if one of the layers that share the input needs all of it, nor if something else keeps it, as the segment does
    /// its own input.
    pub fn into_records(self, segment_input: &Tensor) -> Vec<LinearRecord> {
        let whole: Vec<bool> =
            self.records.iter().map(|record| record.is_whole(segment_input, &self.records)).collect();
        let narrowed = |(record, whole): (LinearRecord, bool)| match &record.columns {
            Some(columns) if !whole => LinearRecord { input: record.input.index_select(-1, columns), ..record },
            _ => record,
        };
        self.records.into_iter().zip(whole).map(narrowed).collect()
    }
}

impl LinearRecord {
    fn is_whole(&self, segment_input: &Tensor, all: &[LinearRecord]) -> bool {
        let is_input = |tensor: &Tensor| tensor.defined() && tensor.data_ptr() == self.input.data_ptr();
        let sharing = || all.iter().filter(|other| is_input(&other.input));
        let needed: usize = sharing().filter_map(|other| other.columns.as_ref()).map(Tensor::numel).sum();
        let width = self.input.size().last().map_or(0, |&width| width as usize);
        is_input(segment_input) || needed >= width || sharing().any(|other| other.saved || other.columns.is_none())
    }
}
