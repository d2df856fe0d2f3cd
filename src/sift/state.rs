//! Trained parameters, their ranges of the flat vectors, and the vectors that a checkpoint saves.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::selected::Selected;
use super::targets::Role;

/// A parameter to train.
pub struct TrainableParameter {
    /// The parameter's name in the checkpoint.
    pub name: String,
    /// The model's own tensor, in the parameter's shape and any float dtype.
    pub weights: Tensor,
    /// The trained components; `None` if all are trained.
    pub selected: Option<Selected>,
}

/// A trained parameter, and its range of the flat vectors.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The parameter's name in the checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its trained components; `None` if all are trained.
    pub selected: Option<Selected>,
    /// Its range of the flat vectors. Components are in the order of their flat row-major indices.
    pub range: Range<i64>,
}

impl Slot {
    /// Parameters in the order of the flat vectors: sparse ones first, each kind in the given order.
    pub(super) fn order(parameters: &[TrainableParameter]) -> Vec<&TrainableParameter> {
        let (mut sparse, dense): (Vec<_>, Vec<_>) =
            parameters.iter().partition(|parameter| parameter.selected.is_some());
        sparse.extend(dense);
        sparse
    }

    /// The slots of parameters, one after the other, with their indices on this device.
    pub fn in_order(parameters: &[TrainableParameter], device: Device) -> Vec<Slot> {
        let mut start = 0;
        let slot = |TrainableParameter { name, weights, selected }: &TrainableParameter| {
            let selected = selected.as_ref().map(|selected| selected.to_device(device));
            let trained = selected.as_ref().map_or(weights.numel() as i64, Selected::components);
            let range = start..start + trained;
            start = range.end;
            Slot { name: name.clone(), shape: weights.size(), selected, range }
        };
        Slot::order(parameters).into_iter().map(slot).collect()
    }

    /// [`Role::Sparse`] or [`Role::Dense`].
    pub fn role(&self) -> Role {
        if self.selected.is_some() { Role::Sparse } else { Role::Dense }
    }

    /// Components of the parameter.
    pub fn components(&self) -> i64 {
        self.shape.iter().product()
    }

    /// Components that are trained.
    pub fn trained(&self) -> i64 {
        self.range.end - self.range.start
    }

    /// Flat row-major indices of its selected components, ascending int64 `[k]`; none for a dense one.
    pub fn indices(&self) -> Tensor {
        self.selected.as_ref().map_or_else(|| Tensor::zeros([0], (Kind::Int64, Device::Cpu)), Selected::indices)
    }

    /// Whether weight decay applies: not to biases and norms, as is usual.
    pub(super) fn decays(&self) -> bool {
        self.shape.len() > 1
    }
}

/// Master values and optimizer state, fp32 `[total]` each: what a checkpoint saves of [`Values`](super::Values) besides the indices.
pub struct State {
    /// Master values.
    pub master: Tensor,
    /// Running mean of the gradient (m).
    pub first_moment: Tensor,
    /// Running mean of the squared gradient (v).
    pub second_moment: Tensor,
    /// Number of updates.
    pub updates: i64,
    /// Updates before each component was selected: int32 `[total]`; `None` while all were selected at the start.
    pub births: Option<Tensor>,
}
