//! The settings of the selected preset: every key with its value, marked if it was changed, and edited in place.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Wrap};

use super::layout::window;
use super::list::Entry;
use super::scene::Scene;
use super::typing::Editing;
use crate::preset::{Field, FieldOrigin};
use crate::ui::format::{fitted, plain, width};
use crate::ui::widgets::panel::{Title, panel};

/// A line of the settings.
enum Row<'a> {
    Section(&'a str),
    Field(usize, &'a Field),
}

/// The settings by section, as in the file.
fn rows(fields: &[Field]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut section = "";
    for (number, field) in fields.iter().enumerate() {
        let within = field.key.split_once('.').map_or("", |(section, _)| section);
        if within != section {
            section = within;
            rows.push(Row::Section(section));
        }
        rows.push(Row::Field(number, field));
    }
    rows
}

/// The part of the panel's inside for the settings, and the part for the note below them.
fn split(inner: Rect, noted: bool) -> (Rect, Rect) {
    let lines = match noted {
        false => 0,
        true if inner.width >= 48 => 2,
        true => 3,
    };
    let note = lines.min(inner.height / 3);
    let height = inner.height - note;
    (Rect { height, ..inner }, Rect { y: inner.y + height, height: note, ..inner })
}

/// Whether there is a note below the settings: the help of the selected one, or an error.
pub fn noted(entry: &Entry, focused: bool) -> bool {
    focused || entry.now.is_err()
}

/// The first row in view.
fn first(rows: &[Row], selected: usize, height: u16) -> usize {
    let place = rows.iter().position(|row| matches!(row, Row::Field(number, _) if *number == selected)).unwrap_or(0);
    window(place, usize::from(height), rows.len())
}

/// The field in a line of the panel's inside.
pub fn field_at(fields: &[Field], selected: usize, inner: Rect, noted: bool, y: u16) -> Option<usize> {
    let (area, _) = split(inner, noted);
    if !(area.top()..area.bottom()).contains(&y) {
        return None;
    }
    let rows = rows(fields);
    match rows.get(first(&rows, selected, area.height) + usize::from(y - area.top()))? {
        Row::Field(number, _) => Some(*number),
        Row::Section(_) => None,
    }
}

/// Draws the settings and the note.
pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene, focused: bool, editing: Option<&Editing>) {
    let theme = &scene.look.theme;
    let Some(entry) = scene.list.selected() else {
        panel(frame, area, scene.look, focused, Title::named("Settings"));
        return;
    };
    let name = plain(&entry.listed.name);
    let mut title = Title::named(&name);
    if entry.changes() > 0 {
        title.values.push(Span::styled(format!("{} changed", entry.changes()), theme.bold(theme.changed)));
    }
    title.note = if entry.listed.path.is_some() { "yours".into() } else { "built-in".into() };
    let inner = panel(frame, area, scene.look, focused, title);
    let draft = match &entry.listed.draft {
        Ok(draft) => draft,
        Err(error) => return wrapped(frame, inner, Line::styled(plain(&error.to_string()), theme.style(theme.error))),
    };
    let fields = draft.fields();
    let rows = rows(&fields);
    let (settings, note) = split(inner, noted(entry, focused));
    let longest = fields.iter().map(|field| last(field.key).len()).max().unwrap_or(0);
    // On a narrow screen the values need the room. The note has the whole key.
    let label = if inner.width >= 48 { longest } else { longest.min(13) };
    let skipped = first(&rows, scene.field, settings.height);
    for (row, y) in rows.iter().skip(skipped).zip(settings.top()..settings.bottom()) {
        let line = Rect { y, height: 1, ..settings };
        match row {
            Row::Section(section) => {
                frame.render_widget(Line::styled(format!("  [{section}]"), theme.bold(theme.dim)), line);
            }
            Row::Field(number, field) => {
                let selected = *number == scene.field && focused;
                draw_field(frame, line, scene, field, selected, label, editing.filter(|_| selected));
            }
        }
    }
    let complaint = match editing {
        Some(editing) => editing.outcome.as_ref().err(),
        None => entry.now.as_ref().err(),
    };
    let said = match (complaint, fields.get(scene.field)) {
        (Some(complaint), _) => Line::styled(plain(&complaint.to_string()), theme.style(theme.error)),
        (None, Some(field)) if focused => {
            let empty = if editing.is_some() { " (leave empty for the default)" } else { "" };
            Line::styled(format!("{}: {}{empty}", field.key, field.help), theme.style(theme.dim))
        }
        _ => return,
    };
    wrapped(frame, note, said);
}

fn draw_field(
    frame: &mut Frame,
    area: Rect,
    scene: &Scene,
    field: &Field,
    selected: bool,
    label: usize,
    editing: Option<&Editing>,
) {
    let (theme, ascii) = (&scene.look.theme, scene.look.ascii);
    let pointer = match (selected, ascii) {
        (false, _) => " ",
        (true, false) => "▌",
        (true, true) => ">",
    };
    let changed = field.origin == FieldOrigin::Changed;
    let dot = match (changed, ascii) {
        (false, _) => " ",
        (true, false) => "●",
        (true, true) => "*",
    };
    let key_style = if selected { theme.bold(theme.accent) } else { theme.style(theme.dim) };
    let mut line = Line::from(vec![
        Span::styled(pointer, theme.bold(theme.focus)),
        Span::styled(dot, theme.bold(theme.changed)),
        Span::raw(" "),
        Span::styled(fitted(last(field.key), label, ascii) + "  ", key_style),
    ]);
    if let Some(editing) = editing {
        let style = if editing.outcome.is_ok() { theme.bold(theme.text) } else { theme.bold(theme.error) };
        let used = (line.width() as u16).min(area.width);
        frame.render_widget(line, area);
        return editing.input.draw(frame, Rect { x: area.x + used, width: area.width - used, ..area }, style);
    }
    let nothing = if ascii { "-" } else { "–" };
    let style = match field.origin {
        FieldOrigin::Default => theme.style(theme.dim),
        FieldOrigin::Preset => theme.style(theme.text),
        FieldOrigin::Changed => theme.bold(theme.changed),
    };
    let room = usize::from(area.width).saturating_sub(line.width());
    let value = plain(field.value.as_deref().unwrap_or(nothing));
    let before = match (changed, &field.before) {
        (false, _) => String::new(),
        (true, Some(before)) => format!("  was {}", plain(before)),
        (true, None) => "  was not set".into(),
    };
    // A long value takes the room of the previous one.
    let value = fitted(&value, room.min(width(&value)), ascii);
    let left = room - width(&value);
    line.push_span(Span::styled(value, style));
    line.push_span(Span::styled(fitted(&before, left, ascii), theme.style(theme.dim)));
    frame.render_widget(line, area);
}

fn wrapped(frame: &mut Frame, area: Rect, line: Line) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    frame.render_widget(Paragraph::new(Text::from(line)).wrap(Wrap { trim: true }), area);
}

/// A key within its section.
fn last(key: &str) -> &str {
    key.split_once('.').map_or(key, |(_, name)| name)
}
