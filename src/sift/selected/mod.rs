//! The selected components of a parameter, by the sets that they were chosen in: one index for a column, a row or a block.
//!
//! Wherever components are listed, they are in the order of their flat row-major indices, so that files and flat vectors do not
//! depend on the structure. What depends on it is how components are read and written, and how their gradient is computed:
//! that of columns, rows and blocks is a dense product of parts of x and dy, of which nothing is dropped.

mod blocks;
mod grid;
#[cfg(test)]
mod tests;

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::kernels;
use crate::kernels::slices::{as_f32, as_f32_mut, as_i32, is_contiguous_f32};
pub use blocks::Blocks;
pub use grid::Grid;

/// Where components are: component i is the element of the parameter at `indices[i]`, or else at row · `width` + column with
/// row = `rows[i / across]` and column = `columns[i % across]`; without a list, row and column are those numbers themselves.
#[derive(Default)]
pub(super) struct Places<'a> {
    pub indices: Option<&'a Tensor>,
    pub rows: Option<&'a Tensor>,
    pub columns: Option<&'a Tensor>,
    pub across: i64,
    pub width: i64,
}

/// The selected components of a parameter.
#[derive(Debug)]
pub enum Selected {
    /// Single components of a parameter of any shape: ascending flat row-major indices, int32 `[k]`, or int64 where one needs it.
    Entries(Tensor),
    /// Columns or rows of a matrix, or the components where they cross.
    Grid(Grid),
    /// Blocks of a matrix.
    Blocks(Blocks),
}

impl Selected {
    /// Single components of a parameter of this shape: ascending flat row-major indices of any integer type.
    pub fn entries(indices: &Tensor, shape: &[i64]) -> Selected {
        let narrow = shape.iter().product::<i64>() <= i64::from(i32::MAX);
        Selected::Entries(indices.to_kind(if narrow { Kind::Int } else { Kind::Int64 }))
    }

    /// The number of components, k.
    pub fn components(&self) -> i64 {
        match self {
            Selected::Entries(indices) => indices.numel() as i64,
            Selected::Grid(grid) => grid.components(),
            Selected::Blocks(blocks) => blocks.components(),
        }
    }

    /// Flat row-major indices: ascending int64 `[k]`.
    pub fn indices(&self) -> Tensor {
        match self {
            Selected::Entries(indices) => indices.to_kind(Kind::Int64),
            Selected::Grid(grid) => grid.indices(),
            Selected::Blocks(blocks) => blocks.indices(),
        }
    }

    /// Where they are, as lists that are contiguous.
    pub(super) fn places(&self) -> Places<'_> {
        match self {
            Selected::Entries(indices) => Places { indices: Some(indices), ..Places::default() },
            Selected::Grid(grid) => grid.places(),
            Selected::Blocks(blocks) => blocks.places(),
        }
    }

    /// The components of a tensor in the parameter's shape: `[k]`.
    pub fn gather(&self, tensor: &Tensor) -> Tensor {
        match self {
            Selected::Entries(indices) => tensor.flatten(0, -1).index_select(0, indices),
            Selected::Grid(grid) => grid.gather(tensor),
            Selected::Blocks(blocks) => blocks.gather(tensor),
        }
    }

    /// Writes components, `[k]`, into the parameter, which is contiguous and of the same dtype.
    pub fn write(&self, parameter: &Tensor, values: &Tensor) {
        match self {
            Selected::Entries(indices) => {
                if let Some(indices) =
                    as_i32(indices).filter(|_| is_contiguous_f32(parameter) && is_contiguous_f32(values))
                {
                    let mut parameter = parameter.shallow_clone();
                    return kernels::scatter(indices, as_f32(values), as_f32_mut(&mut parameter));
                }
                let _ = parameter.view(-1).index_copy_(0, &indices.to_kind(Kind::Int64), values);
            }
            Selected::Grid(grid) => grid.write(parameter, values),
            Selected::Blocks(blocks) => blocks.write(parameter, values),
        }
    }

    /// The columns of a linear layer's input that the gradient of its weight needs, int64 `[c]`; `None` if it needs all.
    pub fn columns(&self) -> Option<&Tensor> {
        match self {
            Selected::Grid(grid) => grid.columns(),
            Selected::Entries(_) | Selected::Blocks(_) => None,
        }
    }

    /// The gradient of the components of a linear layer's weight, `[k]`, as one dense product in the dtype of its operands; `None`
    /// for single components, of which no part of the operands can be left out. x is the layer's input `[tokens, in]` or only the
    /// [columns](Selected::columns) that are needed, dy the gradient of its output `[tokens, out]`.
    pub fn product(&self, x: &Tensor, dy: &Tensor) -> Option<Tensor> {
        match self {
            Selected::Entries(_) => None,
            Selected::Grid(grid) => Some(grid.gradient(x, dy)),
            Selected::Blocks(blocks) => Some(blocks.gradient(x, dy)),
        }
    }

    /// The components in these rows of a matrix of so many columns, as single components of these rows alone, and their range among all.
    pub fn in_rows(&self, rows: Range<i64>, columns: i64) -> (Selected, Range<i64>) {
        let (indices, first) = (self.indices(), rows.start * columns);
        let range = Selected::range_of(&indices, first..rows.end * columns);
        let own = indices.narrow(0, range.start, range.end - range.start) - first;
        (Selected::entries(&own, &[rows.end - rows.start, columns]), range)
    }

    /// The range of ascending int64 indices that are in a range.
    pub fn range_of(indices: &Tensor, range: Range<i64>) -> Range<i64> {
        let before = |bound: i64| indices.lt(bound).sum(Kind::Int64).int64_value(&[]);
        before(range.start)..before(range.end)
    }

    /// On another device.
    pub fn to_device(&self, device: Device) -> Selected {
        match self {
            Selected::Entries(indices) => Selected::Entries(indices.to_device(device)),
            Selected::Grid(grid) => Selected::Grid(grid.to_device(device)),
            Selected::Blocks(blocks) => Selected::Blocks(blocks.to_device(device)),
        }
    }

    /// Bytes of the indices.
    pub fn bytes(&self) -> u64 {
        let tensors = match self {
            Selected::Entries(indices) => vec![indices],
            Selected::Grid(grid) => grid.tensors(),
            Selected::Blocks(blocks) => blocks.tensors().to_vec(),
        };
        tensors.into_iter().map(|tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64).sum()
    }
}

impl Clone for Selected {
    /// The same tensors: nothing changes the indices of a selection.
    fn clone(&self) -> Selected {
        match self {
            Selected::Entries(indices) => Selected::Entries(indices.shallow_clone()),
            Selected::Grid(grid) => Selected::Grid(grid.clone()),
            Selected::Blocks(blocks) => Selected::Blocks(blocks.clone()),
        }
    }
}
