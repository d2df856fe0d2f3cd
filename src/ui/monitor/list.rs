//! Scrolling and selection of lists with one row under the cursor, by key and by mouse.

use ratatui::layout::{Position, Rect};

use super::scene::Scene;
use crate::ui::keymap::Action;

/// The index of the cursor after an action in a list of `length` rows, of which `page` are visible.
pub(super) fn move_cursor(cursor: usize, action: Action, page: usize, length: usize) -> usize {
    let last = length.saturating_sub(1);
    match action {
        Action::Up => cursor.saturating_sub(1),
        Action::Down => cursor.saturating_add(1),
        Action::PageUp => cursor.saturating_sub(page.max(1)),
        Action::PageDown => cursor.saturating_add(page.max(1)),
        Action::First => 0,
        Action::Last => last,
        _ => cursor,
    }
    .min(last)
}

/// The index of the row at a screen position, in a list of `length` rows drawn on `area`.
pub(super) fn row_at(position: Position, area: Rect, cursor: usize, length: usize) -> Option<usize> {
    let first = first_visible(cursor.min(length.saturating_sub(1)), area.height);
    let index = first + usize::from(position.y.saturating_sub(area.y));
    (area.contains(position) && index < length).then_some(index)
}

/// The first visible row, such that the cursor is visible too.
pub(super) fn first_visible(cursor: usize, rows: u16) -> usize {
    (cursor + 1).saturating_sub(usize::from(rows))
}

/// The sign before a row.
pub(super) fn pointer(scene: Scene, under_cursor: bool) -> &'static str {
    match (under_cursor, scene.look.ascii) {
        (false, _) => " ",
        (true, true) => ">",
        (true, false) => "▌",
    }
}
