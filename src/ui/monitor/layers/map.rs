//! The map: tiles in the colour of their target's value, with the names of rows and columns.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::shade::{Fill, Range, contrast, fill};
use super::tiles::{BLOCK, DENSE, Tile, TileRow, Tiles};
use crate::ui::format::{fitted_end, grouped, plain, truncated, width};
use crate::ui::monitor::grid::{Grid, Part};
use crate::ui::monitor::scene::Scene;
use crate::ui::theme::Depth;

/// Characters of a figure within a tile, spaces included.
const FIGURE: u16 = 5;

/// The least width of a tile with its module's name above.
const NAMED: u16 = 5;

/// Everything that the map is drawn from.
pub(super) struct Map<'a> {
    pub(super) grid: &'a Grid,
    pub(super) tiles: &'a Tiles,
    pub(super) scene: Scene<'a>,
    pub(super) range: Option<Range>,
}

/// The lines that the columns' names take, at most `most`.
pub(super) fn names_height(grid: &Grid, tile: u16, most: u16) -> u16 {
    let lines = grid.modules.iter().map(|name| name_lines(name, tile, usize::from(most), false).len());
    if tile < NAMED { 1 } else { lines.max().unwrap_or(0) as u16 }
}

impl Map<'_> {
    pub(super) fn draw(&self, frame: &mut Frame, names: Rect) {
        self.draw_columns(frame, names);
        self.draw_names(frame);
        for row in &self.tiles.rows {
            for column in 0..self.grid.rows[row.row].targets.len() {
                if let (Some(tile), Some(target)) =
                    (self.tiles.tile(self.grid, row, column), self.grid.target(row.row, column))
                {
                    self.draw_tile(frame.buffer_mut(), tile, target, row.row);
                }
            }
        }
        self.draw_dense(frame);
    }

    fn cursor(&self) -> (usize, usize) {
        (self.scene.view.layers.row, self.scene.view.layers.column)
    }

    /// Draws the modules' names above their columns; where tiles are narrow, only that of the cursor.
    fn draw_columns(&self, frame: &mut Frame, area: Rect) {
        let (tiles, theme, ascii) = (self.tiles, &self.scene.look.theme, self.scene.look.ascii);
        let at_block = self.grid.rows.get(self.cursor().0).is_some_and(|row| row.part.is_block());
        if !self.grid.modules.is_empty() {
            let name = Rect { width: tiles.gutter.saturating_sub(2), ..bottom_line(area) };
            frame.render_widget(Line::styled(BLOCK, theme.style(theme.dim)).right_aligned(), name);
        }
        for column in tiles.columns.range() {
            let under_cursor = at_block && column == self.cursor().1;
            let style = if under_cursor { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let x = area.x + tiles.gutter + (column - tiles.columns.first) as u16 * tiles.width;
            let name = plain(&self.grid.modules[column]);
            if tiles.width >= NAMED {
                let room = tiles.width - 1;
                let lines = name_lines(&name, room, usize::from(area.height), ascii);
                let first = area.bottom().saturating_sub(lines.len() as u16);
                for (line, y) in lines.into_iter().zip(first..) {
                    let area = Rect { x, y, width: room, height: 1 }.intersection(area);
                    frame.render_widget(Line::styled(line, style).centered(), area);
                }
            } else if under_cursor {
                let name = truncated(&name, usize::from(area.width.saturating_sub(tiles.gutter)), ascii);
                let length = width(&name) as u16;
                let x = x.min(area.right().saturating_sub(length));
                let area = Rect { x, width: length, ..bottom_line(area) }.intersection(area);
                frame.render_widget(Line::styled(name, style), area);
            }
        }
    }

    /// Draws the names of rows, in equal distances where not every row has a line; that of the cursor in any case.
    fn draw_names(&self, frame: &mut Frame) {
        let tiles = self.tiles;
        let (lines, rows) = (usize::from(tiles.area.height).max(1), tiles.rows.len());
        let every = if tiles.figures { 1 } else { (rows.div_ceil(lines)).max(2) };
        let named =
            |row: &&TileRow| !matches!(self.grid.rows[row.row].part, Part::Block(number) if number % every as u64 != 0);
        let at_cursor = |row: &&TileRow| row.row == self.cursor().0;
        for row in tiles.rows.iter().filter(named).filter(|row| !at_cursor(row)) {
            self.draw_name(frame, row, false);
        }
        if let Some(row) = tiles.rows.iter().find(at_cursor) {
            self.draw_name(frame, row, true);
        }
    }

    fn draw_name(&self, frame: &mut Frame, row: &TileRow, at_cursor: bool) {
        let (tiles, theme) = (self.tiles, &self.scene.look.theme);
        let tile = Tile { x: 0, width: 0, top: row.top, height: tiles.filled(row.height) };
        let line = text_line(tile).unwrap_or((row.top + row.height / 2) / 2);
        let name = self.grid.rows[row.row].part.name();
        let style = if at_cursor { theme.bold(theme.text) } else { theme.style(theme.dim) };
        let room = usize::from(tiles.gutter.saturating_sub(2));
        let area = Rect { y: tiles.area.y + line, width: room as u16, height: 1, ..tiles.area };
        // All of the line, so that nothing is left of the name of another row in it.
        let name = format!("{:>room$}", truncated(&name, room, self.scene.look.ascii));
        frame.render_widget(Span::styled(name, style), area.intersection(tiles.area));
    }

    fn draw_tile(&self, buffer: &mut Buffer, tile: Tile, target: usize, row: usize) {
        let (scene, area) = (self.scene, self.tiles.area);
        let metric = scene.view.layers.metric;
        let history = &scene.run.targets.all[target];
        let value = metric.of(history, scene.view.cursor, scene.view.x_of()).zip(self.range);
        let selected = row == self.cursor().0 && self.grid.target(row, self.cursor().1) == Some(target);
        let Some((value, range)) = value else { return self.draw_missing(buffer, tile, selected) };
        let filled = fill(scene.look, metric, range.share(value));
        let strip = !self.grid.rows[row].part.is_block();
        let text_line = text_line(tile).filter(|_| strip || self.tiles.figures);
        for half in tile.top..tile.top + tile.height {
            let y = area.y + half / 2;
            if y >= area.bottom() {
                break;
            }
            for x in tile.x..(tile.x + tile.width).min(area.right()) {
                match filled {
                    Fill::Colour { fill, .. } if selected && text_line.is_none() && is_edge(tile, x) => {
                        paint_half(buffer, (x, y), half, contrast(scene.look).unwrap_or(fill));
                    }
                    Fill::Colour { fill, .. } => paint_half(buffer, (x, y), half, fill),
                    Fill::Glyph(glyph, style) => drop(buffer[(x, y)].set_symbol(glyph).set_style(style)),
                }
            }
        }
        let Some(line) = text_line.map(|line| area.y + line).filter(|line| *line < area.bottom()) else { return };
        let name = strip.then(|| self.strip_name(target));
        self.draw_figure(buffer, tile, line, &figure(value), name.as_deref(), filled);
        if selected {
            self.draw_cursor(buffer, tile, filled);
        }
    }

    /// A target in a strip has no column that names it.
    fn strip_name(&self, target: usize) -> String {
        let targets = &self.scene.run.targets;
        let module = (0..targets.modules.len()).find(|module| targets.at(*module, 0) == Some(target));
        plain(module.map_or("", |module| targets.modules[module].as_str()))
    }

    /// Writes the value into the middle of a tile, behind the target's name where both have room.
    fn draw_figure(&self, buffer: &mut Buffer, tile: Tile, y: u16, figure: &str, name: Option<&str>, filled: Fill) {
        let named = name.map(|name| format!("{name} {figure}"));
        let text = named.filter(|text| width(text) + 2 <= usize::from(tile.width)).unwrap_or(figure.to_owned());
        if tile.width < FIGURE {
            return;
        }
        let style = match filled {
            Fill::Colour { fill, ink } => Style::new().fg(ink).bg(fill),
            Fill::Glyph(_, style) => style,
        };
        // Where characters stand for colours, the text has spaces around it.
        let text = if matches!(filled, Fill::Glyph(..)) { format!(" {text} ") } else { text };
        let x = tile.x + (tile.width.saturating_sub(width(&text) as u16)) / 2;
        let room = (tile.x + tile.width).min(self.tiles.area.right()).saturating_sub(x);
        buffer.set_stringn(x, y, text, usize::from(room), style);
    }

    /// A target without a value yet.
    fn draw_missing(&self, buffer: &mut Buffer, tile: Tile, selected: bool) {
        let (area, look) = (self.tiles.area, self.scene.look);
        let y = area.y + text_line(tile).unwrap_or(tile.top / 2);
        let x = tile.x + tile.width / 2;
        if x < area.right() && y < area.bottom() {
            let style = if selected { look.theme.bold(look.theme.text) } else { look.theme.style(look.theme.dim) };
            buffer.set_string(x, y, if look.ascii { "." } else { "·" }, style);
        }
        if selected {
            self.draw_cursor(buffer, tile, Fill::Glyph("", look.theme.bold(look.theme.text)));
        }
    }

    /// Marks the tile under the cursor at both sides.
    fn draw_cursor(&self, buffer: &mut Buffer, tile: Tile, filled: Fill) {
        let (area, look) = (self.tiles.area, self.scene.look);
        let sides = if look.ascii || look.depth == Depth::None { ["[", "]"] } else { ["▌", "▐"] };
        if tile.width < 3 {
            return;
        }
        // Lines that the tile fills as a whole.
        for line in tile.top.div_ceil(2)..(tile.top + tile.height) / 2 {
            for (x, side) in [tile.x, tile.x + tile.width - 1].into_iter().zip(sides) {
                let y = area.y + line;
                if x >= area.right() || y >= area.bottom() {
                    continue;
                }
                let style = match (filled, contrast(look)) {
                    (Fill::Colour { .. }, Some(colour)) => Style::new().fg(colour),
                    _ => look.theme.bold(look.theme.accent),
                };
                buffer[(x, y)].set_symbol(side).set_style(style).modifier.insert(Modifier::BOLD);
            }
        }
    }

    /// Names the dense parameters, which have no selection to measure.
    fn draw_dense(&self, frame: &mut Frame) {
        let (tiles, theme) = (self.tiles, &self.scene.look.theme);
        let (Some(line), Some(selected)) = (tiles.dense, &self.scene.run.selected) else { return };
        let area = Rect { y: tiles.area.y + line, height: 1, ..tiles.area };
        let name = format!("{DENSE:>room$}  ", room = usize::from(tiles.gutter.saturating_sub(2)));
        let count = format!("{} parameters", grouped(selected.dense));
        let text = Line::from(vec![
            Span::styled(name, theme.style(theme.dim)),
            Span::styled(count, theme.style(theme.text)),
            Span::styled(", all trained", theme.style(theme.dim)),
        ]);
        frame.render_widget(text, area.intersection(tiles.area));
    }
}

/// The line of a tile's text, counted from the top of the area: that in its middle among those it fills as a whole.
fn text_line(tile: Tile) -> Option<u16> {
    let (first, end) = (tile.top.div_ceil(2), (tile.top + tile.height) / 2);
    (first < end).then(|| first + (end - first - 1) / 2)
}

/// Paints half a line of a cell. The other half keeps its colour.
fn paint_half(buffer: &mut Buffer, at: (u16, u16), half: u16, colour: Color) {
    let cell = &mut buffer[at];
    match (half.is_multiple_of(2), cell.symbol()) {
        (true, _) => drop(cell.set_symbol("▀").set_fg(colour)),
        (false, "▀") if cell.fg == colour => drop(cell.set_symbol(" ").set_bg(colour)),
        (false, "▀") => drop(cell.set_bg(colour)),
        (false, _) => drop(cell.set_symbol("▄").set_fg(colour)),
    }
}

/// Whether a column is marked where the cursor's tile has no line of its own: the first and last, or all of a narrow tile.
fn is_edge(tile: Tile, x: u16) -> bool {
    tile.width < 3 || x == tile.x || x == tile.x + tile.width - 1
}

fn bottom_line(area: Rect) -> Rect {
    Rect { y: area.bottom().saturating_sub(1), height: 1.min(area.height), ..area }
}

/// A module's name in at most `most` lines, broken behind dots, underscores and spaces. What does not fit into several lines
/// is cut at the start, and in a single one at the end.
fn name_lines(name: &str, room: u16, most: usize, ascii: bool) -> Vec<String> {
    let room = usize::from(room.max(1));
    if most <= 1 {
        return vec![truncated(name, room, ascii)];
    }
    let mut lines: Vec<String> = Vec::new();
    for piece in name.split_inclusive(['.', '_', ' ']) {
        match lines.last_mut() {
            Some(line) if width(line) + width(piece.trim_end()) <= room => line.push_str(piece),
            _ => lines.push(piece.to_owned()),
        }
    }
    let left_out = lines.len().saturating_sub(most);
    lines.drain(..left_out);
    let mut lines: Vec<String> = lines.iter().map(|line| truncated(line.trim_end(), room, ascii)).collect();
    if let Some(first) = lines.first_mut().filter(|_| left_out > 0) {
        let longer = format!("{}{first}", if ascii { '~' } else { '…' });
        *first = fitted_end(&longer, room, ascii).trim_end().to_owned();
    }
    lines
}

/// A percentage in at most four characters.
fn figure(value: f64) -> String {
    match value.abs() {
        99.95.. => format!("{value:.0}"),
        9.995.. => format!("{value:.1}"),
        0.01.. => format!("{value:.2}"),
        0.0 => "0".into(),
        _ => format!("{value:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_at_dots_and_keep_their_end() {
        let lines = |room, most| name_lines("attention.output.dense bias", room, most, false).join("|");
        assert_eq!(lines(30, 3), "attention.output.dense bias");
        assert_eq!(lines(12, 3), "attention.|output.dense|bias");
        assert_eq!(lines(12, 2), "…utput.dense|bias");
        assert_eq!(lines(4, 2), "…en…|bias");
        assert_eq!(name_lines("q_proj", 4, 2, false), ["q_", "proj"]);
        assert_eq!(lines(6, 1), "atten…");
        assert_eq!(name_lines("", 4, 2, false), [""; 0]);
    }

    #[test]
    fn halves_of_a_line_have_colours_of_their_own() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 3, 1));
        let (red, blue) = (Color::Red, Color::Blue);
        for (x, half, colour) in [(0, 0, red), (0, 1, blue), (1, 0, red), (1, 1, red), (2, 1, blue)] {
            paint_half(&mut buffer, (x, 0), half, colour);
        }
        let cells: Vec<_> = (0..3).map(|x| (buffer[(x, 0)].symbol(), buffer[(x, 0)].fg, buffer[(x, 0)].bg)).collect();
        assert_eq!(cells, [("▀", red, blue), (" ", red, red), ("▄", blue, Color::Reset)]);
    }

    #[test]
    fn a_tile_that_fills_no_line_has_no_text() {
        let tile = |top, height| text_line(Tile { x: 0, width: 9, top, height });
        assert_eq!(
            [tile(0, 1), tile(1, 2), tile(1, 3), tile(0, 6), tile(0, 7), tile(2, 8)],
            [None, None, Some(1), Some(1), Some(1), Some(2)]
        );
    }
}
