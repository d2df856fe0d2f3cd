//! A buffer of cells as runs of cells that have one style, with every colour known.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Modifier;

use super::palette::{Rgb, ScreenColours};
use crate::ui::format::width;

/// Consecutive cells of one row that have one style.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CellRun {
    pub row: u16,
    pub column: u16,
    /// The characters with the cells that each takes.
    pub symbols: Vec<(String, u16)>,
    pub style: CellStyle,
}

/// How the cells of a run look.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CellStyle {
    pub color: Rgb,
    /// `None` for the background of the whole picture.
    pub background: Option<Rgb>,
    pub bold: bool,
    pub underlined: bool,
}

impl CellRun {
    /// The number of cells.
    pub fn cells(&self) -> u16 {
        self.symbols.iter().map(|(_, cells)| cells).sum()
    }
}

/// Everything of a buffer that is not blank.
pub fn runs(buffer: &Buffer, palette: ScreenColours) -> Vec<CellRun> {
    let mut runs = Vec::new();
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let style_at = |column: u16| style(&buffer[(buffer.area.x + column, buffer.area.y + row)], palette);
            let (first, style) = (column, style_at(column));
            let mut symbols = Vec::new();
            while column < columns && style_at(column) == style {
                let symbol = printable(buffer[(buffer.area.x + column, buffer.area.y + row)].symbol());
                // A wide character covers the cells behind it.
                let cells = u16::try_from(width(&symbol)).unwrap_or(1).clamp(1, columns - column);
                symbols.push((symbol, cells));
                column += cells;
            }
            let blank = symbols.iter().all(|(symbol, _)| symbol.trim().is_empty());
            if style.background.is_some() || style.underlined || !blank {
                runs.push(CellRun { row, column: first, symbols, style });
            }
        }
    }
    runs
}

/// A cell's characters without those that no picture can show.
fn printable(symbol: &str) -> String {
    let shown: String = symbol.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
    if width(&shown) == 0 { " ".into() } else { shown }
}

fn style(cell: &Cell, palette: ScreenColours) -> CellStyle {
    let (mut color, mut background) = (palette.rgb(cell.fg), palette.rgb(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        (color, background) = (Some(background.unwrap_or(palette.background)), Some(color.unwrap_or(palette.text)));
    }
    let behind = background.unwrap_or(palette.background);
    let mut color = color.unwrap_or(palette.text);
    if cell.modifier.contains(Modifier::DIM) {
        color = std::array::from_fn(|i| color[i].midpoint(behind[i]));
    }
    CellStyle {
        color,
        background: background.filter(|background| *background != palette.background),
        bold: cell.modifier.contains(Modifier::BOLD),
        underlined: cell.modifier.contains(Modifier::UNDERLINED),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    use super::*;

    #[test]
    fn cells_of_one_style_are_one_run_and_blanks_are_none() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(1, 0, "a標e\u{301}", Style::new());
        buffer.set_string(5, 0, "bold", Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED));
        buffer[(11, 1)].set_symbol("\u{1b}").set_style(Style::new().bg(Color::Indexed(1)));
        let runs = runs(&buffer, ScreenColours::DARK);
        let texts: Vec<String> =
            runs.iter().map(|run| run.symbols.iter().map(|(symbol, _)| symbol.as_str()).collect()).collect();
        assert_eq!(texts, [" a標e\u{301}", "bold", " "]);
        assert_eq!((runs[0].cells(), runs[0].symbols[2].1, runs[1].column), (5, 2, 5));
        assert_eq!(
            (runs[1].style.color, runs[1].style.background),
            (ScreenColours::DARK.background, Some(ScreenColours::DARK.text))
        );
        assert_eq!((runs[2].row, runs[2].column, runs[2].style.background), (1, 11, Some([205, 49, 49])));
    }
}
