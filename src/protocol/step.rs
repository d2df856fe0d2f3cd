//! Optimizer steps, the selection and its gradient mass.

use serde::{Deserialize, Serialize};

/// One optimizer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Number of the step, starting at 1.
    pub step: u64,
    /// Passes over the training examples so far, with a fraction.
    pub epoch: f64,
    /// Mean loss over the labels of the batch, before the update.
    #[serde(with = "super::number")]
    pub loss: f64,
    /// Learning rate of this update.
    pub learning_rate: f64,
    /// L2 norm of the gradient of all trainable parameters, before clipping.
    #[serde(with = "super::number")]
    pub grad_norm: f64,
    /// Tokens per second of this step, padding excluded.
    #[serde(with = "super::number")]
    pub tokens_per_second: f64,
    /// Training time so far in seconds, pauses excluded.
    #[serde(default)]
    pub elapsed: f64,
    /// Estimated training time left, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
}

/// The selected components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// Number of selected components in all targets.
    pub total: u64,
    /// Number of components of all targets.
    pub of: u64,
    /// Number of dense trainable parameters: the head.
    pub dense: u64,
    /// One entry per target, in the order of the model.
    pub targets: Vec<SelectedTarget>,
}

/// The selected components of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelectedTarget {
    /// Name of the parameter in the base checkpoint.
    pub name: String,
    /// Shape of the parameter.
    pub shape: Vec<i64>,
    /// Number of selected components.
    pub selected: u64,
}

/// The gradient mass that selections of each structure would cover of the first gradient, with the largest gradients at the run's
/// rate: what a structure costs before it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Structures {
    /// Gradient mass that the run's own selection covers, in percent.
    #[serde(with = "super::number")]
    pub covered: f64,
    /// One entry per structure.
    pub structures: Vec<StructureMass>,
    /// Seconds that measuring took.
    pub seconds: f64,
}

/// The gradient mass of a structure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StructureMass {
    /// `entries`, `columns` and others.
    pub structure: String,
    /// Number of components that it would select.
    pub selected: u64,
    /// Gradient mass over all targets together, in percent.
    #[serde(with = "super::number")]
    pub mass: f64,
    /// Gradient mass of each target, in percent, in the order of [`Selected`]; rounded.
    pub targets: Vec<f64>,
}

/// Components were selected again. Those that left keep their values and are trained no longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reselected {
    /// Optimizer steps taken before.
    pub step: u64,
    /// Number of selected components in all targets.
    pub total: u64,
    /// How many of them were selected before as well.
    pub kept: u64,
    /// Number of components that are or were trained: those that differ from the base model.
    pub changed: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Number of selected components of each target, in the order of [`Selected`].
    pub targets: Vec<u64>,
}

impl Reselected {
    /// Share of the selected components that were selected before as well, in percent.
    pub fn overlap(&self) -> f64 {
        100.0 * self.kept as f64 / self.total.max(1) as f64
    }
}

/// Gradient mass covered by the selection: its share of the L2 norm of the gradient, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mass {
    /// Optimizer steps taken before the gradient was measured.
    pub step: u64,
    /// Gradient mass over all targets together, in percent.
    #[serde(with = "super::number")]
    pub overall: f64,
    /// One entry per target, in the order of the model.
    pub targets: Vec<TargetMass>,
}

impl Mass {
    /// The mean of the targets' relative updates, in percent; `None` if none was measured.
    pub fn mean_update(&self) -> Option<f64> {
        let updates = || self.targets.iter().filter_map(|target| target.update);
        let count = updates().count();
        (count > 0).then(|| updates().sum::<f64>() / count as f64)
    }
}

/// Gradient mass covered in one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetMass {
    /// Name of the parameter in the base checkpoint.
    pub name: String,
    /// 100 · ‖selected‖ / ‖all‖, in percent.
    #[serde(with = "super::number")]
    pub mass: f64,
    /// Relative change of the selected components: 100 · ‖w − w₀‖ / ‖w₀‖, in percent. `None` if all pre-trained values
    /// w₀ are zero, as in some biases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<f64>,
}
