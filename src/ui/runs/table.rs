//! The table of runs: which columns there is room for, and how a row looks.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use super::column::Column;
use super::list::RunList;
use super::mode::Mode;
use super::scene::Scene;
use super::sign::sign;
use crate::runs::RunEntry;
use crate::ui::format::plain;
use crate::ui::theme::Look;
use crate::ui::widgets::panel::{Title, panel};
use crate::ui::widgets::spark::spark;

/// The pointer and the mark before each row.
const MARKS: u16 = 4;

/// What a click met.
pub(super) enum Hit {
    Column(Column),
    /// Place among those that are shown.
    Run(usize),
}

/// The columns for a screen of this width.
pub(super) fn columns(width: u16) -> Vec<Column> {
    widths(width).iter().map(|(column, _)| *column).collect()
}

/// Columns and their widths; 0 for those that share what is left.
fn widths(width: u16) -> &'static [(Column, u16)] {
    match width {
        170.. => &[
            (Column::State, 13),
            (Column::Name, 0),
            (Column::Preset, 14),
            (Column::Model, 18),
            (Column::Best, 18),
            (Column::Curve, 0),
            (Column::Loss, 9),
            (Column::Steps, 15),
            (Column::Time, 10),
            (Column::Age, 8),
            (Column::Tags, 20),
        ],
        140.. => &[
            (Column::State, 13),
            (Column::Name, 0),
            (Column::Best, 16),
            (Column::Curve, 0),
            (Column::Loss, 8),
            (Column::Steps, 12),
            (Column::Time, 8),
            (Column::Age, 7),
            (Column::Tags, 14),
        ],
        116.. => &[
            (Column::State, 13),
            (Column::Name, 0),
            (Column::Best, 16),
            (Column::Curve, 12),
            (Column::Steps, 11),
            (Column::Time, 7),
            (Column::Age, 7),
            (Column::Tags, 12),
        ],
        _ => &[
            (Column::State, 1),
            (Column::Name, 0),
            (Column::Best, 16),
            (Column::Curve, 8),
            (Column::Steps, 11),
            (Column::Age, 7),
        ],
    }
}

/// Each column and where it lies on a line.
fn places(line: Rect, width: u16) -> Vec<(Column, Rect)> {
    let widths = widths(width);
    let fixed: u16 = widths.iter().map(|(_, width)| width + 1).sum::<u16>() + MARKS;
    let shares = widths.iter().filter(|(_, width)| *width == 0).count().max(1) as u16;
    let left = line.width.saturating_sub(fixed);
    let mut x = line.x + MARKS;
    let mut first = true;
    let place = |(column, width): &(Column, u16)| {
        // The name has what does not divide.
        let width = match width {
            0 if std::mem::take(&mut first) => left / shares + left % shares,
            0 => left / shares,
            width => *width,
        };
        let area = Rect { x, width, ..line }.intersection(line);
        x = x.saturating_add(width + 1);
        (*column, area)
    };
    widths.iter().map(place).collect()
}

/// The first of the runs that is on the screen.
fn first(runs: &RunList, rows: usize) -> usize {
    (runs.cursor + 1).saturating_sub(rows - rows / 4).min(runs.shown.len().saturating_sub(rows))
}

fn inner(area: Rect) -> Rect {
    Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height.saturating_sub(2) }
}

/// What a click meets.
pub(super) fn hit(runs: &RunList, area: Rect, at: Position) -> Option<Hit> {
    let inner = inner(area);
    if !inner.contains(at) {
        return None;
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    match at.y - inner.y {
        0 => {
            let header = Rect { height: 1, ..inner };
            let mut places = places(header, area.width).into_iter();
            let met = places.find(|(column, area)| area.contains(at) && *column != Column::Curve);
            met.map(|(column, _)| Hit::Column(column))
        }
        row => {
            let place = first(runs, rows) + usize::from(row) - 1;
            (place < runs.shown.len()).then_some(Hit::Run(place))
        }
    }
}

pub(super) fn draw(scene: Scene, frame: &mut Frame, area: Rect) {
    let (runs, look, theme) = (scene.list, scene.look, &scene.look.theme);
    let filtering = matches!(scene.mode, Mode::Filter { .. });
    let total = runs.entries.as_ref().map_or(0, Vec::len);
    let mut title = Title::named("Runs");
    if runs.filter.is_empty() && !filtering {
        title.values.push(Span::styled(total.to_string(), theme.bold(theme.text)));
    } else {
        let cursor = if filtering { "_" } else { "" };
        title.values.push(Span::styled(format!("{} of {total}", runs.shown.len()), theme.bold(theme.text)));
        title.values.push(Span::styled(format!("/{}{cursor}", plain(&runs.filter)), theme.bold(theme.accent)));
    }
    if !runs.marked.is_empty() {
        title.values.push(Span::styled(format!("{} marked", runs.marked.len()), theme.bold(theme.paused)));
    }
    title.note = format!("by {}", runs.sort.name().to_lowercase());
    if let Some(export) = scene.exporting {
        let text = format!("exporting {}: {}, X calls it off", export.name(), export.far());
        title.values.push(Span::styled(text, theme.bold(theme.accent)));
    }
    let inner = panel(frame, area, look, true, title);
    if inner.is_empty() {
        return;
    }
    draw_header(runs, frame, Rect { height: 1, ..inner }, area.width, look);
    let body = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    let notice = match &runs.entries {
        None => Some("looking for runs"),
        Some(listed) if listed.is_empty() => Some("no run yet: start one at Home"),
        Some(_) if runs.shown.is_empty() => Some("no run passes the filter"),
        Some(_) => None,
    };
    if let Some(notice) = notice {
        let line = Rect { y: body.y + body.height / 2, height: body.height.min(1), ..body };
        frame.render_widget(ratatui::text::Line::styled(notice, theme.style(theme.dim)).centered(), line);
        return;
    }
    let first = first(runs, usize::from(body.height));
    for ((place, run), y) in runs.runs().enumerate().skip(first).zip(body.top()..body.bottom()) {
        draw_row(runs, frame, Rect { y, height: 1, ..body }, area.width, look, place, run);
    }
}

fn draw_header(runs: &RunList, frame: &mut Frame, line: Rect, width: u16, look: &Look) {
    let theme = &look.theme;
    for (column, area) in places(line, width) {
        let sorted = column == runs.sort;
        let arrow = match (sorted, runs.descending, look.ascii) {
            (false, ..) => "",
            (_, true, false) => "▾",
            (_, false, false) => "▴",
            (_, true, true) => "v",
            (_, false, true) => "^",
        };
        // A state that is but a sign has no room for its name.
        let name = if area.width < 3 { arrow.to_owned() } else { format!("{}{arrow}", column.name()) };
        let style = theme.bold(if sorted { theme.accent } else { theme.dim });
        put(frame, area, column.right_aligned(), &name, style);
    }
}

fn draw_row(runs: &RunList, frame: &mut Frame, line: Rect, width: u16, look: &Look, place: usize, run: &RunEntry) {
    let theme = &look.theme;
    let here = place == runs.cursor;
    if here {
        frame.buffer_mut().set_style(line, theme.marked_line());
        put(frame, Rect { width: 1, ..line }, false, if look.ascii { ">" } else { "▌" }, theme.bold(theme.accent));
    }
    if runs.marked.contains(&run.name) {
        let mark = Rect { x: line.x + 2, width: 1, ..line }.intersection(line);
        put(frame, mark, false, if look.ascii { "*" } else { "●" }, theme.bold(theme.paused));
    }
    let (state, sign) = sign(run.state, look);
    for (column, area) in places(line, width) {
        let style = match column {
            Column::State => theme.bold(state),
            Column::Name if here => theme.bold(theme.text),
            Column::Name => theme.style(theme.text),
            Column::Best => theme.style(theme.score),
            // A column of bright bars would outshine all else.
            Column::Curve if !here => theme.style(theme.loss_raw),
            Column::Curve | Column::Loss => theme.style(theme.loss),
            Column::Tags => theme.style(theme.selected),
            _ => theme.style(theme.dim),
        };
        let text = match column {
            Column::State if area.width < 3 => sign.to_owned(),
            Column::State => format!("{sign} {}", run.state.name()),
            Column::Curve => spark(&run.summary.loss.columns(usize::from(area.width)), look.ascii),
            column => column.text(run, runs.now),
        };
        put(frame, area, column.right_aligned(), &text, style);
    }
}

/// Writes a text into a line's part, cut where it does not fit.
fn put(frame: &mut Frame, area: Rect, right: bool, text: &str, style: Style) {
    if area.is_empty() {
        return;
    }
    let width = Span::raw(text).width();
    let room = usize::from(area.width);
    let x = if right && width < room { area.x + (room - width) as u16 } else { area.x };
    frame.buffer_mut().set_stringn(x, area.y, text, room, style);
}
