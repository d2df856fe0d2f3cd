//! Where the tiles of the map lie: rows in steps of half a line, as tall and wide as there is room for.

use ratatui::layout::{Position, Rect};

use crate::ui::format::width;
use crate::ui::monitor::grid::{Grid, Part};

/// The share of the height that rows of one height must fill; else some are taller than others.
const FILLED: f64 = 0.75;

/// Half lines from which a row that is taller by one does not catch the eye.
const TALL: u16 = 6;

/// The least height in half lines, and the least width, of a tile with a gap behind it.
const WITH_GAP: (u16, u16) = (4, 5);

/// The name of the line of the dense parameters.
pub(super) const DENSE: &str = "dense";
/// The name above the blocks' numbers.
pub(super) const BLOCK: &str = "block";

/// The places of the visible rows and columns.
pub(super) struct Tiles {
    pub(super) area: Rect,
    /// Columns of the rows' names.
    pub(super) gutter: u16,
    pub(super) rows: Vec<TileRow>,
    /// Width of a block's tile, the gap included.
    pub(super) width: u16,
    /// The first visible column of the blocks, and the number of visible ones.
    pub(super) columns: Window,
    /// Half lines by which heights differ: 2 where only whole lines can be drawn.
    unit: u16,
    /// The line of the dense parameters.
    pub(super) dense: Option<u16>,
    /// Whether every block fills a line, which its values are written into.
    pub(super) figures: bool,
}

/// A visible row. Half lines are counted from the top of the area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TileRow {
    /// Its index in the grid.
    pub(super) row: usize,
    pub(super) top: u16,
    /// Half lines, the gap included.
    pub(super) height: u16,
}

/// A tile without its gaps: columns of the screen, and half lines from the top of the area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) x: u16,
    pub(super) width: u16,
    pub(super) top: u16,
    pub(super) height: u16,
}

/// What the places depend on besides the area.
pub(super) struct Fitting {
    /// Row and column of the cursor.
    pub(super) cursor: (usize, usize),
    /// Whether half lines can be drawn.
    pub(super) halves: bool,
    /// Whether there are dense parameters.
    pub(super) dense: bool,
}

/// The visible part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Window {
    /// The part of `all` that has `room` around the cursor.
    fn around(cursor: usize, all: usize, room: u16) -> Window {
        let count = all.min(usize::from(room));
        let first = (cursor + 1).saturating_sub(count.div_ceil(2)).min(all - count);
        Window { first, count }
    }

    /// The visible indices.
    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.first..self.first + self.count
    }
}

impl Tiles {
    /// The places in an area that lies below the columns' names.
    pub(super) fn layout(grid: &Grid, area: Rect, fitting: &Fitting) -> Tiles {
        let gutter = gutter(grid, fitting.dense).min(area.width / 3);
        let room = area.width - gutter;
        let columns = Window::around(fitting.cursor.1, grid.modules.len(), room);
        let width = room.checked_div(columns.count as u16).unwrap_or(room);
        let (rows, dense) = rows(grid, area.height, fitting);
        // Values in some rows only would look like a choice.
        let figures = rows.iter().all(|row| row.height > 2 || row.height == 2 && row.top.is_multiple_of(2));
        Tiles { area, gutter, rows, width, columns, unit: unit(fitting), dense, figures }
    }

    /// The tile of a visible row and column of the grid; `None` if the column is not visible.
    pub(super) fn tile(&self, grid: &Grid, row: &TileRow, column: usize) -> Option<Tile> {
        let TileRow { row, top, height } = *row;
        let (at, width) = if grid.rows[row].part.is_block() {
            (column.checked_sub(self.columns.first).filter(|at| *at < self.columns.count)?, self.width)
        } else {
            // The tiles of a strip share the width of the blocks.
            let whole = match self.columns.count {
                0 => self.area.width - self.gutter,
                columns => columns as u16 * self.width,
            };
            (column, whole / (grid.rows[row].targets.len().max(1) as u16))
        };
        let x = self.area.x + self.gutter + at as u16 * width;
        let width = width - u16::from(width >= WITH_GAP.1);
        Some(Tile { x, width, top, height: self.filled(height) })
    }

    /// The half lines of a row without the gap behind it.
    pub(super) fn filled(&self, height: u16) -> u16 {
        height - if height >= WITH_GAP.0 * self.unit { self.unit } else { 0 }
    }

    /// The row and column at a position of the screen.
    pub(super) fn at(&self, grid: &Grid, position: Position) -> Option<(usize, usize)> {
        if !self.area.contains(position) {
            return None;
        }
        let half = 2 * (position.y - self.area.y);
        // Of two rows in a line, the upper one.
        let row = self.rows.iter().find(|row| (row.top..row.top + row.height).contains(&half))?;
        let columns = 0..grid.rows[row.row].targets.len();
        let hit = |column: &usize| {
            self.tile(grid, row, *column).is_some_and(|tile| (tile.x..tile.x + tile.width).contains(&position.x))
        };
        Some((row.row, columns.into_iter().find(hit)?))
    }
}

fn unit(fitting: &Fitting) -> u16 {
    if fitting.halves { 1 } else { 2 }
}

/// Columns of the rows' names.
fn gutter(grid: &Grid, dense: bool) -> u16 {
    let names =
        grid.rows.iter().map(|row| width(&row.part.name()).max(if row.part.is_block() { width(BLOCK) } else { 0 }));
    names.chain(dense.then(|| width(DENSE))).max().unwrap_or(0) as u16 + 3
}

/// The visible rows from top to bottom, and the line of the dense parameters.
fn rows(grid: &Grid, lines: u16, fitting: &Fitting) -> (Vec<TileRow>, Option<u16>) {
    let count = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX);
    let of_part = |part: Part| (0..grid.rows.len()).filter(move |row| grid.rows[*row].part == part);
    let mut blocks: Vec<usize> = (0..grid.rows.len()).filter(|row| grid.rows[*row].part.is_block()).collect();
    let (mut before, mut behind): (Vec<usize>, Vec<usize>) =
        (of_part(Part::Embeddings).collect(), of_part(Part::Head).collect());
    if blocks.is_empty() {
        // Without blocks the strips fill the height.
        blocks = (0..grid.rows.len()).collect();
        (before, behind) = (Vec::new(), Vec::new());
    }
    // Strips grow with the blocks, and have a space around them where there is room.
    let strips = count(before.len() + behind.len());
    let spaces = u16::from(!before.is_empty()) + u16::from(!behind.is_empty() || fitting.dense);
    let left = |strip: u16, space: u16| {
        lines.saturating_sub(strips.saturating_mul(strip) + u16::from(fitting.dense) + spaces * space)
    };
    let (strip, space) = match count(blocks.len()) {
        blocks if left(2, 1) >= blocks.saturating_mul(3) => (2, 1),
        blocks if left(1, 1) >= blocks => (1, 1),
        _ => (1, 0),
    };
    let mut stack = Stack::default();
    before.iter().for_each(|row| stack.add(*row, 2 * strip));
    stack.skip(if before.is_empty() { 0 } else { 2 * space });
    stack.add_blocks(&blocks, left(strip, space), fitting);
    // Strips begin with a line, which their names are written into.
    stack.skip(stack.top % 2 + 2 * space);
    behind.iter().for_each(|row| stack.add(*row, 2 * strip));
    let dense = fitting.dense.then_some(stack.top.div_ceil(2)).filter(|line| *line < lines);
    stack.rows.retain(|row| row.top < 2 * lines);
    (stack.rows, dense)
}

/// Rows on top of each other.
#[derive(Default)]
struct Stack {
    rows: Vec<TileRow>,
    top: u16,
}

impl Stack {
    fn add(&mut self, row: usize, height: u16) {
        self.rows.push(TileRow { row, top: self.top, height });
        self.skip(height);
    }

    fn skip(&mut self, height: u16) {
        self.top = self.top.saturating_add(height);
    }

    /// Adds the blocks: all of one height if that fills the lines well. Where there are more than fit, those around the
    /// cursor.
    fn add_blocks(&mut self, blocks: &[usize], lines: u16, fitting: &Fitting) {
        let unit = unit(fitting);
        let units = lines.saturating_mul(2) / unit;
        let cursor = blocks.iter().position(|row| *row >= fitting.cursor.0).unwrap_or(blocks.len().saturating_sub(1));
        let visible = Window::around(cursor, blocks.len(), units);
        let count = visible.count as u16;
        let Some(equal) = units.checked_div(count) else { return };
        let uneven = unit * equal >= TALL || f64::from(equal * count) < FILLED * f64::from(units);
        for (number, row) in (0..count).zip(&blocks[visible.range()]) {
            let end = |number: u16| u32::from(number) * u32::from(units) / u32::from(count);
            let height = if uneven { (end(number + 1) - end(number)) as u16 } else { equal };
            self.add(*row, unit * height);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{Selected, SelectedTarget};
    use crate::runs::TargetHistories;

    fn grid(blocks: usize, modules: usize, strips: usize) -> Grid {
        let outside = |end: &str| (0..strips).map(|number| format!("{end}{number}x.weight")).collect::<Vec<_>>();
        let within =
            (0..blocks).flat_map(|block| (0..modules).map(move |module| format!("m.{block}.w{module}x.weight")));
        let names = outside("e").into_iter().chain(within).chain(outside("h"));
        let targets = names.map(|name| SelectedTarget { name, shape: vec![4], selected: 1 }).collect();
        Grid::of(&TargetHistories::of(&Selected { total: 0, of: 0, dense: 0, targets }))
    }

    fn heights(blocks: usize, lines: u16, halves: bool) -> Vec<u16> {
        let fitting = Fitting { cursor: (0, 0), halves, dense: false };
        let tiles = Tiles::layout(&grid(blocks, 2, 0), Rect::new(0, 0, 40, lines), &fitting);
        tiles.rows.iter().map(|row| row.height).collect()
    }

    #[test]
    fn rows_fill_the_height_in_half_lines() {
        assert_eq!(heights(2, 10, true), [10, 10]);
        assert_eq!(heights(4, 9, true), [4, 4, 4, 4]);
        assert_eq!(heights(4, 9, false), [4, 4, 4, 4]);
        assert_eq!(heights(10, 8, true), [1, 2, 1, 2, 2, 1, 2, 1, 2, 2]);
        assert_eq!(heights(80, 40, true), [1; 80]);
        // More than fit: those around the cursor.
        assert_eq!((heights(80, 20, true).len(), heights(80, 20, false).len()), (40, 20));
    }

    proptest! {
        #[test]
        fn rows_and_tiles_lie_beside_each_other_and_the_cursor_is_visible(
            (blocks, modules, strips) in (0usize..90, 1usize..30, 0usize..9),
            (width, lines) in (0u16..200, 0u16..60),
            (row, column) in (0usize..100, 0usize..40),
            (halves, dense) in (any::<bool>(), any::<bool>()),
        ) {
            let grid = grid(blocks, modules, strips);
            let cursor = (row.min(grid.rows.len().saturating_sub(1)), column.min(grid.modules.len().saturating_sub(1)));
            let area = Rect::new(3, 2, width, lines);
            let tiles = Tiles::layout(&grid, area, &Fitting { cursor, halves, dense });
            for pair in tiles.rows.windows(2) {
                prop_assert!(pair[0].top + pair[0].height <= pair[1].top && pair[0].row < pair[1].row);
            }
            for row in &tiles.rows {
                prop_assert!(row.height > 0 && (halves || row.top % 2 == 0));
                let columns = 0..grid.rows[row.row].targets.len();
                let across: Vec<Tile> = columns.filter_map(|column| tiles.tile(&grid, row, column)).collect();
                for pair in across.windows(2) {
                    prop_assert!(pair[0].x + pair[0].width <= pair[1].x);
                }
                prop_assert!(across.iter().all(|tile| tile.x + tile.width <= area.right()));
            }
            if lines > 10 + 2 * strips as u16 && width > 90 && !grid.rows.is_empty() {
                let shown = tiles.rows.iter().find(|row| row.row == cursor.0);
                prop_assert!(shown.is_some_and(|row| tiles.tile(&grid, row, 0).is_some() || cursor.1 > 0));
            }
        }
    }
}
