//! Line charts with axes: a curve per series, drawn in braille dots, and as a picture where the terminal shows some. Smoothing is applied before, to the series.

mod dots;
mod pixels;
#[cfg(test)]
mod tests;
mod trace;
mod window;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::axis::{Axis, Scale, Tick};
use crate::series::{At, Bucket, Series};
use crate::ui::format::Unit;
use crate::ui::graphics::Pictures;
use dots::Dots;
pub use window::{following, panned, zoomed};

/// A chart to draw. A point's x is a step or a time, its y the value.
pub struct Chart<'a> {
    /// In drawing order: later curves lie on top.
    pub curves: Vec<Curve<'a>>,
    /// The x of a point: its step or its time.
    pub x_of: fn(At) -> f64,
    /// Whether the x axis is one of data and not of a run, and then whether it is logarithmic: steps are positions on it, powers of
    /// ten there.
    pub data_axis: Option<bool>,
    /// The part of the x axis to show; `None` for [`Chart::domain`].
    pub window: Option<(f64, f64)>,
    /// The whole x axis, the same for all charts of a screen; `None` for the range of the points.
    pub domain: Option<(f64, f64)>,
    /// The x that the run has reached: what lies behind it is dotted.
    pub now: Option<f64>,
    /// Whether the y axis is logarithmic.
    pub log: bool,
    pub x_unit: Unit,
    pub y_unit: Unit,
    /// Values that the y axis always includes.
    pub include: &'a [f64],
    /// The x of a vertical line.
    pub cursor: Option<f64>,
    pub marks: Vec<Mark>,
    /// The point of the best evaluation.
    pub best: Option<BestPoint>,
    /// The text of a chart without points.
    pub waiting: &'a str,
    pub axis_style: Style,
    /// Whether to use ASCII characters only.
    pub ascii: bool,
    /// Where to record the plot as a picture; `None` if the terminal shows none.
    pub pixels: Option<&'a Pictures>,
}

impl<'a> Chart<'a> {
    /// A chart of numbers over all steps, on a linear axis and in braille.
    pub fn over_steps(curves: Vec<Curve<'a>>, waiting: &'a str, axis_style: Style) -> Chart<'a> {
        Chart {
            curves,
            x_of: |at| at.step,
            data_axis: None,
            window: None,
            domain: None,
            now: None,
            log: false,
            x_unit: Unit::Steps,
            y_unit: Unit::Number,
            include: &[],
            cursor: None,
            marks: Vec::new(),
            best: None,
            waiting,
            axis_style,
            ascii: false,
            pixels: None,
        }
    }
}

/// A symbol on the x axis, such as that of a checkpoint.
pub struct Mark {
    pub x: f64,
    /// One column wide.
    pub symbol: &'static str,
    pub style: Style,
}

/// A point with its value beside it.
pub struct BestPoint {
    pub x: f64,
    pub y: f64,
    /// The value as text.
    pub label: String,
    pub style: Style,
}

/// One series of a chart.
pub struct Curve<'a> {
    /// The name in the legend.
    pub name: &'a str,
    pub series: &'a Series,
    pub style: Style,
    pub shape: Shape,
    /// Whether a later curve hides it where both are in a cell, as the smoothed curve hides the raw one.
    pub faint: bool,
    /// The character that it is drawn with in ASCII in place of the usual one, to distinguish curves without colours.
    pub glyph: Option<char>,
    /// The character of its marks otherwise, in place of the usual one.
    pub mark: Option<char>,
}

impl<'a> Curve<'a> {
    /// A curve that is drawn as a line.
    pub fn line(name: &'a str, series: &'a Series, style: Style) -> Curve<'a> {
        Curve { name, series, style, shape: Shape::Line, faint: false, glyph: None, mark: None }
    }
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line with a bar from minimum to maximum in each column.
    Line,
    /// A mark at each point.
    Marks,
    /// Marks joined by a line.
    MarkedLine,
}

impl Chart<'_> {
    pub fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let Some(PlotAxes { plot, x, y }) = self.axes(area) else {
            return centered(area, buffer, self.waiting, self.axis_style);
        };
        if plot.x > area.x {
            self.draw_y_axis(plot, buffer, &y);
            self.draw_x_axis(plot, area.bottom() - 1, buffer, &x);
        }
        self.draw_future(plot, buffer, &x.scale);
        if let Some(cursor) = self.cursor.filter(|cursor| (0.0..=1.0).contains(&x.scale.share(*cursor))) {
            let column = plot.x + x.scale.cell(cursor, plot.width);
            for row in plot.top()..plot.bottom() {
                put(buffer, column, row, if self.ascii { "|" } else { "│" }, self.axis_style);
            }
        }
        let mut hidden = vec![false; usize::from(plot.width) * usize::from(plot.height)];
        for curve in &self.curves {
            let mut dots = Dots::new(plot, self.ascii);
            trace::curve(self, curve, &x.scale, &y.scale, &mut dots);
            dots.draw(plot, buffer, curve, &mut hidden);
        }
        for mark in self.marks.iter().filter(|mark| (0.0..=1.0).contains(&x.scale.share(mark.x))) {
            put(buffer, plot.x + x.scale.cell(mark.x, plot.width), plot.bottom() - 1, mark.symbol, mark.style);
        }
        let best = self.best.as_ref();
        let label = best.and_then(|best| self.draw_best(best, plot, buffer, &x.scale, &y.scale)).unwrap_or_default();
        if let Some(pictures) = self.pixels.filter(|_| !self.ascii) {
            pictures.record(pixels::picture(self, plot, label, &x.scale, &y.scale, pictures.cell), buffer);
        }
    }

    /// The x of a screen column when the chart is drawn on this area; `None` outside the plot.
    pub fn x_at(&self, area: Rect, column: u16) -> Option<f64> {
        let PlotAxes { plot, x, .. } = self.axes(area).filter(|_| !area.is_empty())?;
        let within = f64::from(column.checked_sub(plot.x).filter(|within| *within < plot.width)?) + 0.5;
        Some(x.scale.value_at(within / f64::from(plot.width)))
    }

    /// The axes of a picture of any size, with at most so many ticks; `None` without points.
    pub(super) fn axes_with(&self, across: usize, upwards: usize) -> Option<(Axis, Axis)> {
        let points = || self.curves.iter().flat_map(|curve| curve.series.buckets());
        // Positions never decrease.
        let ends =
            self.curves.iter().filter_map(|curve| curve.series.buckets().first().zip(curve.series.buckets().last()));
        let all = ends.fold(None, |range, (first, last)| {
            include(include(range, (self.x_of)(first.first)), (self.x_of)(last.last))
        });
        // A point beyond the planned end, as of another run, belongs to the picture.
        let whole = match (self.domain, all) {
            (Some((from, to)), Some((first, last))) => Some((from.min(first), to.max(last))),
            (domain, all) => all.and(domain).or(all),
        };
        let (from, to) = self.window.or(whole)?;
        // A single point lies in the middle; steps and times before 0 do not exist.
        let (from, to) = match self.data_axis {
            None if from == to => ((from - 1.0).max(0.0), to + 1.0),
            _ => (from, to),
        };
        let shown = |bucket: &&Bucket| (self.x_of)(bucket.last) >= from && (self.x_of)(bucket.first) <= to;
        let usable = |value: f64| !self.log || value > 0.0;
        let values =
            points().filter(shown).flat_map(|bucket| [bucket.min, bucket.max]).chain(self.include.iter().copied());
        let range = values.filter(|value| usable(*value)).fold(None, include)?;
        let x = match self.data_axis {
            None => Axis::x((from, to), self.x_unit, across),
            Some(false) => Axis::data((from, to), false, self.x_unit, across),
            Some(true) => Axis::data((10f64.powf(from), 10f64.powf(to)), true, self.x_unit, across),
        };
        Some((x, Axis::y(range, self.log, self.y_unit, upwards)))
    }

    /// The area of the curves with its axes. A chart too small for labels has no axes.
    fn axes(&self, area: Rect) -> Option<PlotAxes> {
        /// Cells of an x axis per tick.
        const X_TICK: usize = 14;
        /// Cells of y labels on a chart with room: as much for all, so that the charts of a column line up.
        const LABELS: u16 = 6;
        let rows = area.height.saturating_sub(1).max(1);
        // A label in every second row at most, and not many more on a tall chart.
        let upwards = rows.div_ceil(2).min(4 + rows / 8);
        let (x, y) = self.axes_with(usize::from(area.width) / X_TICK + 1, usize::from(upwards))?;
        let widest = y.ticks.iter().map(|tick| tick.label.chars().count() as u16).max().unwrap_or(0);
        let widest = if area.width >= 4 * LABELS { widest.max(LABELS) } else { widest };
        let (gutter, rows) =
            if area.width >= widest + 12 && area.height >= 4 { (widest + 1, rows) } else { (0, area.height) };
        let plot = Rect { x: area.x + gutter, y: area.y, width: area.width - gutter, height: rows };
        Some(PlotAxes { plot, x, y })
    }

    fn draw_y_axis(&self, plot: Rect, buffer: &mut Buffer, y: &Axis) {
        let row = |at: f64| plot.bottom() - 1 - y.scale.cell(at, plot.height);
        for at in &y.minor {
            put(buffer, plot.x - 1, row(*at), if self.ascii { "-" } else { "╴" }, self.axis_style);
        }
        let mut taken = None;
        for tick in &y.ticks {
            // At most one label per row.
            if taken.replace(row(tick.at)) == Some(row(tick.at)) {
                continue;
            }
            let width = tick.label.chars().count() as u16;
            let start = plot.x.saturating_sub(width + 1);
            buffer.set_stringn(
                start,
                row(tick.at),
                format!("{} ", tick.label),
                usize::from(width) + 1,
                self.axis_style,
            );
        }
    }

    /// The labels of both ends, and of the ticks between them that have room.
    fn draw_x_axis(&self, plot: Rect, row: u16, buffer: &mut Buffer, x: &Axis) {
        let place = |tick: &Tick| {
            let width = tick.label.chars().count() as u16;
            let middle = plot.x + x.scale.cell(tick.at, plot.width);
            let last = plot.right().saturating_sub(width).max(plot.x);
            (middle.saturating_sub(width / 2).clamp(plot.x, last), width)
        };
        let [Some(first), Some(last)] = [x.ticks.first(), x.ticks.last()] else { return };
        let (end, _) = place(last);
        let mut free = plot.x;
        for tick in &x.ticks {
            let (start, width) = place(tick);
            let is_end = std::ptr::eq(tick, first) || std::ptr::eq(tick, last);
            if start >= free && start + width <= plot.right() && (is_end || start + width + 1 < end) {
                buffer.set_stringn(start, row, &tick.label, usize::from(width), self.axis_style);
                free = start + width + 1;
            }
        }
    }

    /// Dots over the part of the axis that the run has not reached.
    fn draw_future(&self, plot: Rect, buffer: &mut Buffer, x: &Scale) {
        let Some(now) = self.now.filter(|now| x.share(*now) < 1.0) else { return };
        let from = if x.share(now) < 0.0 { plot.x } else { plot.x + x.cell(now, plot.width) + 1 };
        let dot = if self.ascii { "." } else { "·" };
        for column in (from..plot.right()).filter(|column| (column - plot.x).is_multiple_of(4)) {
            for row in (plot.top()..plot.bottom()).filter(|row| (row - plot.y).is_multiple_of(2)) {
                put(buffer, column, row, dot, self.axis_style);
            }
        }
    }

    /// A star at the point, and its value on the side that has room. Returns where the value is.
    fn draw_best(&self, best: &BestPoint, plot: Rect, buffer: &mut Buffer, x: &Scale, y: &Scale) -> Option<Rect> {
        let share = y.share(y.position(best.y));
        if !(0.0..=1.0).contains(&x.share(best.x)) || !(0.0..=1.0).contains(&share) {
            return None;
        }
        let column = plot.x + x.cell(best.x, plot.width);
        let row = plot.y + Dots::new(plot, self.ascii).cell_row(share);
        put(buffer, column, row, if self.ascii { "*" } else { "★" }, best.style);
        let width = best.label.chars().count() as u16;
        let (start, text, x) = if column + 2 + width <= plot.right() {
            (column + 1, format!(" {}", best.label), column + 2)
        } else if column > plot.x + width {
            (column - width - 1, format!("{} ", best.label), column - width - 1)
        } else {
            return None;
        };
        buffer.set_stringn(start, row, text, usize::from(width) + 1, best.style);
        Some(Rect { x, y: row, width, height: 1 })
    }
}

/// The area of the curves, and its axes.
struct PlotAxes {
    plot: Rect,
    x: Axis,
    y: Axis,
}

/// A range extended to a value; values that are not finite are ignored.
fn include(range: Option<(f64, f64)>, value: f64) -> Option<(f64, f64)> {
    if !value.is_finite() {
        return range;
    }
    Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
}

fn put(buffer: &mut Buffer, x: u16, y: u16, symbol: &str, style: Style) {
    if let Some(cell) = buffer.cell_mut((x, y)) {
        cell.set_symbol(symbol).set_style(style);
    }
}

fn centered(area: Rect, buffer: &mut Buffer, text: &str, style: Style) {
    let width = (text.chars().count() as u16).min(area.width);
    let x = area.x + (area.width - width) / 2;
    buffer.set_stringn(x, area.y + area.height / 2, text, usize::from(width), style);
}
