//! Blocks of a matrix: all of one size, on a grid that covers it.

use tch::{Device, Kind, Tensor};

use super::Places;

/// Chosen blocks of a matrix.
#[derive(Debug)]
pub struct Blocks {
    /// Rows and columns of the matrix.
    shape: [i64; 2],
    /// Rows and columns of a block; they divide those of the matrix.
    block: [i64; 2],
    /// Row of each block, counted in blocks: int64 `[n]`.
    rows: Tensor,
    /// Column of each block, counted in blocks: int64 `[n]`.
    columns: Tensor,
    /// A row of a block is a run of components that follow each other in the matrix. The runs in ascending order, each by its
    /// place among all runs of the matrix: int64 `[n · block rows]`.
    runs: Tensor,
    /// The place of each of them in a list by block: int64 `[n · block rows]`.
    order: Tensor,
}

impl Blocks {
    /// Blocks of so many rows and columns in a matrix of this shape, by number: int64 `[n]`, counted row by row of blocks.
    ///
    /// # Panics
    /// If a block's sides do not divide those of the matrix.
    pub fn new(shape: [i64; 2], block: [i64; 2], numbers: &Tensor) -> Blocks {
        let ([out, width], [high, wide]) = (shape, block);
        assert!(out % high == 0 && width % wide == 0, "blocks of {block:?} do not cover a matrix of {shape:?}");
        let across = width / wide;
        let (rows, columns) = (numbers.divide_scalar_mode(across, "floor"), numbers.remainder(across));
        let within = Tensor::arange(high, (Kind::Int64, numbers.device()));
        let by_block = (&rows * high).unsqueeze(1) + within.unsqueeze(0);
        let (runs, order) = (by_block * across + columns.unsqueeze(1)).flatten(0, -1).sort(0, false);
        Blocks { shape, block, rows, columns, runs, order }
    }

    pub(super) fn components(&self) -> i64 {
        self.runs.numel() as i64 * self.block[1]
    }

    /// The parameter seen as a list of runs.
    pub(super) fn places(&self) -> Places<'_> {
        Places { rows: Some(&self.runs), across: self.block[1], width: self.block[1], ..Places::default() }
    }

    pub(super) fn indices(&self) -> Tensor {
        let within = Tensor::arange(self.block[1], (Kind::Int64, self.runs.device()));
        ((&self.runs * self.block[1]).unsqueeze(1) + within.unsqueeze(0)).flatten(0, -1)
    }

    pub(super) fn gather(&self, matrix: &Tensor) -> Tensor {
        matrix.reshape([-1, self.block[1]]).index_select(0, &self.runs).flatten(0, -1)
    }

    pub(super) fn write(&self, matrix: &Tensor, values: &Tensor) {
        let runs = [-1, self.block[1]];
        let _ = matrix.view(runs).index_copy_(0, &self.runs, &values.view(runs));
    }

    /// dy[:, rows of the block]ᵀ · x[:, columns of the block], all blocks in one batched product.
    pub(super) fn gradient(&self, x: &Tensor, dy: &Tensor) -> Tensor {
        let [high, wide] = self.block;
        let blocks = |tensor: &Tensor, length: i64, size: i64, chosen: &Tensor| {
            tensor.reshape([-1, length / size, size]).index_select(1, chosen)
        };
        let dy = blocks(dy, self.shape[0], high, &self.rows).permute([1, 2, 0]);
        let x = blocks(x, self.shape[1], wide, &self.columns).permute([1, 0, 2]);
        dy.bmm(&x).view([-1, wide]).index_select(0, &self.order).flatten(0, -1)
    }

    pub(super) fn to_device(&self, device: Device) -> Blocks {
        self.map(|tensor| tensor.to_device(device))
    }

    pub(super) fn tensors(&self) -> [&Tensor; 4] {
        [&self.rows, &self.columns, &self.runs, &self.order]
    }

    fn map(&self, tensor: impl Fn(&Tensor) -> Tensor) -> Blocks {
        let [rows, columns, runs, order] = self.tensors().map(tensor);
        Blocks { shape: self.shape, block: self.block, rows, columns, runs, order }
    }
}

impl Clone for Blocks {
    fn clone(&self) -> Blocks {
        self.map(Tensor::shallow_clone)
    }
}
