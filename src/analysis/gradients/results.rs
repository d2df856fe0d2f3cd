//! What was measured of a network's gradients, averaged over batches.

use super::magnitudes::{Magnitudes, Ranking};
use super::top_set::Overlap;

/// The gradients of a network over the batches.
#[derive(Default)]
pub struct Pass {
    /// `pre-trained`, `random initialisation`, `step 50`.
    pub name: String,
    pub losses: Vec<f64>,
    /// Of all batches together.
    pub magnitudes: Magnitudes,
    /// One for each batch.
    pub overall: Vec<Ranking>,
    /// For each batch one for each module.
    pub modules: Vec<Vec<Ranking>>,
    /// For each batch one for each layer.
    pub layers: Vec<Vec<Ranking>>,
    /// What the largest components of each tensor hold of the L2 norm, in percent, for each batch.
    pub covered: Vec<f64>,
    /// With the largest components of the first batch, for each batch after it.
    pub with_first: Vec<Overlap>,
    /// With those of the batch before.
    pub with_previous: Vec<Overlap>,
    /// Of the first batch, with the largest components of the same batch at step 0.
    pub with_start: Option<Overlap>,
}

/// A mean over batches, and the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Mean {
    /// Of these values; NaN of none.
    pub fn of(values: impl Iterator<Item = f64>) -> Mean {
        let (mut sum, mut count) = (0.0, 0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            sum += value;
            count += 1;
            (low, high) = (low.min(value), high.max(value));
        }
        match count {
            0 => Mean { mean: f64::NAN, low: f64::NAN, high: f64::NAN },
            count => Mean { mean: sum / f64::from(count), low, high },
        }
    }
}

impl Pass {
    pub fn new(name: impl Into<String>) -> Pass {
        Pass { name: name.into(), ..Pass::default() }
    }

    /// A number of all components' gradients, over the batches.
    pub fn overall(&self, number: impl Fn(&Ranking) -> f64) -> Mean {
        Mean::of(self.overall.iter().map(number))
    }

    /// The same for a module.
    pub fn module(&self, module: usize, number: impl Fn(&Ranking) -> f64) -> Mean {
        Mean::of(self.modules.iter().map(|modules| number(&modules[module])))
    }

    /// The same for a layer.
    pub fn layer(&self, layer: usize, number: impl Fn(&Ranking) -> f64) -> Mean {
        Mean::of(self.layers.iter().map(|layers| number(&layers[layer])))
    }
}
