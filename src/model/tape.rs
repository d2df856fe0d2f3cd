//! What a forward pass carries through the layers: whether dropout is on, and the tape of the linear layers in training.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tch::{Device, Kind, Tensor};

use super::fused::dropout;
use super::seeds::Seeds;
use crate::device::autograd::{Incoming, attach};
use crate::kernels::Dropout;

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
    /// Those of its dropout, where that is on.
    seeds: Option<Seeds>,
    recorded: Option<&'a HashMap<String, RecordedLayer>>,
    tape: Tape,
}

/// The linear layers of a forward pass in training.
pub struct Tape {
    /// In the order of the forward pass.
    pub records: Vec<LinearRecord>,
    /// A leaf without elements that the graph leads to from the output of every recorded layer: differentiating with respect to it
    /// gives all of these their gradients.
    pub end: Tensor,
}

/// The input of a linear layer in a forward pass, and the gradient of its output after the backward pass.
pub struct LinearRecord {
    /// The slots of the layer's parameters.
    pub slots: LinearSlots,
    /// x, `[…, in]`, or `[…, c]` of the columns that are needed; outside the graph.
    pub input: Tensor,
    /// dy, written in the backward pass.
    gradient: Arc<Mutex<Option<Tensor>>>,
    /// The columns of x that are needed, while x is whole.
    columns: Option<Tensor>,
    /// Whether the graph keeps x in any case.
    saved: bool,
}

impl<'a> ForwardPass<'a> {
    /// Without dropout, and without a tape.
    pub fn inference() -> ForwardPass<'a> {
        ForwardPass { seeds: None, recorded: None, tape: Tape::new() }
    }

    /// With dropout where it has a seed, and a tape of the `recorded` layers by name.
    pub fn recording(dropout: Option<u64>, recorded: &'a HashMap<String, RecordedLayer>) -> ForwardPass<'a> {
        ForwardPass { seeds: dropout.map(Seeds::from), recorded: Some(recorded), tape: Tape::new() }
    }

    /// With dropout where it has a seed, and without a tape.
    pub fn without_tape(dropout: Option<u64>) -> ForwardPass<'a> {
        ForwardPass { seeds: dropout.map(Seeds::from), recorded: None, tape: Tape::new() }
    }

    /// Dropout with probability `p` in one operation, if there is any. Each operation has its own mask.
    pub fn dropout_mask(&mut self, p: f64) -> Option<Dropout> {
        self.seeds.as_mut().filter(|_| p > 0.0).map(|seeds| Dropout::new(p, seeds.draw()))
    }

    /// torch.nn.functional.dropout, in training only.
    pub fn dropout(&mut self, x: Tensor, p: f64) -> Tensor {
        match self.dropout_mask(p) {
            Some(mask) => dropout(x, mask),
            None => x,
        }
    }

    /// Puts the layer `name` on the tape, if it is one of those to record. `saved` says that the graph keeps its input in any case.
    /// Returns the output to go on with.
    pub fn record(&mut self, name: &str, input: &Tensor, output: Tensor, saved: bool) -> Tensor {
        let Some(RecordedLayer { slots, columns }) = self.recorded.and_then(|recorded| recorded.get(name)) else {
            return output;
        };
        let gradient = Arc::new(Mutex::new(None));
        let record = Arc::clone(&gradient);
        let recorded = output.detach();
        attach(
            c"RecordedLinearBackward",
            [&output, &self.tape.end],
            &recorded,
            move |Incoming { gradient, .. }| {
                *record.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient.shallow_clone());
                [gradient, Tensor::new()]
            },
        );
        let columns = columns.as_ref().map(Tensor::shallow_clone);
        self.tape.records.push(LinearRecord { slots: *slots, input: input.detach(), gradient, columns, saved });
        recorded
    }

    /// The tape. Of an input it has the columns that are needed only, where that takes less memory: not if one of the layers that
    /// share the input needs all of it, nor if something else keeps it, as the segment does its own input.
    pub fn into_tape(self, segment_input: &Tensor) -> Tape {
        let Tape { records, end } = self.tape;
        let whole: Vec<bool> = records.iter().map(|record| record.is_whole(segment_input, &records)).collect();
        let narrowed = |(record, whole): (LinearRecord, bool)| match &record.columns {
            Some(columns) if !whole => LinearRecord { input: record.input.index_select(-1, columns), ..record },
            _ => record,
        };
        Tape { records: records.into_iter().zip(whole).map(narrowed).collect(), end }
    }
}

impl Tape {
    fn new() -> Tape {
        Tape { records: Vec::new(), end: Tensor::zeros([0], (Kind::Float, Device::Cpu)).set_requires_grad(true) }
    }
}

impl LinearRecord {
    /// The gradient of the layer's output, dy `[…, out]`, after the backward pass; `None` if the loss does not depend on it.
    pub fn take_gradient(&mut self) -> Option<Tensor> {
        self.gradient.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_whole(&self, segment_input: &Tensor, all: &[LinearRecord]) -> bool {
        let is_input = |tensor: &Tensor| tensor.defined() && tensor.data_ptr() == self.input.data_ptr();
        let sharing = || all.iter().filter(|other| is_input(&other.input));
        let needed: usize = sharing().filter_map(|other| other.columns.as_ref()).map(Tensor::numel).sum();
        let width = self.input.size().last().map_or(0, |&width| width as usize);
        is_input(segment_input) || needed >= width || sharing().any(|other| other.saved || other.columns.is_none())
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn each_operation_of_a_pass_has_a_mask_of_its_own_and_the_seed_gives_them_again() {
        let masks = |seed| {
            let mut pass = ForwardPass::without_tape(seed);
            [0.1, 0.1, 0.1].map(|p| pass.dropout_mask(p))
        };
        let first = masks(Some(7));
        assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);
        assert_eq!(masks(Some(7)), first);
        assert_ne!(masks(Some(8)), first);
        assert_eq!(masks(None), [None; 3]);
        assert_eq!(ForwardPass::without_tape(Some(7)).dropout_mask(0.0), None);
    }

    /// What the tape keeps of inputs of 10 columns, elements of a row each: of layers that need so many columns of the input of this
    /// number. Input 0 is the segment's.
    fn kept(layers: &[(usize, Option<i64>)], saved: bool) -> Vec<i64> {
        let inputs = [0, 1, 2].map(|_| Tensor::ones([3, 4, 10], (Kind::Float, Device::Cpu)));
        let layer = |(number, (_, columns)): (usize, &(usize, Option<i64>))| {
            let slots = LinearSlots { weight: Some(number), bias: None };
            let columns = columns.map(|columns| Tensor::arange(columns, (Kind::Int64, Device::Cpu)));
            (number.to_string(), RecordedLayer { slots, columns })
        };
        let recorded = layers.iter().enumerate().map(layer).collect();
        let mut pass = ForwardPass::recording(None, &recorded);
        for (number, (input, _)) in layers.iter().enumerate() {
            let output = Tensor::zeros([2], (Kind::Float, Device::Cpu));
            assert!(pass.record(&number.to_string(), &inputs[*input], output, saved).requires_grad());
        }
        assert!(!pass.record("another", &inputs[0], Tensor::new(), saved).requires_grad());
        let Tape { records, .. } = pass.into_tape(&inputs[0]);
        for (record, (input, _)) in records.iter().zip(layers) {
            let width = record.input.size()[2];
            assert!(record.input.equal(&inputs[*input].narrow(2, 0, width)));
            assert_eq!(width == 10, record.input.data_ptr() == inputs[*input].data_ptr());
        }
        records.iter().map(|record| record.input.size()[2]).collect()
    }

    #[test]
    fn the_tape_keeps_the_columns_that_are_needed_or_the_input_once() {
        assert_eq!(kept(&[(1, Some(3)), (1, Some(4)), (2, Some(1)), (2, None)], false), [3, 4, 10, 10]);
        // Together they would take more than the input.
        assert_eq!(kept(&[(1, Some(5)), (1, Some(5)), (2, Some(9))], false), [10, 10, 9]);
        // The segment keeps its input, and some layers keep theirs.
        assert_eq!(kept(&[(0, Some(1)), (1, Some(1))], false), [10, 1]);
        assert_eq!(kept(&[(1, Some(1))], true), [10]);
        // A bias needs nothing of it.
        assert_eq!(kept(&[(1, Some(0)), (1, Some(2))], false), [0, 2]);
    }
}
