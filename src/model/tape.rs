//! What a forward pass carries along: dropout, and a tape of the linear layers whose gradient is wanted.

use std::collections::HashSet;

use tch::Tensor;

/// One forward pass through one segment.
pub struct Pass<'a> {
    training: bool,
    wanted: Option<&'a HashSet<String>>,
    records: Vec<Record>,
}

/// A linear layer seen at work.
pub struct Record {
    /// Its name: that of its weight without `.weight`.
    pub module: String,
    /// x, `[…, in]`.
    pub input: Tensor,
    /// y, `[…, out]`.
    pub output: Tensor,
}

impl<'a> Pass<'a> {
    /// Without dropout.
    pub fn inference() -> Pass<'a> {
        Pass { training: false, wanted: None, records: Vec::new() }
    }

    /// With dropout where `training`, and with a tape of the `wanted` layers.
    pub fn recording(training: bool, wanted: &'a HashSet<String>) -> Pass<'a> {
        Pass { training, wanted: Some(wanted), records: Vec::new() }
    }

    /// With dropout where `training`, and no tape.
    pub fn silent(training: bool) -> Pass<'a> {
        Pass { training, wanted: None, records: Vec::new() }
    }

    /// The probability to drop with, 0 outside training.
    pub fn probability(&self, p: f64) -> f64 {
        if self.training { p } else { 0.0 }
    }

    /// Zeroes components with probability `p` and scales the others, in training only.
    pub fn dropout(&self, x: Tensor, p: f64) -> Tensor {
        if self.training && p > 0.0 { x.dropout(p, true) } else { x }
    }

    /// Notes that a layer made `output` of `input`.
    pub fn record(&mut self, module: &str, input: &Tensor, output: &Tensor) {
        if self.wanted.is_some_and(|wanted| wanted.contains(module)) {
            self.records.push(Record {
                module: module.to_owned(),
                input: input.detach(),
                output: output.shallow_clone(),
            });
        }
    }

    /// What was noted, in the order of the forward pass.
    pub fn into_records(self) -> Vec<Record> {
        self.records
    }
}
