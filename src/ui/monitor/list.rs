//! Lists of which a line is marked, and what keys and the mouse make of the mark.

use ratatui::layout::{Position, Rect};

use super::scene::Scene;
use crate::ui::keymap::Action;

/// A place in a list moved as a key says; `page` is how much of it is seen.
pub fn moved(place: usize, action: Action, page: usize, length: usize) -> usize {
    let last = length.saturating_sub(1);
    match action {
        Action::Up => place.saturating_sub(1),
        Action::Down => place.saturating_add(1),
        Action::PageUp => place.saturating_sub(page.max(1)),
        Action::PageDown => place.saturating_add(page.max(1)),
        Action::First => 0,
        Action::Last => last,
        _ => place,
    }
    .min(last)
}

/// The line that was clicked on, where these rows show a list of such a length.
pub fn clicked(at: Position, rows: Rect, marked: usize, length: usize) -> Option<usize> {
    let place = first(marked.min(length.saturating_sub(1)), rows.height) + usize::from(at.y.saturating_sub(rows.y));
    (rows.contains(at) && place < length).then_some(place)
}

/// The first line shown so that the marked one is seen.
pub fn first(marked: usize, rows: u16) -> usize {
    (marked + 1).saturating_sub(usize::from(rows))
}

/// What is before a line, which may be marked.
pub fn pointer(scene: Scene, marked: bool) -> &'static str {
    match (marked, scene.look.ascii) {
        (false, _) => " ",
        (true, true) => ">",
        (true, false) => "▌",
    }
}
