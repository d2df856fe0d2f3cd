//! Components that have left the selection: they keep their trained values in the weights, and are trained no longer.

use tch::{Device, Kind, Tensor};

/// The components of one target that have left its selection, on the CPU. A checkpoint saves indices and values.
pub struct Retired {
    /// Ascending flat row-major indices: int64 `[n]`.
    pub indices: Tensor,
    /// Master values when they left: fp32 `[n]`.
    pub values: Tensor,
    /// Pre-trained values: `[n]`, in the weights' dtype.
    pub(super) pretrained: Tensor,
}

/// Where each of some wanted indices is in an ascending list.
pub(super) struct Located {
    /// A position in the list, of another index where the wanted one is missing: int64.
    positions: Tensor,
    /// Whether the list has it: bool.
    pub found: Tensor,
}

impl Located {
    /// Looks up `wanted` in `ascending`, int64 both.
    pub fn of(wanted: &Tensor, ascending: &Tensor) -> Located {
        let length = ascending.numel() as i64;
        if length == 0 {
            return Located { positions: wanted.zeros_like(), found: wanted.zeros_like().to_kind(Kind::Bool) };
        }
        let positions = wanted.searchsorted(ascending, false, false, "left", None::<Tensor>).clamp_max(length - 1);
        let found = ascending.index_select(0, &positions).eq_tensor(wanted);
        Located { positions, found }
    }

    /// The values at the found positions of a vector as long as the list; `otherwise` for indices that the list does not have.
    pub fn or(&self, values: &Tensor, otherwise: &Tensor) -> Tensor {
        if values.numel() == 0 {
            return otherwise.shallow_clone();
        }
        values.index_select(0, &self.positions).where_self(&self.found, otherwise)
    }
}

impl Retired {
    /// None yet, of weights of this dtype.
    pub(super) fn none(kind: Kind) -> Retired {
        let empty = |kind| Tensor::zeros([0], (kind, Device::Cpu));
        Retired { indices: empty(Kind::Int64), values: empty(Kind::Float), pretrained: empty(kind) }
    }

    /// Drops the components that are selected again, and adds those that leave.
    pub(super) fn exchange(&mut self, selected: &Tensor, leaving: Retired) {
        let kept = Located::of(&self.indices, selected).found.logical_not().nonzero().flatten(0, -1);
        let both = |ours: &Tensor, theirs: &Tensor| Tensor::cat(&[&ours.index_select(0, &kept), theirs], 0);
        let (indices, order) = both(&self.indices, &leaving.indices).sort(0, false);
        self.values = both(&self.values, &leaving.values).index_select(0, &order);
        self.pretrained = both(&self.pretrained, &leaving.pretrained).index_select(0, &order);
        self.indices = indices;
    }
}
