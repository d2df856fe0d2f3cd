//! The order in which the selected components of a weight's gradient are computed.

use std::ops::Range;

use tch::{Kind, Tensor};

use super::column::CHUNK;

/// Bytes of a tile's columns of x: they fit the first-level cache beside the rest.
const TILE_BYTES: usize = 32 << 10;

/// Components of a row that a tile should have at least; with fewer, loading the column of dy does not pay.
const MIN_COMPONENTS: usize = 8;

/// The selected components of a weight `[out, in]`, in tiles. It is made once for a selection. A tile has some columns and
/// all rows of the weight, so that its columns of x stay in the first-level cache while those of dy stream through.
pub struct SamplingPlan {
    shape: (usize, usize),
    /// Columns of a tile, at most 65,536.
    tile: usize,
    tiles: usize,
    /// Where the components of each row and, within it, each tile begin; at the end, the number of components.
    starts: Vec<usize>,
    /// Each component's column within its tile, in the order of the selection.
    columns: Vec<u16>,
}

impl SamplingPlan {
    /// The plan of ascending flat row-major `indices` (int32 or int64 `[k]`) into a weight `[out, in]`.
    ///
    /// # Panics
    /// If an index is out of range, or the indices do not ascend.
    pub fn new(indices: &Tensor, out: i64, width: i64) -> SamplingPlan {
        let (out, width) = (out as usize, width as usize);
        let indices: Vec<i64> = Vec::try_from(indices.to_kind(Kind::Int64)).unwrap_or_default();
        let ascending = indices.windows(2).all(|pair| pair[0] < pair[1]);
        let in_range = |&index: &i64| index >= 0 && (index as usize) < out * width;
        assert!(ascending && indices.iter().all(in_range), "indices must ascend and be within the weight");
        let rate = indices.len() as f64 / (out * width).max(1) as f64;
        let min_width = (MIN_COMPONENTS as f64 / rate).ceil() as usize;
        let tile = min_width.max(TILE_BYTES / (4 * CHUNK)).min(width.max(1)).min(1 << 16);
        let tiles = width.div_ceil(tile);
        let mut starts = vec![0; out * tiles + 1];
        let mut columns = Vec::with_capacity(indices.len());
        for index in indices {
            let (row, column) = (index as usize / width, index as usize % width);
            starts[row * tiles + column / tile + 1] += 1;
            columns.push((column % tile) as u16);
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        SamplingPlan { shape: (out, width), tile, tiles, starts, columns }
    }

    /// Rows and columns of the weight.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Number of selected components.
    pub fn components(&self) -> usize {
        self.columns.len()
    }

    /// The components in these rows.
    pub(super) fn components_of_rows(&self, rows: &Range<usize>) -> Range<usize> {
        self.starts[rows.start * self.tiles]..self.starts[rows.end * self.tiles]
    }

    /// The columns of each tile.
    pub(super) fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (tile, width) = (self.tile, self.shape.1);
        (0..self.tiles).map(move |number| number * tile..((number + 1) * tile).min(width))
    }

    /// The components of a row in a tile: the number of the first, and their columns within the tile, which are less than its
    /// width.
    #[inline]
    pub(super) fn segment(&self, row: usize, tile: usize) -> (usize, &[u16]) {
        let place = row * self.tiles + tile;
        let (start, end) = (self.starts[place], self.starts[place + 1]);
        (start, &self.columns[start..end])
    }
}
