//! Names in their colours, in as many lines as it takes.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::ui::format::width;

/// Entries one after the other, as many to a line as have room.
pub(super) fn lines<'a>(entries: Vec<(String, Style)>, room: usize) -> Vec<Line<'a>> {
    let mut rows: Vec<Line> = Vec::new();
    let mut used = usize::MAX;
    for (text, style) in entries {
        let length = width(&text) + 3;
        if used.saturating_add(length) > room {
            rows.push(Line::raw(" "));
            used = 1;
        }
        used += length;
        if let Some(row) = rows.last_mut() {
            row.push_span(Span::styled(format!("{text}   "), style));
        }
    }
    rows
}
