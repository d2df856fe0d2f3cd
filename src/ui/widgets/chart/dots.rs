//! A raster of braille dots, or of ASCII characters, that lines and marks are drawn into.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::trace::Raster;
use super::{Curve, put};

/// A grid of dots over an area: 2 by 4 in each cell with braille, 1 by 1 without.
pub(super) struct Dots {
    width: i32,
    height: i32,
    per_cell: (i32, i32),
    /// The dots of each cell as the bits of its braille character, and [`MARK`].
    cells: Vec<u16>,
    columns: usize,
}

/// The bit of a cell that holds a mark.
const MARK: u16 = 1 << 8;

impl Dots {
    pub(super) fn new(plot: Rect, ascii: bool) -> Dots {
        let per_cell = if ascii { (1, 1) } else { (2, 4) };
        let (columns, rows) = (usize::from(plot.width), usize::from(plot.height));
        Dots {
            width: columns as i32 * per_cell.0,
            height: rows as i32 * per_cell.1,
            per_cell,
            cells: vec![0; columns * rows],
            columns,
        }
    }

    /// The row of cells that a share lies in, from the top.
    pub(super) fn cell_row(&self, share: f64) -> u16 {
        (self.row(share) / self.per_cell.1) as u16
    }

    fn cell(&self, x: i32, y: i32) -> Option<usize> {
        let inside = (0..self.width).contains(&x) && (0..self.height).contains(&y);
        inside.then(|| (y / self.per_cell.1) as usize * self.columns + (x / self.per_cell.0) as usize)
    }

    /// The part of a line inside the area, by Liang and Barsky's algorithm.
    fn clipped(&self, from: (i32, i32), to: (i32, i32)) -> Option<((i32, i32), (i32, i32))> {
        let (x, y) = (f64::from(from.0), f64::from(from.1));
        let (dx, dy) = (f64::from(to.0) - x, f64::from(to.1) - y);
        let (right, bottom) = (f64::from(self.width - 1), f64::from(self.height - 1));
        let (mut start, mut end) = (0f64, 1f64);
        for (direction, distance) in [(-dx, x), (dx, right - x), (-dy, y), (dy, bottom - y)] {
            if direction == 0.0 {
                if distance < 0.0 {
                    return None;
                }
            } else if direction < 0.0 {
                start = start.max(distance / direction);
            } else {
                end = end.min(distance / direction);
            }
        }
        let at = |share: f64| ((x + share * dx).round() as i32, (y + share * dy).round() as i32);
        (start <= end).then(|| (at(start), at(end)))
    }

    /// Draws the cells. `hidden` says of each cell whether the curve in it is faint, so that a later one replaces it; where
    /// other curves cross, the cell shows the dots of both in the upper one's colour.
    pub(super) fn draw(&self, plot: Rect, buffer: &mut Buffer, curve: &Curve, hidden: &mut [bool]) {
        let ascii = self.per_cell == (1, 1);
        for (number, &dots) in self.cells.iter().enumerate().filter(|(_, dots)| **dots != 0) {
            let (column, row) = ((number % self.columns) as u16, (number / self.columns) as u16);
            let symbol = match (dots & MARK != 0, ascii) {
                (true, true) => curve.glyph.unwrap_or('o'),
                (true, false) => curve.mark.unwrap_or('◆'),
                (false, true) => curve.glyph.unwrap_or('*'),
                (false, false) => {
                    let cell = buffer.cell((plot.x + column, plot.y + row)).filter(|_| !hidden[number]);
                    let below = cell.map_or(0, |cell| braille(cell.symbol()));
                    char::from_u32(0x2800 + (u32::from(dots & 0xff) | below)).unwrap_or('*')
                }
            };
            hidden[number] = curve.faint;
            put(buffer, plot.x + column, plot.y + row, symbol.encode_utf8(&mut [0; 4]), curve.style);
        }
    }
}

impl Raster for Dots {
    fn columns(&self) -> usize {
        self.columns
    }

    fn column(&self, share: f64) -> i32 {
        (share * f64::from(self.width - 1)).round().clamp(-1e6, 1e6) as i32
    }

    fn row(&self, share: f64) -> i32 {
        ((1.0 - share) * f64::from(self.height - 1)).round().clamp(-1e6, 1e6) as i32
    }

    fn set(&mut self, x: i32, y: i32) {
        /// The bits of a braille character's dots, by column and row.
        const BITS: [[u16; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        if let Some(cell) = self.cell(x, y) {
            let (column, row) = (x % self.per_cell.0, y % self.per_cell.1);
            self.cells[cell] |= BITS[column as usize][row as usize];
        }
    }

    fn mark(&mut self, x: i32, y: i32) {
        if let Some(cell) = self.cell(x, y) {
            self.cells[cell] |= MARK;
        }
    }

    /// Bresenham's line, clipped first so that the cost does not grow with the zoom.
    fn line(&mut self, from: (i32, i32), to: (i32, i32)) {
        let Some(((mut x, mut y), to)) = self.clipped(from, to) else { return };
        let (dx, dy) = ((to.0 - x).abs(), -(to.1 - y).abs());
        let (sx, sy) = ((to.0 - x).signum(), (to.1 - y).signum());
        let mut error = dx + dy;
        loop {
            self.set(x, y);
            if (x, y) == to {
                return;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += sx;
            }
            if twice <= dx {
                error += dx;
                y += sy;
            }
        }
    }

    fn column_of(&mut self, x: i32, _: (i32, i32), (low, high): (i32, i32)) {
        // Rows count from the top: the highest value has the least.
        (high.max(0)..=low.min(self.height - 1)).for_each(|row| self.set(x, row));
    }
}

/// The dots of a braille character; 0 for any other.
fn braille(symbol: &str) -> u32 {
    symbol.chars().next().map_or(0, u32::from).checked_sub(0x2800).filter(|dots| *dots <= 0xff).unwrap_or(0)
}
