//! Frames that cover the middle of the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Margin, Position, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Clear, Paragraph, Wrap};

use super::panel::{Title, panel};
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
    let area = PopupLayout::new(within, text.lines.iter().map(Line::width), width).area;
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
    /// The layout of a popup whose lines have these widths.
    pub fn new(within: Rect, lines: impl Iterator<Item = usize>, width: u16) -> PopupLayout {
        let width = width.min(within.width);
        let room = usize::from(width.saturating_sub(2)).max(1);
        let rows: Vec<usize> = lines.map(|line| line.div_ceil(room).max(1)).collect();
        let height = u16::try_from(rows.iter().sum::<usize>() + 2).unwrap_or(u16::MAX);
        PopupLayout { area: middle(within, width, height), rows }
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
        let layout = PopupLayout::new(within, [3, 12, 0].into_iter(), 10);
        assert_eq!(layout.area, Rect::new(5, 2, 10, 6));
        let hit = |x, y| layout.hit(Position::new(x, y));
        assert_eq!((hit(4, 3), hit(5, 3)), (PopupHit::Outside, PopupHit::Frame));
        assert_eq!((hit(6, 3), hit(13, 3)), (PopupHit::Line(0, 0), PopupHit::Line(0, 7)));
        assert_eq!([hit(6, 4), hit(6, 5)], [PopupHit::Line(1, 0), PopupHit::Line(1, 0)]);
        assert_eq!((hit(6, 6), hit(6, 7), hit(6, 8)), (PopupHit::Line(2, 0), PopupHit::Frame, PopupHit::Outside));
        assert_eq!(PopupLayout::new(Rect::ZERO, [3].into_iter(), 10).hit(Position::ORIGIN), PopupHit::Outside);
    }
}
