//! Curves and histograms as charts, with a legend that has their values at the cursor.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::{GLYPHS, draw_labels, legend, position};
use crate::figure::{Axis, Figure, Plot};
use crate::series::{At, Series};
use crate::ui::format::{Unit, number, plain, truncated, width};
use crate::ui::theme::{Look, RUN_COLOURS};
use crate::ui::widgets::chart::{Chart, Curve};
use crate::ui::widgets::panel::placeholder;

/// Buckets of a curve: more than a terminal has dots in a row.
const MOST: usize = 1024;

/// A curve ready to be drawn.
struct Trace {
    name: String,
    /// By position on the x axis.
    series: Series,
    /// Whether it belongs to the curve before it: an end of its band.
    band: bool,
    number: usize,
}

/// Draws curves or histograms of a figure, with the cursor at a share of the x axis.
pub(super) fn draw(frame: &mut Frame, area: Rect, look: &Look, figure: &Figure, cursor: Option<f64>) {
    let theme = &look.theme;
    let (lines, range) = match (lines(figure), range(figure)) {
        (lines, Some(range)) if !lines.is_empty() => (lines, range),
        _ => return placeholder(frame, area, look, "nothing to draw yet"),
    };
    let at = cursor.map(|share| range.0 + share * (range.1 - range.0));
    let legend = legend(&lines, figure, look, area.width, at);
    let rows = legend.len().min(usize::from(area.height / 3)) as u16;
    let [top, plot, bottom] =
        Layout::vertical([Constraint::Length(rows), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    frame.render_widget(Paragraph::new(legend), top);
    let curve = |line: &Trace| -> (Style, char) {
        let number = line.number % RUN_COLOURS;
        let hue = if line.band { theme.dim } else { theme.runs()[number] };
        (theme.style(hue), if line.band { '.' } else { GLYPHS[number] })
    };
    // Bands first: curves lie on top of them, the first curve above all.
    let mut ordered: Vec<&Trace> = lines.iter().rev().collect();
    ordered.sort_by_key(|line| !line.band);
    let curves = ordered.iter().map(|line| {
        let (style, glyph) = curve(line);
        Curve { faint: true, glyph: Some(glyph), ..Curve::line(&line.name, &line.series, style) }
    });
    let zero: &[f64] = if matches!(figure.plot, Plot::Histograms(_)) && !figure.y.is_log() { &[0.0] } else { &[] };
    let chart = Chart {
        data_axis: Some(figure.x.is_log()),
        log: figure.y.is_log(),
        x_unit: Unit::Number,
        include: zero,
        cursor: at,
        ascii: look.ascii,
        pixels: look.pixels.as_ref(),
        ..Chart::over_steps(curves.collect(), "nothing to draw yet", theme.style(theme.dim))
    };
    chart.draw(plot, frame.buffer_mut());
    draw_labels(frame, bottom, look, figure);
}

/// The curves of a figure by their positions on the x axis.
fn lines(figure: &Figure) -> Vec<Trace> {
    let mut lines = Vec::new();
    match &figure.plot {
        Plot::Curves(curves) => {
            for (number, curve) in curves.iter().enumerate() {
                let mut push = |values: &mut dyn Iterator<Item = (f64, f64)>, band| {
                    let series = series(&figure.x, values);
                    lines.push(Trace { name: curve.name.clone(), series, band, number });
                };
                push(&mut curve.points.iter().copied(), false);
                // Ends of a band that are the curve itself are not drawn.
                if let Some(band) = curve.band.as_ref().filter(|band| band.low != band.high) {
                    let xs = || curve.points.iter().map(|(x, _)| *x);
                    push(&mut xs().zip(band.low.iter().copied()), true);
                    push(&mut xs().zip(band.high.iter().copied()), true);
                }
            }
        }
        Plot::Histograms(histograms) => {
            for (number, histogram) in histograms.iter().enumerate() {
                // The outline of the bars.
                let bars = histogram.edges.windows(2).zip(&histogram.counts);
                let tops = bars.flat_map(|(edges, count)| [(edges[0], *count), (edges[1], *count)]);
                let ends = [histogram.edges.first(), histogram.edges.last()].map(|edge| edge.map(|edge| (*edge, 0.0)));
                let mut points = ends[0].into_iter().chain(tops).chain(ends[1]);
                let series = series(&figure.x, &mut points);
                lines.push(Trace { name: histogram.name.clone(), series, band: false, number });
            }
        }
        Plot::HeatMap(_) | Plot::Points(_) | Plot::Rows(_) => {}
    }
    lines
}

fn series(axis: &Axis, points: &mut dyn Iterator<Item = (f64, f64)>) -> Series {
    let mut series = Series::bounded(MOST);
    let mut last = f64::NEG_INFINITY;
    for (x, y) in points {
        let Some(at) = position(axis, x).filter(|at| *at >= last) else { continue };
        last = at;
        series.push(At { step: at, time: 0.0 }, y);
    }
    series
}

/// The positions at which the x axis begins and ends.
fn range(figure: &Figure) -> Option<(f64, f64)> {
    let (x, _) = figure.ranges()?;
    position(&figure.x, x.0).zip(position(&figure.x, x.1))
}

/// The names of the curves in their colours, with values at the cursor, in as many lines as it takes.
fn legend<'a>(lines: &[Trace], figure: &Figure, look: &Look, room: u16, at: Option<f64>) -> Vec<Line<'a>> {
    let theme = &look.theme;
    let room = usize::from(room);
    let mut entries: Vec<(String, Style)> = Vec::new();
    if let Some(at) = at {
        let x = if figure.x.is_log() { 10f64.powf(at) } else { at };
        entries.push((format!("x {}", number(x)), theme.bold(theme.text)));
    }
    for line in lines.iter().filter(|line| !line.band) {
        let colour = line.number % RUN_COLOURS;
        let sign = if look.ascii { GLYPHS[colour].to_string() } else { "━".to_owned() };
        let value = at.and_then(|at| line.series.until(at, |at| at.step)).map(|bucket| number(bucket.end));
        let value = value.map(|value| format!(" {value}")).unwrap_or_default();
        let name = truncated(&plain(&line.name), room.saturating_sub(width(&value) + 4), look.ascii);
        entries.push((format!("{sign} {name}{value}"), theme.style(theme.runs()[colour])));
    }
    legend::lines(entries, room)
}
