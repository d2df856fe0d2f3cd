//! How many tensor operations a step is made of: each is at least one launch on a GPU, which takes some microseconds however little it
//! computes. So many of them are what a step of a small model waits for.
//!
//! Counted are libtorch's operators that compute or copy something and call no other such operator, and our own kernels. Views,
//! allocations and the nodes of the backward pass are not.

mod counter;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use counter::count;

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepPart {
    /// From the tokens to the loss.
    Forward,
    /// From the loss to the gradients of activations; with gradient checkpointing, the activations once more.
    Backward,
    /// Gradients of weights, gradient mass, clipping, the optimizer; and the batch.
    Method,
}

/// The operations of a step: each name with its number, by part.
pub type CountedStep = BTreeMap<StepPart, BTreeMap<String, u64>>;

/// The operations of several steps, as means per step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Operations {
    /// Counted steps.
    pub steps: usize,
    /// Layers of the network.
    pub layers: usize,
    pub parts: Vec<PartOperations>,
    /// Of all parts.
    pub total: f64,
}

/// The operations of a part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartOperations {
    pub part: StepPart,
    pub number: f64,
    /// The most frequent first.
    pub names: Vec<(String, f64)>,
}

impl StepPart {
    /// In the order of the table.
    pub const ALL: [StepPart; 3] = [StepPart::Forward, StepPart::Backward, StepPart::Method];

    pub fn name(self) -> &'static str {
        match self {
            StepPart::Forward => "forward",
            StepPart::Backward => "backward",
            StepPart::Method => "method",
        }
    }
}

impl Operations {
    /// The mean of several steps of a network with so many layers; `None` of none.
    pub fn of(steps: &[&CountedStep], layers: usize) -> Option<Operations> {
        if steps.is_empty() {
            return None;
        }
        let mean = |number: u64| number as f64 / steps.len() as f64;
        let part = |part: StepPart| {
            let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
            for (name, number) in steps.iter().filter_map(|step| step.get(&part)).flatten() {
                *sums.entry(name).or_default() += number;
            }
            let mut names: Vec<(String, f64)> =
                sums.iter().map(|(name, number)| ((*name).to_owned(), mean(*number))).collect();
            names.sort_by(|(_, a), (_, b)| b.total_cmp(a));
            PartOperations { part, number: mean(sums.values().sum()), names }
        };
        let parts = StepPart::ALL.map(part);
        Some(Operations {
            steps: steps.len(),
            layers,
            total: parts.iter().map(|part| part.number).sum(),
            parts: parts.into(),
        })
    }

    /// Operations of a step for each layer, those outside of layers shared among them.
    pub fn per_layer(&self) -> f64 {
        self.total / self.layers.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_the_mean_of_the_steps() {
        let step = |forward: &[(&str, u64)]| -> CountedStep {
            let names = forward.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
            BTreeMap::from([(StepPart::Forward, names)])
        };
        let (first, second) = (step(&[("aten::mm", 3), ("aten::add", 4)]), step(&[("aten::mm", 5)]));
        let operations = Operations::of(&[&first, &second], 2).unwrap();
        assert_eq!((operations.total, operations.per_layer(), operations.steps), (6.0, 3.0, 2));
        assert_eq!(operations.parts[0].names, [("aten::mm".to_owned(), 4.0), ("aten::add".to_owned(), 2.0)]);
        assert_eq!(operations.parts[2].number, 0.0);
        assert!(Operations::of(&[], 2).is_none());
    }
}
