//! The structure of a selection: which sets of components of a matrix may be chosen, and how many a rate buys.
//!
//! A set's score is the L2 norm of its components' scores. Ties go to the lower index. A target that is no matrix has only
//! entries.

use tch::{Kind, Tensor};

use super::super::budget;
use super::super::selected::{Blocks, Grid, Selected};
use super::largest;

/// The sets of components that may be chosen of a matrix `[out, in]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Single components: SIFT.
    Entries,
    /// The same number of components in every row, so that every output neuron adapts: NeuroAda (Zhang et al., EMNLP 2025,
    /// arXiv 2510.18940).
    PerRow,
    /// Whole columns: all weights of an input, as in PaCA (Woo et al., ICLR 2025, arXiv 2503.01905), which draws them at random.
    Columns,
    /// Whole rows: all weights of an output.
    Rows,
    /// The components where chosen rows and chosen columns cross: LoSiA (Wang et al., EMNLP 2025, arXiv 2507.04487).
    RowsColumns,
    /// Blocks: SMT (He et al., 2024, arXiv 2405.15525). A block's sides divide those of the
    /// matrix, so that all blocks are of one size.
    Blocks {
        /// The most rows and columns of a block.
        side: i64,
    },
}

impl Structure {
    /// The structure for a target of this shape.
    pub fn of(self, shape: &[i64]) -> Structure {
        if shape.len() == 2 { self } else { Structure::Entries }
    }

    /// The number of components that are chosen of a target of this shape. A structured selection has at least one set, and never
    /// more components than the rate says if that is one set or more.
    pub fn components(self, shape: &[i64], rate: f64) -> i64 {
        let all = shape.iter().product();
        let (out, width) = match (self.of(shape), shape) {
            (Structure::Entries, _) => return budget(all, rate),
            (_, [out, width]) => (*out, *width),
            _ => return budget(all, rate),
        };
        match self {
            Structure::Entries => budget(all, rate),
            Structure::PerRow => out * sets(width, rate),
            Structure::Columns => out * sets(width, rate),
            Structure::Rows => width * sets(out, rate),
            Structure::RowsColumns => sets(out, rate.sqrt()) * sets(width, rate.sqrt()),
            Structure::Blocks { side } => {
                let (high, wide) = (divisor(out, side), divisor(width, side));
                high * wide * sets((out / high) * (width / wide), rate)
            }
        }
    }

    /// Chooses the components with the largest scores: `self.components(..)` of them.
    pub(super) fn choose(self, score: &Tensor, rate: f64) -> Selected {
        let shape = score.size();
        let entries = || Selected::entries(&largest(score, budget(score.numel() as i64, rate)), &shape);
        let (out, width) = match (self.of(&shape), &shape[..]) {
            (Structure::Entries, _) => return entries(),
            (_, [out, width]) => (*out, *width),
            _ => return entries(),
        };
        let square = score.to_kind(Kind::Float).square();
        match self {
            Structure::Entries | Structure::Columns | Structure::Rows | Structure::Blocks { .. } => {
                let squares = self.set_squares(&square);
                self.members(&shape, &largest(&squares, sets(squares.numel() as i64, rate)))
            }
            Structure::PerRow => {
                let order = square.sort_stable(true, -1, true).1.narrow(1, 0, sets(width, rate));
                let first = Tensor::arange(out, (Kind::Int64, score.device())).unsqueeze(1) * width;
                Selected::entries(&(first + order.sort(1, false).0).flatten(0, -1), &shape)
            }
            Structure::RowsColumns => {
                let (rows, columns) = rows_and_columns(&square, sets(out, rate.sqrt()), sets(width, rate.sqrt()));
                Selected::Grid(Grid::of_both([out, width], &rows, &columns))
            }
        }
    }

    /// The largest sum of squares that this structure covers of a target at a rate: fp32 scalar on the device.
    pub fn covered(self, square: &Tensor, rate: f64) -> Tensor {
        let shape = square.size();
        let largest_of = |squares: &Tensor, k: i64| squares.topk(k, -1, true, false).0.sum(Kind::Float);
        match (self.of(&shape), &shape[..]) {
            (Structure::PerRow, &[_, width]) => largest_of(square, sets(width, rate)),
            (Structure::RowsColumns, &[out, width]) => {
                let (rows, columns) = rows_and_columns(square, sets(out, rate.sqrt()), sets(width, rate.sqrt()));
                square.index_select(0, &rows).index_select(1, &columns).sum(Kind::Float)
            }
            (Structure::Entries, _) => largest_of(&square.flatten(0, -1), budget(square.numel() as i64, rate)),
            (structure, _) => {
                let squares = structure.set_squares(square);
                largest_of(&squares, sets(squares.numel() as i64, rate))
            }
        }
    }

    /// Whether its sets may be chosen one by one, and so over several targets. The others choose as many in each row, or rows and
    /// columns together.
    pub fn has_sets(self) -> bool {
        !matches!(self, Structure::PerRow | Structure::RowsColumns)
    }

    /// Components of a set of a target of this shape.
    pub(super) fn set_size(self, shape: &[i64]) -> i64 {
        match (self.of(shape), shape) {
            (Structure::Columns, &[out, _]) => out,
            (Structure::Rows, &[_, width]) => width,
            (Structure::Blocks { side }, &[out, width]) => divisor(out, side) * divisor(width, side),
            _ => 1,
        }
    }

    /// The sum of squares of each set of a target: fp32 `[sets]`. A block's number counts row by row of blocks.
    pub(super) fn set_squares(self, square: &Tensor) -> Tensor {
        let shape = square.size();
        match (self.of(&shape), &shape[..]) {
            (Structure::Columns, _) => over_rows(square),
            (Structure::Rows, _) => over_columns(square),
            (Structure::Blocks { side }, &[out, width]) => {
                let (high, wide) = (divisor(out, side), divisor(width, side));
                let blocks = square.view([out / high, high, width / wide, wide]);
                blocks.sum_dim_intlist(Some(&[1i64, 3][..]), false, Kind::Float).flatten(0, -1)
            }
            _ => square.flatten(0, -1),
        }
    }

    /// The components of these sets of a target of this shape, by number: ascending int64.
    pub(super) fn members(self, shape: &[i64], chosen: &Tensor) -> Selected {
        match (self.of(shape), shape) {
            (Structure::Columns, &[out, width]) => Selected::Grid(Grid::of_columns([out, width], chosen)),
            (Structure::Rows, &[out, width]) => Selected::Grid(Grid::of_rows([out, width], chosen)),
            (Structure::Blocks { side }, &[out, width]) => {
                Selected::Blocks(Blocks::new([out, width], [divisor(out, side), divisor(width, side)], chosen))
            }
            _ => Selected::entries(chosen, shape),
        }
    }

    /// The selection with these ascending flat row-major indices, int64 `[k]`, of a target of this shape: by its sets, if it
    /// consists of sets of this structure, and by its components if not.
    pub fn recognize(self, shape: &[i64], indices: &Tensor) -> Selected {
        let entries = || Selected::entries(indices, shape);
        let &[out, width] = shape else { return entries() };
        let (row, column) = (indices.divide_scalar_mode(width, "floor"), indices.remainder(width));
        // The first component of each set says which one it is.
        let found = match self {
            Structure::Entries | Structure::PerRow => return entries(),
            Structure::Columns => self.members(shape, &column.masked_select(&row.eq(0))),
            Structure::Rows => self.members(shape, &row.masked_select(&column.eq(0))),
            Structure::Blocks { side } => {
                let (high, wide) = (divisor(out, side), divisor(width, side));
                let first = row.remainder(high).eq(0).logical_and(&column.remainder(wide).eq(0));
                let numbers =
                    row.divide_scalar_mode(high, "floor") * (width / wide) + column.divide_scalar_mode(wide, "floor");
                self.members(shape, &numbers.masked_select(&first))
            }
            Structure::RowsColumns if indices.numel() == 0 => return entries(),
            Structure::RowsColumns => {
                let rows = row.masked_select(&column.eq_tensor(&column.get(0)));
                let columns = column.masked_select(&row.eq_tensor(&row.get(0)));
                Selected::Grid(Grid::of_both([out, width], &rows, &columns))
            }
        };
        if found.components() == indices.numel() as i64 && found.indices().equal(indices) { found } else { entries() }
    }

    /// Whether training keeps less of a layer's input than selecting, which takes the dense gradient.
    pub fn narrows_inputs(self) -> bool {
        matches!(self, Structure::Columns | Structure::RowsColumns)
    }

    /// Bytes of the indices of a selection of a target of this shape.
    pub fn index_bytes(self, shape: &[i64], rate: f64) -> u64 {
        let (all, chosen) = (shape.iter().product::<i64>(), self.components(shape, rate));
        let bytes = match (self.of(shape), shape) {
            (Structure::Columns | Structure::Rows, _) => 8 * (chosen / self.set_size(shape)),
            (Structure::RowsColumns, &[out, width]) => 8 * (sets(out, rate.sqrt()) + sets(width, rate.sqrt())),
            (Structure::Blocks { side }, &[out, _]) => 16 * (1 + divisor(out, side)) * (chosen / self.set_size(shape)),
            _ if all <= i64::from(i32::MAX) => 4 * chosen,
            _ => 8 * chosen,
        };
        bytes as u64
    }

    /// Elements per token that the product which makes the gradient copies of the operands of a layer's weight `[out, in]`; `None` if
    /// there is no such product.
    pub fn product_operands(self, [out, width]: [i64; 2], rate: f64) -> Option<i64> {
        match self {
            Structure::Entries | Structure::PerRow => None,
            Structure::Columns => Some(sets(width, rate)),
            Structure::Rows => Some(sets(out, rate)),
            Structure::RowsColumns => Some(sets(out, rate.sqrt()) + sets(width, rate.sqrt())),
            Structure::Blocks { side } => {
                let (high, wide) = (divisor(out, side), divisor(width, side));
                Some((high + wide) * sets((out / high) * (width / wide), rate))
            }
        }
    }

    /// Columns of a layer's input that the gradient of its weight `[out, in]` needs: all, unless only some are chosen.
    pub fn input_columns(self, [out, width]: [i64; 2], rate: f64) -> i64 {
        match self {
            Structure::Columns => self.components(&[out, width], rate) / out,
            Structure::RowsColumns => sets(width, rate.sqrt()),
            _ => width,
        }
    }
}

/// The sets that a rate buys of this many: rate · sets, rounded down, at least one.
fn sets(of: i64, rate: f64) -> i64 {
    ((rate * of as f64).floor() as i64).clamp(1, of)
}

/// The largest divisor of a length that is at most this.
fn divisor(length: i64, most: i64) -> i64 {
    (1..=most.min(length)).rev().find(|divisor| length % divisor == 0).unwrap_or(1)
}

/// Squared norms of the columns: `[in]`.
fn over_rows(square: &Tensor) -> Tensor {
    square.sum_dim_intlist(Some(&[0i64][..]), false, Kind::Float)
}

/// Squared norms of the rows: `[out]`.
fn over_columns(square: &Tensor) -> Tensor {
    square.sum_dim_intlist(Some(&[1i64][..]), false, Kind::Float)
}

/// The rows first and then the columns within them, or the other way round, whichever crosses in the larger mass.
fn rows_and_columns(square: &Tensor, rows: i64, columns: i64) -> (Tensor, Tensor) {
    let rows_first = largest(&over_columns(square), rows);
    let within = square.index_select(0, &rows_first);
    let columns_then = largest(&over_rows(&within), columns);
    let columns_first = largest(&over_rows(square), columns);
    let within_columns = square.index_select(1, &columns_first);
    let rows_then = largest(&over_columns(&within_columns), rows);
    let mass = |rest: Tensor| rest.sum(Kind::Double).double_value(&[]);
    if mass(within.index_select(1, &columns_then)) >= mass(within_columns.index_select(0, &rows_then)) {
        (rows_first, columns_then)
    } else {
        (rows_then, columns_first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{on_test_device, random_tensor};
    use proptest::prelude::*;

    const ALL: [Structure; 6] = [
        Structure::Entries,
        Structure::PerRow,
        Structure::Columns,
        Structure::Rows,
        Structure::RowsColumns,
        Structure::Blocks { side: 4 },
    ];

    fn indices(selected: &Selected) -> Vec<i64> {
        Vec::try_from(selected.indices()).unwrap()
    }

    /// Small whole numbers, so that ties abound.
    fn score(out: i64, width: i64, seed: u64) -> Tensor {
        on_test_device(random_tensor(&[out, width], seed)).round()
    }

    #[test]
    fn sides_of_blocks_divide_those_of_the_matrix() {
        assert_eq!(
            [(384, 64), (30522, 64), (7, 4), (5, 64)].map(|(length, most)| divisor(length, most)),
            [64, 6, 1, 5]
        );
    }

    #[test]
    fn five_percent_of_the_columns_of_minilm() {
        // 24 matrices of attention: 19 of 384 columns each.
        assert_eq!(24 * Structure::Columns.components(&[384, 384], 0.05), 175_104);
        assert_eq!(Structure::Columns.components(&[384], 0.05), budget(384, 0.05));
    }

    proptest! {
        #[test]
        fn every_structure_chooses_the_components_it_counts(
            out in 1i64..40, width in 1i64..40, rate in 1e-3f64..=1.0, seed: u16,
        ) {
            let score = score(out, width, seed.into());
            for structure in ALL {
                let chosen = indices(&structure.choose(&score, rate));
                prop_assert_eq!(chosen.len() as i64, structure.components(&[out, width], rate), "{:?}", structure);
                prop_assert!(chosen.is_sorted_by(|a, b| a < b), "{:?}", structure);
                prop_assert!(chosen.iter().all(|index| (0..out * width).contains(index)), "{:?}", structure);
                let all = indices(&structure.choose(&score, 1.0));
                prop_assert_eq!(all, (0..out * width).collect::<Vec<_>>(), "{:?}", structure);
            }
        }

        #[test]
        fn the_mass_of_a_structure_is_that_of_the_components_it_chooses(
            out in 1i64..30, width in 1i64..30, rate in 1e-3f64..=1.0, seed: u16,
        ) {
            let score = on_test_device(random_tensor(&[out, width], seed.into()));
            for structure in ALL {
                let chosen = structure.choose(&score, rate).gather(&score);
                let expected = chosen.to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[]);
                let covered = structure.covered(&score.square(), rate).double_value(&[]);
                prop_assert!((covered - expected).abs() <= 1e-5 * expected, "{:?}: {} {}", structure, covered, expected);
            }
        }

        #[test]
        fn no_set_that_was_left_out_has_a_larger_score(out in 1i64..20, width in 1i64..20, rate in 0.05f64..0.9, seed: u16) {
            let score = score(out, width, seed.into());
            let values: Vec<f64> = Vec::try_from(score.flatten(0, -1).to_kind(Kind::Double)).unwrap();
            let square = |row: i64, column: i64| values[(row * width + column) as usize].powi(2);
            let column = |column: i64| (0..out).map(|row| square(row, column)).sum::<f64>();
            let row = |row: i64| (0..width).map(|column| square(row, column)).sum::<f64>();
            let split = |chosen: Vec<i64>, all: i64, of: &dyn Fn(i64) -> f64| {
                let (inside, outside): (Vec<i64>, Vec<i64>) = (0..all).partition(|set| chosen.contains(set));
                let least = inside.into_iter().map(of).fold(f64::INFINITY, f64::min);
                (least, outside.into_iter().map(of).fold(0.0, f64::max))
            };
            let columns = indices(&Structure::Columns.choose(&score, rate)).into_iter().map(|index| index % width);
            let (least, largest) = split(columns.collect(), width, &column);
            prop_assert!(least >= largest);
            let rows = indices(&Structure::Rows.choose(&score, rate)).into_iter().map(|index| index / width);
            let (least, largest) = split(rows.collect(), out, &row);
            prop_assert!(least >= largest);
        }
    }
}
