//! Points with whiskers over one x axis: a mark for each point, a vertical stroke for its whisker, a line for each series.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::{GLYPHS, draw_labels, legend, position};
use crate::figure::{Figure, MarkedPoint, Points};
use crate::series::{At, Series};
use crate::ui::format::{Unit, plain, truncated, width};
use crate::ui::theme::{Look, RUN_COLOURS};
use crate::ui::widgets::chart::{Chart, Curve, Shape};
use crate::ui::widgets::panel::placeholder;

/// Marks of series, and those of points that are not complete. With the colours, 24 series differ.
const MARKS: [char; 6] = ['●', '▲', '■', '◆', '▼', '★'];
const HOLLOW: [char; 6] = ['○', '△', '□', '◇', '▽', '☆'];

/// Columns of names beside the plot, and of an area that has room for them.
const NAMES: u16 = 34;
const WIDE: u16 = 90;

/// Cells between points that would cover each other: no more than it takes, since each moves them off their true place.
const APART: f64 = 1.0;

/// What is drawn of a series.
struct Traces {
    whiskers: Series,
    line: Series,
    complete: Series,
    hollow: Series,
}

pub(super) fn draw(frame: &mut Frame, area: Rect, look: &Look, figure: &Figure, points: &Points) {
    let theme = &look.theme;
    let Some(ends) = figure.ranges().and_then(|(x, _)| position(&figure.x, x.0).zip(position(&figure.x, x.1))) else {
        return placeholder(frame, area, look, "no values yet");
    };
    let (plot, bottom) = with_legend(frame, area, look, points);
    draw_labels(frame, bottom, look, figure);
    // The axis takes some of the columns.
    let space = APART * (ends.1 - ends.0) / f64::from(plot.width.saturating_sub(8).max(1));
    let at = |value: f64| position(&figure.x, value).unwrap_or(ends.0);
    let places = points.places(figure, at, space);
    let traces: Vec<Traces> = points
        .series
        .iter()
        .zip(&places)
        .map(|(series, places)| {
            let shown = series.points.iter().zip(places).filter_map(|(point, at)| Some(((*at)?, point)));
            traces(figure, &shown.collect::<Vec<_>>())
        })
        .collect();
    let curve = |number: usize, series, shape, mark| Curve {
        shape,
        mark,
        glyph: Some(GLYPHS[number % RUN_COLOURS]),
        ..Curve::line("", series, style(look, number))
    };
    let whiskers = traces.iter().enumerate().map(|(number, all)| curve(number, &all.whiskers, Shape::Line, None));
    let lines = traces.iter().enumerate().map(|(number, all)| curve(number, &all.line, Shape::Line, None));
    let marks = traces.iter().enumerate().flat_map(|(number, all)| {
        let mark = |marks: [char; 6]| Some(marks[number % marks.len()]);
        [
            curve(number, &all.complete, Shape::Marks, mark(MARKS)),
            curve(number, &all.hollow, Shape::Marks, mark(HOLLOW)),
        ]
    });
    // Lines are behind whiskers, and marks in front.
    let chart = Chart {
        data_axis: Some(figure.x.is_log()),
        domain: Some(ends),
        log: figure.y.is_log(),
        x_unit: Unit::Number,
        ascii: look.ascii,
        // A picture has one mark for all series: where colours do not suffice, characters tell them apart.
        pixels: look.pixels.as_ref().filter(|_| points.series.len() <= RUN_COLOURS),
        ..Chart::over_steps(lines.chain(whiskers).chain(marks).collect(), "no values yet", theme.style(theme.dim))
    };
    chart.draw(plot, frame.buffer_mut());
}

fn style(look: &Look, number: usize) -> Style {
    look.theme.style(look.theme.runs()[number % RUN_COLOURS])
}

/// Draws the legend, beside the plot where there is room, else above. Returns the area of the plot and that of the labels.
fn with_legend(frame: &mut Frame, area: Rect, look: &Look, points: &Points) -> (Rect, Rect) {
    let entry = |(number, series): (usize, &crate::figure::PointSeries)| {
        let sign = if look.ascii { GLYPHS[number % GLYPHS.len()] } else { MARKS[number % MARKS.len()] };
        let room = usize::from(NAMES.min(area.width)).saturating_sub(4);
        (format!("{sign} {}", truncated(&plain(&series.name), room, look.ascii)), style(look, number))
    };
    let entries: Vec<(String, Style)> = points.series.iter().enumerate().map(entry).collect();
    let [body, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    let beside = area.width >= WIDE;
    let widest = entries.iter().map(|(text, _)| width(text)).max().unwrap_or(0) as u16 + 3;
    let lines = match beside {
        true => entries.into_iter().map(|(text, style)| Line::styled(format!("  {text}"), style)).collect(),
        false => legend::lines(entries, usize::from(area.width)),
    };
    let room = if beside { body.height } else { (body.height / 3).max(1) };
    let lines = cut(lines, usize::from(room), look);
    let [names, plot] = match beside {
        true => {
            let [plot, names] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(widest)]).areas(body);
            [names, plot]
        }
        false => Layout::vertical([Constraint::Length(lines.len() as u16), Constraint::Fill(1)]).areas(body),
    };
    frame.render_widget(Paragraph::new(lines), names);
    (plot, bottom)
}

/// So many lines; the last of them says that there are more.
fn cut<'a>(mut lines: Vec<Line<'a>>, room: usize, look: &Look) -> Vec<Line<'a>> {
    if lines.len() > room && room > 0 {
        lines.truncate(room - 1);
        let more = if look.ascii { "  .." } else { "  …" };
        lines.push(Line::styled(more, look.theme.style(look.theme.dim)));
    }
    lines
}

/// The traces of points at their places.
fn traces(figure: &Figure, points: &[(f64, &MarkedPoint)]) -> Traces {
    let new = || Series::bounded(4 * points.len().max(1));
    let mut traces = Traces { whiskers: new(), line: new(), complete: new(), hollow: new() };
    for (step, point) in points {
        let at = At { step: *step, time: 0.0 };
        if let Some((low, high)) = point.mark.ends(&figure.y) {
            // A gap ends each whisker.
            [low, high, f64::NAN].into_iter().for_each(|value| traces.whiskers.push(at, value));
        }
        if points.len() > 1 {
            traces.line.push(at, point.mark.value);
        }
        let marks = if point.mark.complete { &mut traces.complete } else { &mut traces.hollow };
        marks.push(at, point.mark.value);
    }
    traces
}
