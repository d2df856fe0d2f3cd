//! Draws the queue above the list of runs.

use std::time::SystemTime;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::queue_panel::QueuePanel;
use crate::queue::{EntryState, QueueEntry};
use crate::text::padded;
use crate::ui::format::{age, fitted, plain, width};
use crate::ui::theme::Look;
use crate::ui::widgets::panel::{Title, panel};

/// Columns of the states' names.
const STATE: usize = 8;

/// The most columns of the names.
const NAME: usize = 32;

pub(super) fn draw(queue: &QueuePanel, frame: &mut Frame, area: Rect, look: &Look, now: SystemTime) {
    if area.is_empty() {
        return;
    }
    let theme = &look.theme;
    let mut title = Title::named("Queue");
    title.values.push(Span::styled(queue.entries.len().to_string(), theme.bold(theme.text)));
    if let Some(id) = queue.removing {
        title.values.push(Span::styled(format!("press D again to remove {id}"), theme.bold(theme.warning)));
    }
    title.note = note(queue).to_owned();
    let inner = panel(frame, area, look, queue.focused(), title);
    let first = queue.first_visible(inner.height);
    let widest = queue.entries.iter().map(|entry| width(&plain(entry.name()))).max().unwrap_or(0);
    let names = widest.min(NAME).min(usize::from(inner.width) / 3);
    let entries = queue.entries.iter().zip(&queue.apart).enumerate();
    for ((place, (entry, apart)), y) in entries.skip(first).zip(inner.top()..inner.bottom()) {
        let row = Rect { y, height: 1, ..inner };
        let here = queue.focused() && place == queue.cursor;
        if here {
            frame.buffer_mut().set_style(row, theme.marked_line());
        }
        frame.render_widget(line(entry, remark(entry, apart, now), here, names, usize::from(row.width), look), row);
    }
}

/// What the queue waits for, or which keys there are.
fn note(queue: &QueuePanel) -> &'static str {
    match (queue.focused(), queue.works()) {
        (true, true) => "K J move, D remove, enter holds the queue",
        (true, false) => "K J move, D remove, enter starts it",
        (false, true) => "the next starts when no run is active; tab",
        (false, false) => "on hold; tab",
    }
}

/// Why the run could not start, or its settings and when it was queued.
fn remark(entry: &QueueEntry, apart: &str, now: SystemTime) -> String {
    if let EntryState::Failed { error } = &entry.state {
        return plain(error);
    }
    let queued = match age(now, SystemTime::from(entry.queued)).as_str() {
        "now" => "queued just now".to_owned(),
        age => format!("queued {age} ago"),
    };
    let preset = entry.run.as_ref().map(|_| entry.preset.as_str());
    let parts = preset.into_iter().chain((!apart.is_empty()).then_some(apart)).chain([queued.as_str()]);
    plain(&parts.collect::<Vec<_>>().join(", "))
}

fn line<'a>(entry: &QueueEntry, remark: String, here: bool, names: usize, room: usize, look: &Look) -> Line<'a> {
    let theme = &look.theme;
    let (hue, sign) = match (&entry.state, look.ascii) {
        (EntryState::Queued, false) => (theme.paused, "○"),
        (EntryState::Queued, true) => (theme.paused, "o"),
        (EntryState::Starting, false) => (theme.accent, "▶"),
        (EntryState::Starting, true) => (theme.accent, ">"),
        (EntryState::Failed { .. }, false) => (theme.error, "✖"),
        (EntryState::Failed { .. }, true) => (theme.error, "x"),
    };
    let pointer = match (here, look.ascii) {
        (true, false) => "▌",
        (true, true) => ">",
        (false, _) => " ",
    };
    let style = theme.style(if matches!(entry.state, EntryState::Failed { .. }) { theme.error } else { theme.dim });
    let start = Line::from(vec![
        Span::styled(pointer, theme.bold(theme.accent)),
        Span::styled(format!(" {:>3}  ", entry.id), theme.style(theme.dim)),
        Span::styled(format!("{sign} {:<STATE$}  ", entry.state.name()), theme.bold(hue)),
        Span::styled(
            padded(&fitted(&plain(entry.name()), names, look.ascii), names),
            if here { theme.bold(theme.text) } else { theme.style(theme.text) },
        ),
    ]);
    let left = room.saturating_sub(start.width() + 2);
    let end = Span::styled(format!("  {}", fitted(&remark, left, look.ascii)), style);
    start.spans.into_iter().chain([end]).collect::<Vec<_>>().into()
}
