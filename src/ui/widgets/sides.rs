//! A line with a text at each end.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cut::cut;

/// Draws two texts at the ends of a line; the left one is truncated if need be, and takes all of a short line.
pub(crate) fn sides(frame: &mut Frame, area: Rect, left: Line, right: Line, ascii: bool) {
    let right_width = (right.width() as u16).min(area.width);
    let room = area.width.saturating_sub(right_width + 1);
    if usize::from(room) < left.width().min(20) {
        return frame.render_widget(cut(left, usize::from(area.width), ascii), area);
    }
    frame.render_widget(cut(left, usize::from(room), ascii), Rect { width: room, ..area });
    frame.render_widget(right, Rect { x: area.right() - right_width, width: right_width, ..area });
}
