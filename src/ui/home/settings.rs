//! The settings of the selected preset by section: every key with its value, marked if it was changed or is wrong.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};

use super::editor::Editing;
use super::layout::window;
use super::list::Entry;
use super::scene::Scene;
use super::settings_list::Settings;
use crate::preset::{Field, FieldOrigin, KeyKind};
use crate::ui::format::{fitted, plain, truncated, width, wrapped};
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
    let note = if noted { 3.min(inner.height / 3) } else { 0 };
    let height = inner.height - note;
    (Rect { height, ..inner }, Rect { y: inner.y + height, height: note, ..inner })
}

/// Whether there is a note below the settings: the help of the selected one, or an error.
pub fn noted(entry: &Entry, focused: bool, error: Option<&str>) -> bool {
    focused || entry.now.is_err() || error.is_some()
}

/// Whether an error is about a key: `sift.modules: …`, `keep.best is …`.
fn is_about(error: &str, key: &str) -> bool {
    error.strip_prefix(key).is_some_and(|rest| rest.starts_with([':', ' ']))
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

/// What the panel shows.
pub struct SettingsView<'a> {
    pub settings: &'a Settings,
    pub focused: bool,
    /// Whether the filter is typed.
    pub filtering: bool,
    pub editing: Option<&'a Editing>,
    /// Why the preset cannot be trained as it is.
    pub error: Option<&'a str>,
}

/// Draws the settings and the note.
pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene, view: &SettingsView) {
    let SettingsView { settings, focused, editing, error, .. } = *view;
    let (theme, ascii) = (&scene.look.theme, scene.look.ascii);
    let Some(entry) = scene.list.selected() else {
        panel(frame, area, scene.look, focused, Title::named("Settings"));
        return;
    };
    // The filter, the number of changes and the origin need room, too.
    let name = truncated(&plain(&entry.listed.name), usize::from(area.width / 2), ascii);
    let mut title = Title::named(&name);
    let filter = plain(&settings.filter.text());
    if view.filtering || !filter.is_empty() {
        let cursor = if view.filtering { "_" } else { "" };
        title.values.push(Span::styled(format!("/{filter}{cursor}"), theme.bold(theme.accent)));
    }
    if entry.changes() > 0 {
        title.values.push(Span::styled(format!("{} changed", entry.changes()), theme.bold(theme.changed)));
    }
    title.note = if entry.is_own() { "yours".into() } else { "built-in".into() };
    let inner = panel(frame, area, scene.look, focused, title);
    if let Err(error) = &entry.listed.draft {
        return note(frame, inner, scene, &error.to_string(), theme.style(theme.error));
    }
    let fields = settings.shown(entry);
    let rows = rows(&fields);
    let (list, below) = split(inner, noted(entry, focused, error));
    if fields.is_empty() {
        note(frame, list, scene, "no setting matches the filter; esc clears it", theme.style(theme.dim));
    }
    let longest = fields.iter().map(|field| last(field.key).len()).max().unwrap_or(0);
    // On a narrow screen the values need the room. The note has the whole key.
    let label = if inner.width >= 48 { longest } else { longest.min(13) };
    let skipped = first(&rows, settings.field, list.height);
    for (row, y) in rows.iter().skip(skipped).zip(list.top()..list.bottom()) {
        let line = Rect { y, height: 1, ..list };
        match row {
            Row::Section(section) => {
                frame.render_widget(Line::styled(format!("  [{section}]"), theme.bold(theme.dim)), line);
            }
            Row::Field(number, field) => {
                let selected = *number == settings.field && focused;
                let wrong = error.is_some_and(|error| is_about(error, field.key));
                let editing = editing.filter(|_| selected);
                draw_field(frame, line, scene, field, RowState { selected, wrong, label }, editing);
            }
        }
    }
    let complaint = match editing {
        Some(editing) => editing.outcome.as_ref().err(),
        None => entry.now.as_ref().err(),
    };
    let complaint = complaint.map(|error| error.to_string()).or(error.map(str::to_owned));
    match (complaint, fields.get(settings.field)) {
        (Some(complaint), _) => note(frame, below, scene, &complaint, theme.style(theme.error)),
        (None, Some(field)) if focused => {
            let typed = editing.is_some_and(|editing| editing.line().is_some());
            let keys = if typed { "leave empty for the default" } else { keys(field.kind, ascii) };
            let help = format!("{}: {} ({keys})", field.key, field.help);
            note(frame, below, scene, &help, theme.style(theme.dim));
        }
        _ => {}
    }
}

/// How a setting of this type is changed.
fn keys(kind: KeyKind, ascii: bool) -> &'static str {
    match (kind, ascii) {
        (KeyKind::Integer { .. } | KeyKind::IntegerOrAuto { .. } | KeyKind::Number { .. }, false) => {
            "←/→ steps, enter types"
        }
        (KeyKind::Integer { .. } | KeyKind::IntegerOrAuto { .. } | KeyKind::Number { .. }, true) => {
            "left/right steps, enter types"
        }
        (KeyKind::Boolean, false) => "←/→ or enter switches",
        (KeyKind::Boolean, true) => "left/right or enter switches",
        (KeyKind::Choice(_), false) => "←/→ or enter chooses",
        (KeyKind::Choice(_), true) => "left/right or enter chooses",
        (KeyKind::Modules, _) => "enter lists the modules",
        (KeyKind::Names, _) => "enter types: a, b",
        _ => "enter types",
    }
}

/// A text in as many lines as there are; a longer one ends with an ellipsis.
fn note(frame: &mut Frame, area: Rect, scene: &Scene, text: &str, style: Style) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area }.intersection(area);
    let room = usize::from(area.width);
    let mut lines = wrapped(&plain(text), room);
    if lines.len() > usize::from(area.height) {
        lines.truncate(usize::from(area.height));
        if let Some(last) = lines.last_mut() {
            *last = truncated(
                &format!("{last} …").replace('…', if scene.look.ascii { "~" } else { "…" }),
                room,
                scene.look.ascii,
            );
        }
    }
    frame.render_widget(Text::from_iter(lines.into_iter().map(|line| Line::styled(line, style))), area);
}

/// How a row is shown.
#[derive(Clone, Copy)]
struct RowState {
    selected: bool,
    /// Whether its value is what keeps the preset from being trained.
    wrong: bool,
    /// Columns of the key.
    label: usize,
}

fn draw_field(
    frame: &mut Frame,
    area: Rect,
    scene: &Scene,
    field: &Field,
    RowState { selected, wrong, label }: RowState,
    editing: Option<&Editing>,
) {
    let (theme, ascii) = (&scene.look.theme, scene.look.ascii);
    let pointer = match (selected, ascii) {
        (false, _) => " ",
        (true, false) => "▌",
        (true, true) => ">",
    };
    let changed = field.origin == FieldOrigin::Changed;
    let (dot, dot_hue) = match (wrong, changed, ascii) {
        (true, ..) => ("!", theme.error),
        (false, false, _) => (" ", theme.dim),
        (false, true, false) => ("●", theme.changed),
        (false, true, true) => ("*", theme.changed),
    };
    let key_style = if selected { theme.bold(theme.accent) } else { theme.style(theme.dim) };
    let mut line = Line::from(vec![
        Span::styled(pointer, theme.bold(theme.focus)),
        Span::styled(dot, theme.bold(dot_hue)),
        Span::raw(" "),
        Span::styled(fitted(last(field.key), label, ascii) + "  ", key_style),
    ]);
    if let Some((editing, input)) = editing.and_then(|editing| Some((editing, editing.line()?))) {
        let style = if editing.outcome.is_ok() { theme.bold(theme.text) } else { theme.bold(theme.error) };
        let used = (line.width() as u16).min(area.width);
        frame.render_widget(line, area);
        return input.draw(frame, Rect { x: area.x + used, width: area.width - used, ..area }, style);
    }
    let nothing = if ascii { "-" } else { "–" };
    let style = match field.origin {
        _ if wrong => theme.bold(theme.error),
        FieldOrigin::Default => theme.style(theme.dim),
        FieldOrigin::Preset => theme.style(theme.text),
        FieldOrigin::Changed => theme.bold(theme.changed),
    };
    let room = usize::from(area.width).saturating_sub(line.width());
    let chosen = editing.map(Editing::text).filter(|text| !text.is_empty());
    let value = chosen.or(field.value.clone());
    let value = plain(value.as_deref().unwrap_or(nothing));
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

/// A key within its section.
fn last(key: &str) -> &str {
    key.split_once('.').map_or(key, |(_, name)| name)
}
