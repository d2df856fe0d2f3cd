//! Points with whiskers, a line each: name, mark with its whisker, numbers.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::{draw_labels, shown};
use crate::axis::Axis;
use crate::figure::{Figure, PointRow, PointRows};
use crate::ui::format::{padded_start, plain, truncated, width};
use crate::ui::theme::Look;
use crate::ui::widgets::panel::placeholder;

/// Columns of names at most, and of the plot at least.
const NAMES: u16 = 36;
const PLOT: u16 = 24;

/// Columns of a label on the axis.
const TICK: u16 = 8;

pub(super) fn draw(frame: &mut Frame, area: Rect, look: &Look, figure: &Figure, points: &PointRows) {
    let theme = &look.theme;
    let longest = |text: fn(&PointRow) -> &str| {
        points.rows.iter().map(|row| width(&shown(text(row), look))).max().unwrap_or(0).min(usize::from(u16::MAX))
            as u16
    };
    let names = longest(|row| &row.name).min(NAMES).min(area.width / 3);
    let numbers = longest(|row| &row.numbers);
    // Numbers are left out before the plot becomes too small.
    let numbers = if area.width >= names + numbers + PLOT { numbers } else { 0 };
    let [body, ticks, bottom] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(area);
    let gap = Constraint::Length(2);
    let sides = [Constraint::Length(1), Constraint::Length(names), gap, Constraint::Fill(1), gap];
    let columns = |area: Rect| -> [Rect; 6] {
        let [edge, names, left, plot, right] = sides;
        Layout::horizontal([edge, names, left, plot, right, Constraint::Length(numbers)]).areas(area)
    };
    let [_, name, _, plot, _, number] = columns(body);
    let Some((x, _)) = figure.axes(usize::from(plot.width / TICK), 2).filter(|_| !plot.is_empty()) else {
        return placeholder(frame, area, look, "no values yet");
    };
    let rows = usize::from(body.height);
    let hidden = points.rows.len().saturating_sub(rows);
    let whole = if hidden > 0 { rows.saturating_sub(1) } else { rows };
    let dim = theme.style(theme.dim);
    for (row, y) in points.rows.iter().take(whole).zip(body.top()..) {
        let line = |area: Rect| Rect { y, height: 1, ..area };
        let text = truncated(&plain(&row.name), usize::from(name.width), look.ascii);
        frame.render_widget(
            Line::styled(padded_start(&text, usize::from(name.width)), theme.style(theme.text)),
            line(name),
        );
        frame.render_widget(Line::styled(shown(&row.numbers, look), dim), line(number));
        draw_row(frame, line(plot), look, figure, &x, row);
    }
    if hidden > 0 {
        let more = truncated(&format!(" {} more rows", points.rows.len() - whole), usize::from(body.width), look.ascii);
        frame.render_widget(Line::styled(more, dim), Rect { y: body.bottom() - 1, height: 1, ..body });
    }
    let [_, _, _, scale, ..] = columns(ticks);
    draw_ticks(frame, scale, look, &x);
    draw_labels(frame, bottom, look, figure);
}

/// The line of a row: dots, the whisker and the mark.
fn draw_row(frame: &mut Frame, line: Rect, look: &Look, figure: &Figure, x: &Axis, row: &PointRow) {
    let theme = &look.theme;
    let column = |value: f64| line.x + x.scale.cell(x.scale.position(value), line.width);
    let mut put = |column: u16, symbol: &str, style| {
        if let Some(cell) = frame.buffer_mut().cell_mut((column, line.y)) {
            cell.set_symbol(symbol).set_style(style);
        }
    };
    for tick in &x.ticks {
        put(line.x + x.scale.cell(tick.at, line.width), if look.ascii { "." } else { "┊" }, theme.style(theme.track));
    }
    let Some(mark) = row.mark.as_ref().filter(|mark| figure.x.shows(mark.value)) else { return };
    if let Some((low, high)) = mark.ends(&figure.x).map(|(low, high)| (column(low), column(high))) {
        for at in low..=high {
            let end = match (look.ascii, at == low, at == high) {
                (false, true, true) | (_, false, false) => {
                    if look.ascii {
                        "-"
                    } else {
                        "─"
                    }
                }
                (false, true, false) => "├",
                (false, false, true) => "┤",
                (true, ..) => "|",
            };
            put(at, end, theme.style(theme.dim));
        }
    }
    let symbol = match (look.ascii, mark.complete) {
        (false, true) => "●",
        (false, false) => "○",
        (true, true) => "*",
        (true, false) => "o",
    };
    put(column(mark.value), symbol, theme.bold(theme.score));
}

/// The labels of the axis, as far as they have room.
fn draw_ticks(frame: &mut Frame, line: Rect, look: &Look, x: &Axis) {
    let mut free = line.x;
    for tick in &x.ticks {
        let length = width(&tick.label) as u16;
        let middle = line.x + x.scale.cell(tick.at, line.width);
        let start = middle.saturating_sub(length / 2).max(line.x).min(line.right().saturating_sub(length));
        if start >= free && start + length <= line.right() {
            let style = look.theme.style(look.theme.dim);
            frame.buffer_mut().set_stringn(start, line.y, &tick.label, usize::from(length), style);
            free = start + length + 1;
        }
    }
}
