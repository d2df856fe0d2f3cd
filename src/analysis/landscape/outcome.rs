//! What was measured, before it becomes a report.

use super::derivative::Derivative;

/// The loss around one or more sets of weights of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Landscape {
    /// Multiples of a random direction at which the loss was measured.
    pub steps: Vec<f64>,
    /// The sets of weights, the pre-trained ones first.
    pub weights: Vec<Around>,
    /// Along the trained increment, of a run.
    pub increment: Option<Increment>,
    /// On a plane.
    pub slice: Slice,
}

/// Which weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The base model's, with the head that training starts with.
    PreTrained,
    /// Those of a run's checkpoint at this step.
    Trained(u64),
    /// Those of a network of the same shape before any training, with the same head.
    Random,
}

/// The loss around a set of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Around {
    /// Which weights.
    pub weights: Weights,
    /// The loss at them.
    pub loss: f64,
    /// The losses at each of [`Landscape::steps`] of each random direction.
    pub lines: Vec<Vec<f64>>,
    /// The derivative along the first direction.
    pub slope: SlopeCheck,
    /// `None` where it was not asked for.
    pub sharpness: Option<Sharpness>,
}

/// The derivative along a direction in two ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlopeCheck {
    /// From losses.
    pub differences: Derivative,
    /// From the gradient of backpropagation: g·d.
    pub autograd: f64,
}

/// The largest eigenvalue of the Hessian.
#[derive(Clone, Debug, PartialEq)]
pub struct Sharpness {
    /// λ: the Rayleigh quotient of the last vector.
    pub eigenvalue: f64,
    /// ‖Hv − λv‖: the Hessian has an eigenvalue within this distance of λ.
    pub residual: f64,
    /// Hessian-vector products; each takes two gradients.
    pub products: usize,
    /// Whether the iteration converged, and half the step gives the same eigenvalue.
    pub converged: bool,
    /// ε of the finite differences.
    pub step: f64,
    /// The Rayleigh quotient with half of that step.
    pub halved: f64,
    /// Components that are differentiated.
    pub components: u64,
}

/// The loss at W0 + α (W − W0).
#[derive(Clone, Debug, PartialEq)]
pub struct Increment {
    /// α, with 0 and 1 among them.
    pub steps: Vec<f64>,
    /// Mean loss of the fixed training examples.
    pub training: Vec<f64>,
    /// Mean loss of the fixed held-out examples.
    pub held_out: Vec<f64>,
    /// ‖W − W0‖.
    pub norm: f64,
    /// Components that the run trained.
    pub components: u64,
}

/// The loss on a plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Multiples of the first direction: the trained increment of a run, else the first random direction.
    pub xs: Vec<f64>,
    /// Multiples of the second direction: a random one.
    pub ys: Vec<f64>,
    /// Row by row: `ys.len()` rows of `xs.len()` losses.
    pub losses: Vec<f64>,
}

impl Weights {
    /// As curves and tables name them.
    pub fn name(self) -> String {
        match self {
            Weights::PreTrained => "pre-trained".into(),
            Weights::Trained(step) => format!("trained (step {step})"),
            Weights::Random => "random initialisation".into(),
        }
    }
}

impl SlopeCheck {
    /// The difference between both, as a share of the gradient's.
    pub fn difference(&self) -> f64 {
        (self.differences.value - self.autograd).abs() / self.autograd.abs()
    }
}

impl Landscape {
    /// The measurements around some of the weights.
    pub fn around(&self, weights: impl Fn(Weights) -> bool) -> Option<&Around> {
        self.weights.iter().find(|around| weights(around.weights))
    }
}
