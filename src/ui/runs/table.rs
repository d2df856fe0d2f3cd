//! The table of runs: the columns that fit, the header and the rows.

use ratatui::Frame;
use ratatui::layout::{Alignment, Margin, Position, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use super::column::RunColumn;
use super::list::RunList;
use super::mode::Mode;
use super::scene::Scene;
use super::sign::sign;
use crate::runs::RunEntry;
use crate::ui::comparison::{self, swatch};
use crate::ui::format::{plain, truncated, width};
use crate::ui::theme::Look;
use crate::ui::widgets::panel::{Title, panel, placeholder};
use crate::ui::widgets::spark::spark;

/// Columns of the panel's borders.
const BORDERS: u16 = 2;

/// Columns of the pointer and the mark before each row.
const MARKS: u16 = 4;

/// The target of a click.
pub(super) enum Hit {
    Column(RunColumn),
    /// Index among the visible runs.
    Run(usize),
}

/// The columns for a screen of this width.
pub(super) fn columns(width: u16) -> Vec<RunColumn> {
    widths(width).iter().map(|(column, _)| *column).collect()
}

/// Columns and their widths; those of width 0 share the remaining room.
fn widths(width: u16) -> &'static [(RunColumn, u16)] {
    match width {
        170.. => &[
            (RunColumn::State, 15),
            (RunColumn::Name, 0),
            (RunColumn::Preset, 14),
            (RunColumn::Model, 18),
            (RunColumn::Best, 18),
            (RunColumn::Curve, 0),
            (RunColumn::Loss, 10),
            (RunColumn::Steps, 15),
            (RunColumn::Time, 10),
            (RunColumn::Updated, 9),
            (RunColumn::Tags, 20),
        ],
        140.. => &[
            (RunColumn::State, 15),
            (RunColumn::Name, 0),
            (RunColumn::Best, 16),
            (RunColumn::Curve, 0),
            (RunColumn::Loss, 10),
            (RunColumn::Steps, 12),
            (RunColumn::Time, 8),
            (RunColumn::Updated, 8),
            (RunColumn::Tags, 14),
        ],
        116.. => &[
            (RunColumn::State, 15),
            (RunColumn::Name, 0),
            (RunColumn::Best, 16),
            (RunColumn::Curve, 12),
            (RunColumn::Steps, 11),
            (RunColumn::Time, 7),
            (RunColumn::Updated, 8),
            (RunColumn::Tags, 12),
        ],
        76.. => &[
            (RunColumn::State, 1),
            (RunColumn::Name, 0),
            (RunColumn::Best, 16),
            (RunColumn::Curve, 8),
            (RunColumn::Steps, 11),
            (RunColumn::Updated, 8),
        ],
        // The name needs the room of the curve.
        _ => &[
            (RunColumn::State, 1),
            (RunColumn::Name, 0),
            (RunColumn::Best, 16),
            (RunColumn::Steps, 9),
            (RunColumn::Updated, 8),
        ],
    }
}

/// The columns with their areas on a line of the table.
fn column_areas(line: Rect) -> Vec<(RunColumn, Rect)> {
    let widths = widths(line.width + BORDERS);
    let fixed: u16 = widths.iter().map(|(_, width)| width + 1).sum::<u16>() + MARKS;
    let shares = widths.iter().filter(|(_, width)| *width == 0).count().max(1) as u16;
    let left = line.width.saturating_sub(fixed);
    let mut x = line.x + MARKS;
    let mut first = true;
    let column_area = |(column, width): &(RunColumn, u16)| {
        // The first shared column, the name, also gets the remainder.
        let width = match width {
            0 if std::mem::take(&mut first) => left / shares + left % shares,
            0 => left / shares,
            width => *width,
        };
        let area = Rect { x, width, ..line }.intersection(line);
        x = x.saturating_add(width + 1);
        (*column, area)
    };
    widths.iter().map(column_area).collect()
}

/// Index of the first visible run.
fn first_visible(runs: &RunList, rows: usize) -> usize {
    (runs.cursor + 1).saturating_sub(rows - rows / 4).min(runs.rows().saturating_sub(rows))
}

/// The target of a click at a screen position.
pub(super) fn hit(runs: &RunList, area: Rect, position: Position) -> Option<Hit> {
    let inner = area.inner(Margin::new(1, 1));
    if !inner.contains(position) {
        return None;
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    match position.y - inner.y {
        0 => {
            let mut columns = column_areas(Rect { height: 1, ..inner }).into_iter();
            let hit = columns.find(|(column, area)| area.contains(position) && *column != RunColumn::Curve);
            hit.map(|(column, _)| Hit::Column(column))
        }
        row => {
            let index = first_visible(runs, rows) + usize::from(row) - 1;
            (index < runs.rows()).then_some(Hit::Run(index))
        }
    }
}

pub(super) fn draw(scene: Scene, frame: &mut Frame, area: Rect) {
    let (runs, look, theme) = (scene.list, scene.look, &scene.look.theme);
    let typing = if let Mode::Filter { entry, .. } = scene.mode { Some(entry.parts()) } else { None };
    let total = runs.entries.as_ref().map_or(0, Vec::len);
    let mut title = Title::named("Runs");
    if runs.filter.is_empty() && typing.is_none() {
        title.values.push(Span::styled(total.to_string(), theme.bold(theme.text)));
    } else {
        let filter = match typing {
            Some((before, after)) => format!("/{before}_{after}"),
            None => format!("/{}", plain(&runs.filter)),
        };
        title.values.push(Span::styled(format!("{} of {total}", runs.shown.len()), theme.bold(theme.text)));
        title.values.push(Span::styled(filter, theme.bold(theme.accent)));
    }
    if !runs.marked.is_empty() {
        title.values.push(Span::styled(format!("{} marked", runs.marked.len()), theme.bold(theme.paused)));
    }
    title.note = format!("sorted by {}", runs.sort.name().to_lowercase());
    if let Some(export) = scene.exporting {
        let text = format!("exporting {}: {} (X to cancel)", export.name(), export.progress_text());
        title.values.push(Span::styled(text, theme.bold(theme.accent)));
    }
    let inner = panel(frame, area, look, scene.focused, title);
    if inner.is_empty() {
        return;
    }
    draw_header(runs, frame, Rect { height: 1, ..inner }, look);
    let body = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    let notice = match &runs.entries {
        None => Some("loading runs"),
        Some(listed) if listed.is_empty() => Some("no runs yet; launch one from Home"),
        Some(_) if runs.shown.is_empty() => Some("no run matches the filter"),
        Some(_) => None,
    };
    if let Some(notice) = notice {
        return placeholder(frame, body, look, notice);
    }
    let first = first_visible(runs, usize::from(body.height));
    for ((index, run), y) in runs.runs().enumerate().skip(first).zip(body.top()..body.bottom()) {
        draw_row(runs, frame, Rect { y, height: 1, ..body }, look, index, run);
    }
    let fold = runs.shown.len() - first.min(runs.shown.len());
    if runs.foldable > 0 && fold < usize::from(body.height) {
        draw_fold(runs, frame, Rect { y: body.y + fold as u16, height: 1, ..body }, look);
    }
}

fn draw_header(runs: &RunList, frame: &mut Frame, line: Rect, look: &Look) {
    let theme = &look.theme;
    for (column, area) in column_areas(line) {
        let sorted = column == runs.sort;
        let arrow = match (sorted, runs.descending, look.ascii) {
            (false, ..) => "",
            (_, true, false) => "▾",
            (_, false, false) => "▴",
            (_, true, true) => "v",
            (_, false, true) => "^",
        };
        // A column with only the state's sign has no room for a header.
        let name = if area.width < 3 { arrow.to_owned() } else { format!("{}{arrow}", column.name()) };
        let style = theme.bold(if sorted { theme.accent } else { theme.dim });
        put(frame, area, column.alignment(), &name, style, look.ascii);
    }
}

/// Draws the line of the runs that failed before their first step.
fn draw_fold(runs: &RunList, frame: &mut Frame, line: Rect, look: &Look) {
    let theme = &look.theme;
    if runs.at_fold() {
        frame.buffer_mut().set_style(line, theme.marked_line());
        let pointer = if look.ascii { ">" } else { "▌" };
        put(frame, Rect { width: 1, ..line }, Alignment::Left, pointer, theme.bold(theme.accent), look.ascii);
    }
    let text = Rect { x: line.x + MARKS, width: line.width.saturating_sub(MARKS), ..line };
    put(frame, text, Alignment::Left, &runs.fold_text(), theme.style(theme.dim), look.ascii);
}

fn draw_row(runs: &RunList, frame: &mut Frame, line: Rect, look: &Look, index: usize, run: &RunEntry) {
    let theme = &look.theme;
    let at_cursor = index == runs.cursor;
    if at_cursor {
        frame.buffer_mut().set_style(line, theme.marked_line());
        put(
            frame,
            Rect { width: 1, ..line },
            Alignment::Left,
            if look.ascii { ">" } else { "▌" },
            theme.bold(theme.accent),
            look.ascii,
        );
    }
    if runs.marked.contains(&run.path) {
        let mark = Rect { x: line.x + 2, width: 1, ..line }.intersection(line);
        let (sign, style) = match runs.marked.colour(&run.path) {
            Some(colour) => {
                let is_baseline = runs.marked.baseline() == Some(&run.path);
                (swatch(colour, is_baseline, look), comparison::style(colour, look))
            }
            // There are more marked runs than colours.
            None => (if look.ascii { "*" } else { "○" }.to_owned(), theme.bold(theme.paused)),
        };
        put(frame, mark, Alignment::Left, &sign, style, look.ascii);
    }
    let (state, sign) = sign(run.state, look);
    for (column, area) in column_areas(line) {
        let style = match column {
            RunColumn::State => theme.bold(state),
            RunColumn::Name if at_cursor => theme.bold(theme.text),
            RunColumn::Name => theme.style(theme.text),
            RunColumn::Best => theme.style(theme.score),
            // Bright bars in every row would dominate the table.
            RunColumn::Curve if !at_cursor => theme.style(theme.loss_raw),
            RunColumn::Curve | RunColumn::Loss => theme.style(theme.loss),
            RunColumn::Tags => theme.style(theme.selected),
            _ => theme.style(theme.dim),
        };
        let text = match column {
            RunColumn::State if area.width < 3 => sign.to_owned(),
            RunColumn::State => format!("{sign} {}", run.state.name()),
            RunColumn::Curve => spark(&run.summary.loss.columns(usize::from(area.width)), look.ascii),
            column => column.text(run, runs.now),
        };
        put(frame, area, column.alignment(), &text, style, look.ascii);
    }
}

/// Writes text into part of a line; a longer one ends with an ellipsis.
fn put(frame: &mut Frame, area: Rect, alignment: Alignment, text: &str, style: Style, ascii: bool) {
    if area.is_empty() {
        return;
    }
    let room = usize::from(area.width);
    let text = truncated(text, room, ascii);
    let indent = if alignment == Alignment::Right { room - width(&text) } else { 0 };
    frame.buffer_mut().set_stringn(area.x + indent as u16, area.y, text, room, style);
}
