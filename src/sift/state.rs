//! A trained parameter's range of the flat vectors, and the vectors that a checkpoint saves.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::selected::Selected;
use super::targets::Role;

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
