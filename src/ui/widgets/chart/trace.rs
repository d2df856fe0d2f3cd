//! Curves as strokes and marks in a raster of dots or pixels.

use super::{Chart, Curve, Scale, Shape};
use crate::series::Bucket;

/// What curves are drawn into.
pub(super) trait Raster {
    /// Columns of cells.
    fn columns(&self) -> usize;

    /// The column of a share of the x axis.
    fn column(&self, share: f64) -> i32;

    /// The row of a share of the y axis. Rows count from the top, shares from the bottom.
    fn row(&self, share: f64) -> i32;

    fn mark(&mut self, x: i32, y: i32);

    fn set(&mut self, x: i32, y: i32);

    fn line(&mut self, from: (i32, i32), to: (i32, i32));

    /// A part of a curve within one column: its first and last row, and its lowest and highest.
    fn column_of(&mut self, x: i32, ends: (i32, i32), range: (i32, i32));
}

/// Draws a curve of a chart.
pub(super) fn curve(chart: &Chart, curve: &Curve, x: &Scale, y: &Scale, dots: &mut impl Raster) {
    let shown = |bucket: &&Bucket| (0.0..=1.0).contains(&x.share((chart.x_of)(bucket.last)));
    // Marks that would touch each other are a line.
    let dense = curve.shape != Shape::Line && curve.series.buckets().iter().filter(shown).count() * 2 > dots.columns();
    let (line, marks) = (curve.shape != Shape::Marks || dense, curve.shape != Shape::Line && !dense);
    let mut before = None;
    let mut stroke: Option<Stroke> = None;
    for bucket in curve.series.buckets() {
        // Values that a logarithmic axis cannot show leave a gap.
        if chart.log && bucket.min <= 0.0 {
            if let Some(stroke) = stroke.take() {
                stroke.draw(before, y, dots);
            }
            before = None;
            continue;
        }
        let column = dots.column(x.share((chart.x_of)(bucket.last)));
        if marks {
            let row = dots.row(y.share(y.position(bucket.end)));
            dots.mark(column, row);
        }
        match &mut stroke {
            _ if !line => {}
            Some(stroke) if stroke.column == column && !bucket.gap => stroke.extend(bucket),
            _ => {
                if let Some(stroke) = stroke.take() {
                    before = Some(stroke.draw(before, y, dots));
                }
                if bucket.gap {
                    before = None;
                }
                stroke = Some(Stroke::new(column, bucket));
            }
        }
    }
    if let Some(stroke) = stroke {
        stroke.draw(before, y, dots);
    }
}

/// A curve within one column. A long curve has many buckets there, whose rows are not computed one by one.
struct Stroke {
    column: i32,
    low: f64,
    high: f64,
    first: f64,
    end: f64,
}

impl Stroke {
    fn new(column: i32, bucket: &Bucket) -> Stroke {
        Stroke { column, low: bucket.min, high: bucket.max, first: bucket.end, end: bucket.end }
    }

    fn extend(&mut self, bucket: &Bucket) {
        self.low = self.low.min(bucket.min);
        self.high = self.high.max(bucket.max);
        self.end = bucket.end;
    }

    /// Draws the column, joined to the end of the one before; returns its own end.
    fn draw(&self, before: Option<(i32, i32)>, y: &Scale, dots: &mut impl Raster) -> (i32, i32) {
        let [low, high, first, end] =
            [self.low, self.high, self.first, self.end].map(|value| dots.row(y.share(y.position(value))));
        match before {
            Some(before) => dots.line(before, (self.column, first)),
            None => dots.set(self.column, first),
        }
        dots.column_of(self.column, (first, end), (low, high));
        (self.column, end)
    }
}
