//! Frames that cover the middle of the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Clear, Paragraph, Wrap};

use super::panel::{Title, panel};
use crate::ui::format::wrapped;
use crate::ui::theme::Look;

/// A rectangle of this size in the middle of another.
pub fn middle(within: Rect, width: u16, height: u16) -> Rect {
    let [area] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(within);
    let [area] = Layout::horizontal([Constraint::Length(width)]).flex(Flex::Center).areas(area);
    area
}

/// Clears an area and draws an empty frame over it. Returns the inside.
pub fn window(frame: &mut Frame, area: Rect, look: &Look, title: Title) -> Rect {
    frame.render_widget(Clear, area);
    panel(frame, area, look, true, title)
}

/// Draws a frame in the middle that is as high as its text. Returns the inside.
pub fn popup(frame: &mut Frame, within: Rect, look: &Look, name: &str, lines: Vec<Line>, width: u16) -> Rect {
    let text = Text::from(lines);
    let width = width.min(within.width);
    // Long lines take several rows.
    let room = usize::from(width.saturating_sub(2)).max(1);
    let rows_of = |line: &Line| {
        let content: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
        // Breaking between words may take a row more than the number of cells says.
        line.width().div_ceil(room).max(wrapped(&content, room).len())
    };
    let rows: usize = text.lines.iter().map(rows_of).sum();
    let area = middle(within, width, u16::try_from(rows + 2).unwrap_or(u16::MAX));
    let inner = window(frame, area, look, Title::named(name));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inner);
    inner
}
