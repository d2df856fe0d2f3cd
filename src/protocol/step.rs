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
