//! Line charts with axes: a curve per series, drawn in braille dots. Smoothing is applied before, to the series.

mod dots;
mod scale;
#[cfg(test)]
mod tests;
mod trace;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::series::{At, Bucket, Series};
use crate::ui::format::Unit;
use dots::Dots;
pub(super) use scale::Scale;
use scale::Tick;

/// A chart to draw. A point's x is a step or a time, its y the value.
pub struct Chart<'a> {
    /// In drawing order: later curves lie on top.
    pub curves: Vec<Curve<'a>>,
    /// The x of a point: its step or its time.
    pub x_of: fn(At) -> f64,
    /// The part of the x axis to show; `None` for all points.
    pub window: Option<(f64, f64)>,
    /// Whether the y axis is logarithmic.
    pub log: bool,
    pub x_unit: Unit,
    pub y_unit: Unit,
    /// Values that the y axis always includes.
    pub include: &'a [f64],
    /// The x of a vertical line.
    pub cursor: Option<f64>,
    pub marks: Vec<Mark>,
    /// The text of a chart without points.
    pub waiting: &'a str,
    pub axis_style: Style,
    /// Whether to use ASCII characters only.
    pub ascii: bool,
}

impl<'a> Chart<'a> {
    /// A chart of numbers over all steps, on a linear axis and in braille.
    pub fn over_steps(curves: Vec<Curve<'a>>, waiting: &'a str, axis_style: Style) -> Chart<'a> {
        Chart {
            curves,
            x_of: |at| at.step,
            window: None,
            log: false,
            x_unit: Unit::Steps,
            y_unit: Unit::Number,
            include: &[],
            cursor: None,
            marks: Vec::new(),
            waiting,
            axis_style,
            ascii: false,
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

/// One series of a chart.
pub struct Curve<'a> {
    /// The name in the legend.
    pub name: &'a str,
    pub series: &'a Series,
    pub style: Style,
    pub shape: Shape,
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
        let Some((x, y)) = self.scales() else {
            return centered(area, buffer, self.waiting, self.axis_style);
        };
        let (plot, ticks) = self.plot(area, &y);
        if plot.x > area.x {
            self.draw_y_axis(plot, buffer, &y, &ticks);
            self.draw_x_axis(plot, area.bottom() - 1, buffer, &x);
        }
        if let Some(cursor) = self.cursor {
            let column = plot.x + x.cell(cursor, plot.width);
            for row in plot.top()..plot.bottom() {
                put(buffer, column, row, if self.ascii { "|" } else { "│" }, self.axis_style);
            }
        }
        for curve in &self.curves {
            let mut dots = Dots::new(plot, self.ascii);
            trace::curve(self, curve, &x, &y, &mut dots);
            dots.draw(plot, buffer, curve.style);
        }
        for mark in self.marks.iter().filter(|mark| (0.0..=1.0).contains(&x.share(mark.x))) {
            put(buffer, plot.x + x.cell(mark.x, plot.width), plot.bottom() - 1, mark.symbol, mark.style);
        }
    }

    /// The x of a screen column when the chart is drawn on this area; `None` outside the plot.
    pub fn x_at(&self, area: Rect, column: u16) -> Option<f64> {
        let (x, y) = self.scales().filter(|_| !area.is_empty())?;
        let (plot, _) = self.plot(area, &y);
        let within = f64::from(column.checked_sub(plot.x).filter(|within| *within < plot.width)?) + 0.5;
        Some(x.value_at(within / f64::from(plot.width)))
    }

    /// The area of the curves, and the ticks of the y axis to its left. A chart too small for labels has no axes.
    fn plot(&self, area: Rect, y: &Scale) -> (Rect, Vec<Tick>) {
        let rows = area.height.saturating_sub(1).max(1);
        let ticks = y.ticks(usize::from(rows) / 3 + 1, self.y_unit);
        let widest = ticks.iter().map(|tick| tick.label.chars().count() as u16).max().unwrap_or(0);
        let (gutter, rows) =
            if area.width >= widest + 12 && area.height >= 4 { (widest + 1, rows) } else { (0, area.height) };
        (Rect { x: area.x + gutter, y: area.y, width: area.width - gutter, height: rows }, ticks)
    }

    /// The scales of the x and the y axis; `None` without points.
    pub(super) fn scales(&self) -> Option<(Scale, Scale)> {
        let points = || self.curves.iter().flat_map(|curve| curve.series.buckets());
        let all = points()
            .fold(None, |range, bucket| include(include(range, (self.x_of)(bucket.first)), (self.x_of)(bucket.last)));
        let (from, to) = self.window.or(all)?;
        // A single point lies in the middle; steps and times before 0 do not exist.
        let (from, to) = if from == to { ((from - 1.0).max(0.0), to + 1.0) } else { (from, to) };
        let shown = |bucket: &&Bucket| (self.x_of)(bucket.last) >= from && (self.x_of)(bucket.first) <= to;
        let usable = |value: f64| !self.log || value > 0.0;
        let values =
            points().filter(shown).flat_map(|bucket| [bucket.min, bucket.max]).chain(self.include.iter().copied());
        let range = values.filter(|value| usable(*value)).fold(None, include)?;
        Some((Scale::new(from, to, false), Scale::new(range.0, range.1, self.log).padded()))
    }

    fn draw_y_axis(&self, plot: Rect, buffer: &mut Buffer, y: &Scale, ticks: &[Tick]) {
        let mut taken = None;
        for tick in ticks {
            let row = plot.bottom() - 1 - y.cell(tick.at, plot.height);
            // At most one label per row.
            if taken.replace(row) == Some(row) {
                continue;
            }
            let width = tick.label.chars().count() as u16;
            let start = plot.x.saturating_sub(width + 1);
            buffer.set_stringn(start, row, &tick.label, usize::from(width), self.axis_style);
        }
    }

    fn draw_x_axis(&self, plot: Rect, row: u16, buffer: &mut Buffer, x: &Scale) {
        let mut free = plot.x;
        for tick in x.ticks(usize::from(plot.width) / 14 + 1, self.x_unit) {
            let width = tick.label.chars().count() as u16;
            let middle = plot.x + x.cell(tick.at, plot.width);
            let start =
                middle.saturating_sub(width / 2).clamp(plot.x, (plot.right()).saturating_sub(width).max(plot.x));
            if start >= free && start + width <= plot.right() {
                buffer.set_stringn(start, row, &tick.label, usize::from(width), self.axis_style);
                free = start + width + 1;
            }
        }
    }
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
