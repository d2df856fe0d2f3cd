//! Frames that cover the middle of the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Margin, Position, Rect};
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
    let area = PopupLayout::new(within, text.lines.iter().map(Line::to_string), columns).area;
    let inner = window(frame, area, look, Title::named(name));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inner);
    inner
}

/// Where a popup and its lines lie. Drawing and clicks read the same layout.
pub struct PopupLayout {
    pub area: Rect,
    /// Rows of each line; long lines take several.
    rows: Vec<usize>,
}

/// What is at a position.
#[derive(Debug, PartialEq, Eq)]
pub enum PopupHit {
    /// Nothing of the popup.
    Outside,
    Frame,
    /// A line by its index, and the column in it.
    Line(usize, u16),
}

impl PopupLayout {
    /// The layout of a popup with these lines and at most this many columns.
    pub fn new(within: Rect, lines: impl Iterator<Item = String>, columns: u16) -> PopupLayout {
        let columns = columns.min(within.width);
        // Long lines take several rows, more than their length says where a long word does not fit the rest of a row.
        let room = usize::from(columns.saturating_sub(2)).max(1);
        let rows_of = |line: String| width(&line).div_ceil(room).max(wrapped(&line, room.saturating_sub(1)).len());
        let rows: Vec<usize> = lines.map(|line| rows_of(line).max(1)).collect();
        let height = u16::try_from(rows.iter().sum::<usize>() + 2).unwrap_or(u16::MAX);
        PopupLayout { area: middle(within, columns, height), rows }
    }

    pub fn hit(&self, at: Position) -> PopupHit {
        if !self.area.contains(at) {
            return PopupHit::Outside;
        }
        let inner = self.area.inner(Margin::new(1, 1));
        if !inner.contains(at) {
            return PopupHit::Frame;
        }
        let mut left = usize::from(at.y - inner.y);
        for (index, rows) in self.rows.iter().enumerate() {
            match left.checked_sub(*rows) {
                Some(below) => left = below,
                None => return PopupHit::Line(index, at.x - inner.x),
            }
        }
        PopupHit::Frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_outside_on_the_frame_or_on_a_line() {
        let within = Rect::new(0, 0, 20, 10);
        // The second of three lines takes two rows of 8 columns.
        let lines = ["abc", "abcd efg hij", ""].map(str::to_owned);
        let layout = PopupLayout::new(within, lines.into_iter(), 10);
        assert_eq!(layout.area, Rect::new(5, 2, 10, 6));
        let hit = |x, y| layout.hit(Position::new(x, y));
        assert_eq!((hit(4, 3), hit(5, 3)), (PopupHit::Outside, PopupHit::Frame));
        assert_eq!((hit(6, 3), hit(13, 3)), (PopupHit::Line(0, 0), PopupHit::Line(0, 7)));
        assert_eq!([hit(6, 4), hit(6, 5)], [PopupHit::Line(1, 0), PopupHit::Line(1, 0)]);
        assert_eq!((hit(6, 6), hit(6, 7), hit(6, 8)), (PopupHit::Line(2, 0), PopupHit::Frame, PopupHit::Outside));
        assert_eq!(
            PopupLayout::new(Rect::ZERO, ["abc".to_owned()].into_iter(), 10).hit(Position::ORIGIN),
            PopupHit::Outside
        );
    }
}
