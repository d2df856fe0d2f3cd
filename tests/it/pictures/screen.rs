//! A terminal's screen as the buffer that the program's own pictures are made of.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use vt100::Screen;

/// The cells of a screen.
pub fn buffer(screen: &Screen) -> Buffer {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let from = screen.cell(row, column).unwrap();
        let color = |color| match color {
            vt100::Color::Default => Color::Reset,
            vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
            vt100::Color::Idx(index) => {
                panic!("COLORTERM promises true colour, and the screen uses palette entry {index}")
            }
        };
        let mut style = Style::new().fg(color(from.fgcolor())).bg(color(from.bgcolor()));
        for (set, modifier) in [
            (from.bold(), Modifier::BOLD),
            (from.underline(), Modifier::UNDERLINED),
            (from.inverse(), Modifier::REVERSED),
        ] {
            style = if set { style.add_modifier(modifier) } else { style };
        }
        let symbol = if from.contents().is_empty() { " " } else { from.contents() };
        buffer[(column, row)].set_symbol(symbol).set_style(style);
    }
    buffer
}
