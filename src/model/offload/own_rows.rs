//! What a rank has of a weight that is sharded: some of its rows.

use std::ops::Range;

use tch::Tensor;

use crate::distributed::World;

/// What this process has of a weight that is sharded over ranks.
pub struct OwnRows {
    /// Their numbers.
    pub rows: Range<i64>,
    /// Their values, `[rows, in]`, on the device.
    pub weights: Tensor,
    /// The same with as many rows as the first rank has.
    pub(super) padded: Tensor,
}

/// What stands for a weight that is not there: of its shape and type, and without memory. It is not a number, so that nothing is computed from
/// it unnoticed.
pub fn absent(weight: &Tensor) -> Tensor {
    Tensor::full([1], f64::NAN, (weight.kind(), weight.device())).expand(weight.size(), false)
}

/// Rows of a weight that each rank has, of so many: the last ranks may have fewer.
pub fn rows_per_rank(rows: i64, ranks: usize) -> i64 {
    (rows + ranks as i64 - 1) / ranks as i64
}

impl OwnRows {
    /// Those of a weight.
    pub fn of(weight: &Tensor, world: &World) -> OwnRows {
        let size = weight.size();
        let share = rows_per_rank(size[0], world.size());
        let start = (share * world.rank() as i64).min(size[0]);
        let rows = start..(start + share).min(size[0]);
        let count = rows.end - rows.start;
        let padded = weight.new_zeros([share, size[1]], (weight.kind(), weight.device()));
        let weights = padded.narrow(0, 0, count);
        weights.shallow_clone().copy_(&weight.narrow(0, rows.start, count));
        OwnRows { rows, weights, padded }
    }
}

impl Clone for OwnRows {
    /// The same tensors.
    fn clone(&self) -> OwnRows {
        let (weights, padded) = (self.weights.shallow_clone(), self.padded.shallow_clone());
        OwnRows { rows: self.rows.clone(), weights, padded }
    }
}
