//! A line with a text at each end.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Draws two texts at the ends of a line; the left one is truncated if need be.
pub(crate) fn sides(frame: &mut Frame, area: Rect, left: Line, right: Line) {
    let right_width = (right.width() as u16).min(area.width);
    let left_area = Rect { width: area.width.saturating_sub(right_width + 1), ..area };
    if left_area.width as usize >= left.width().min(20) {
        frame.render_widget(left, left_area);
        frame.render_widget(right, Rect { x: area.right() - right_width, width: right_width, ..area });
    } else {
        frame.render_widget(left, area);
    }
}
