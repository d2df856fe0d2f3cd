//! Columns or rows of a matrix, or the components where chosen rows and columns cross.

use tch::{Device, Kind, Tensor};

use super::Places;
use crate::sift::sampled::dense_gradient;

/// The components of a matrix where some rows and some columns cross.
#[derive(Debug)]
pub struct Grid {
    /// Rows and columns of the matrix.
    shape: [i64; 2],
    /// Ascending int64 `[r]`; `None` for all rows.
    rows: Option<Tensor>,
    /// Ascending int64 `[c]`; `None` for all columns.
    columns: Option<Tensor>,
}

impl Grid {
    /// Whole columns of a matrix of this shape: ascending int64 `[c]`.
    pub fn of_columns(shape: [i64; 2], columns: &Tensor) -> Grid {
        Grid { shape, rows: None, columns: Some(columns.shallow_clone()) }
    }

    /// Whole rows: ascending int64 `[r]`.
    pub fn of_rows(shape: [i64; 2], rows: &Tensor) -> Grid {
        Grid { shape, rows: Some(rows.shallow_clone()), columns: None }
    }

    /// Where rows `[r]` and columns `[c]` cross: ascending int64 both.
    pub fn of_both(shape: [i64; 2], rows: &Tensor, columns: &Tensor) -> Grid {
        Grid { shape, rows: Some(rows.shallow_clone()), columns: Some(columns.shallow_clone()) }
    }

    pub(super) fn components(&self) -> i64 {
        self.size().iter().product()
    }

    /// Rows and columns of the components as a matrix of their own.
    fn size(&self) -> [i64; 2] {
        let count = |chosen: &Option<Tensor>, all: i64| chosen.as_ref().map_or(all, |chosen| chosen.numel() as i64);
        [count(&self.rows, self.shape[0]), count(&self.columns, self.shape[1])]
    }

    pub(super) fn places(&self) -> Places<'_> {
        let [_, across] = self.size();
        Places { rows: self.rows.as_ref(), columns: self.columns.as_ref(), across, width: self.shape[1], indices: None }
    }

    pub(super) fn columns(&self) -> Option<&Tensor> {
        self.columns.as_ref()
    }

    pub(super) fn indices(&self) -> Tensor {
        let device = self.tensors().first().map_or(Device::Cpu, |tensor| tensor.device());
        let all = |length: i64| Tensor::arange(length, (Kind::Int64, device));
        let [rows, columns] = [(&self.rows, self.shape[0]), (&self.columns, self.shape[1])]
            .map(|(chosen, length)| chosen.as_ref().map_or_else(|| all(length), Tensor::shallow_clone));
        (rows.unsqueeze(1) * self.shape[1] + columns).flatten(0, -1)
    }

    pub(super) fn gather(&self, matrix: &Tensor) -> Tensor {
        part(&part(matrix, 0, self.rows.as_ref()), 1, self.columns.as_ref()).flatten(0, -1)
    }

    pub(super) fn write(&self, matrix: &Tensor, values: &Tensor) {
        let (mut matrix, values) = (matrix.shallow_clone(), values.view(self.size()));
        match (&self.rows, &self.columns) {
            (Some(rows), Some(columns)) => {
                let _ = matrix.index_put_(&[Some(rows.unsqueeze(1)), Some(columns.shallow_clone())], &values, false);
            }
            (Some(rows), None) => {
                let _ = matrix.index_copy_(0, rows, &values);
            }
            (None, Some(columns)) => {
                let _ = matrix.index_copy_(1, columns, &values);
            }
            (None, None) => matrix.copy_(&values),
        }
    }

    /// dy[:, rows]ᵀ · x[:, columns].
    pub(super) fn gradient(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        // The tape may have kept the columns only.
        let columns = self.columns.as_ref().filter(|_| x.size()[1] == self.shape[1]);
        dense_gradient(&part(x, 1, columns), &part(dy, 1, self.rows.as_ref())).flatten(0, -1)
    }

    pub(super) fn to_device(&self, device: Device) -> Grid {
        let moved = |tensor: &Option<Tensor>| tensor.as_ref().map(|tensor| tensor.to_device(device));
        Grid { shape: self.shape, rows: moved(&self.rows), columns: moved(&self.columns) }
    }

    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        self.rows.iter().chain(&self.columns).collect()
    }
}

impl Clone for Grid {
    fn clone(&self) -> Grid {
        let same = |tensor: &Option<Tensor>| tensor.as_ref().map(Tensor::shallow_clone);
        Grid { shape: self.shape, rows: same(&self.rows), columns: same(&self.columns) }
    }
}

/// The chosen places of a dimension, or all.
fn part(matrix: &Tensor, dimension: i64, chosen: Option<&Tensor>) -> Tensor {
    chosen.map_or_else(|| matrix.shallow_clone(), |chosen| matrix.index_select(dimension, chosen))
}
