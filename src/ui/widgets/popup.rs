//! Frames that cover the middle of the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Clear, Paragraph, Wrap};

use super::panel::{Title, panel};
use crate::ui::format::{truncated, width, wrapped};
use crate::ui::theme::Look;

/// A rectangle of this size in the middle of another.
pub fn middle(within: Rect, width: u16, height: u16) -> Rect {
    let [area] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(within);
    let [area] = Layout::horizontal([Constraint::Length(width)]).flex(Flex::Center).areas(area);
    area
}

/// Clears an area and draws an empty frame over it. Returns the inside. The note, which has the keys, stays: a long name
/// and long values are cut.
pub fn window(frame: &mut Frame, area: Rect, look: &Look, title: Title) -> Rect {
    frame.render_widget(Clear, area);
    // Corners, the spaces around name and note, and an edge between them.
    let note = if title.note.is_empty() { 0 } else { width(&title.note) + 3 };
    let mut room = usize::from(area.width).saturating_sub(note + 5);
    let name = truncated(title.name, room, look.ascii);
    room = room.saturating_sub(width(&name));
    let values = title.values.into_iter().map(|value| {
        let text = truncated(&value.content, room.saturating_sub(1), look.ascii);
        room = room.saturating_sub(width(&text) + 1);
        Span::styled(text, value.style)
    });
    let values = values.filter(|value| !value.content.is_empty()).collect();
    panel(frame, area, look, true, Title { name: &name, values, note: title.note })
}

/// Draws a frame in the middle that is as high as its text. Returns the inside.
pub fn popup(frame: &mut Frame, within: Rect, look: &Look, name: &str, lines: Vec<Line>, columns: u16) -> Rect {
    let text = Text::from(lines);
    let columns = columns.min(within.width);
    // Long lines take several rows, more than their length says where a long word does not fit the rest of a row.
    let room = usize::from(columns.saturating_sub(2)).max(1);
    let rows_of =
        |line: &Line| line.width().div_ceil(room).max(wrapped(&line.to_string(), room.saturating_sub(1)).len());
    let rows: usize = text.lines.iter().map(|line| rows_of(line).max(1)).sum();
    let area = middle(within, columns, u16::try_from(rows + 2).unwrap_or(u16::MAX));
    let inner = window(frame, area, look, Title::named(name));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inner);
    inner
}
