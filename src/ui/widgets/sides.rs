//! A line with one text at its left and one at its right.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Draws two texts at the sides of a line; the left one is cut where there is no room for both.
pub fn sides(frame: &mut Frame, area: Rect, left: Line, right: Line) {
    let right_width = (right.width() as u16).min(area.width);
    let left_area = Rect { width: area.width.saturating_sub(right_width + 1), ..area };
    if left_area.width as usize >= left.width().min(20) {
        frame.render_widget(left, left_area);
        frame.render_widget(right, Rect { x: area.right() - right_width, width: right_width, ..area });
    } else {
        frame.render_widget(left, area);
    }
}
