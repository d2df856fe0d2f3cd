//! A chart's plot as a picture: the same curves as in braille, as shapes of pixels.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::trace::{self, Raster};
use super::{Chart, Curve};
use crate::axis::Scale;
use crate::ui::graphics::{Layer, Picture, PixelSize, Shape};
use crate::ui::theme::components;

/// Parts of a pixel that positions are computed in: a slope would have steps otherwise.
const PARTS: f64 = 16.0;

/// Opacity of the band from minimum to maximum.
const BAND: f32 = 0.35;

/// Cells from one dot of the future to the next, as in braille.
const FUTURE: (u16, u16) = (4, 2);

/// The picture of a chart whose cells are drawn already. `text` is the label of the best point.
pub(super) fn picture(chart: &Chart, plot: Rect, text: Rect, x: &Scale, y: &Scale, cell: PixelSize) -> Picture {
    let pixels = Pixels::new(plot, cell);
    let mut layers = vec![future(chart, plot, x, cell)];
    let inside = |position: f64| (0.0..=1.0).contains(&x.share(position));
    let at = |x_share: f64, y_share: f64| pixels.point((pixels.column(x_share), pixels.row(y_share)));
    if let Some(cursor) = chart.cursor.filter(|cursor| inside(*cursor)) {
        let (column, _) = at(x.share(cursor), 0.0);
        let (from, to) = ((column, 0.0), (column, pixels.height as f32));
        layers.push(layer(chart.axis_style, 1.0, vec![Shape::Line { from, to, width: 1.0 }]));
    }
    for curve in &chart.curves {
        let mut drawn = Pixels::of(curve, plot, cell);
        trace::curve(chart, curve, x, y, &mut drawn);
        layers.push(layer(curve.style, BAND, drawn.bands));
        layers.push(layer(curve.style, 1.0, drawn.strokes));
    }
    let (radius, star) = (pixels.radius, pixels.radius * 1.5);
    for mark in chart.marks.iter().filter(|mark| inside(mark.x)) {
        let (column, _) = at(x.share(mark.x), 0.0);
        let place = (column, pixels.height as f32);
        let shape = match mark.symbol {
            "▲" => Shape::triangle(pixels.within(place, radius), radius),
            "★" => Shape::star(pixels.within(place, star), star),
            _ => Shape::diamond(pixels.within(place, radius), radius),
        };
        layers.push(layer(mark.style, 1.0, vec![shape]));
    }
    if let Some(best) = &chart.best {
        let share = y.share(y.position(best.y));
        if inside(best.x) && (0.0..=1.0).contains(&share) {
            layers.push(layer(
                best.style,
                1.0,
                vec![Shape::star(pixels.within(at(x.share(best.x), share), star), star)],
            ));
        }
    }
    layers.retain(|layer| !layer.shapes.is_empty());
    Picture { area: plot, text, layers }
}

fn layer(style: Style, opacity: f32, shapes: Vec<Shape>) -> Layer {
    /// What is readable on light and on dark, for colours that the terminal defines.
    const GREY: [u8; 3] = [128; 3];
    Layer { colour: style.fg.and_then(components).unwrap_or(GREY), opacity, shapes }
}

/// Dots where the run has not come yet.
fn future(chart: &Chart, plot: Rect, x: &Scale, cell: PixelSize) -> Layer {
    let from = match chart.now.map(|now| x.share(now)) {
        Some(share) if share < 0.0 => 0,
        Some(share) if share < 1.0 => x.cell(chart.now.unwrap_or_default(), plot.width) + 1,
        _ => plot.width,
    };
    let columns = (from..plot.width).filter(|column| column.is_multiple_of(FUTURE.0));
    let rows = || (0..plot.height).filter(|row| row.is_multiple_of(FUTURE.1));
    let middle = |number: u16, length: u16| (f32::from(number) + 0.5) * f32::from(length);
    let dot = |(column, row)| {
        let at = (middle(column, cell.width), middle(row, cell.height));
        Shape::Line { from: at, to: at, width: f32::from(cell.height) / 10.0 }
    };
    layer(chart.axis_style, 1.0, columns.flat_map(|column| rows().map(move |row| (column, row))).map(dot).collect())
}

/// Collects the shapes of a curve.
struct Pixels {
    width: i32,
    height: i32,
    /// Columns of cells.
    columns: usize,
    /// Parts of a pixel that columns are computed in. A curve with more points than pixels has one stroke in each column.
    parts: f64,
    /// The width of lines.
    line: f32,
    /// Half the height of marks.
    radius: f32,
    bands: Vec<Shape>,
    strokes: Vec<Shape>,
}

impl Pixels {
    fn new(plot: Rect, cell: PixelSize) -> Pixels {
        Pixels {
            width: i32::from(plot.width) * i32::from(cell.width),
            height: i32::from(plot.height) * i32::from(cell.height),
            columns: usize::from(plot.width),
            parts: 1.0,
            line: (f32::from(cell.height) / 12.0).max(1.0),
            radius: f32::from(cell.width.min(cell.height)) * 0.5,
            bands: Vec::new(),
            strokes: Vec::new(),
        }
    }

    fn of(curve: &Curve, plot: Rect, cell: PixelSize) -> Pixels {
        let pixels = Pixels::new(plot, cell);
        let bold = curve.style.add_modifier.contains(Modifier::BOLD);
        let dense = curve.series.buckets().len() > pixels.width as usize;
        let line = if bold { pixels.line * 1.5 } else { pixels.line };
        Pixels { line, parts: if dense { 1.0 } else { PARTS }, ..pixels }
    }

    fn point(&self, (x, y): (i32, i32)) -> (f32, f32) {
        ((f64::from(x) / self.parts) as f32 + 0.5, (f64::from(y) / PARTS) as f32 + 0.5)
    }

    /// The nearest place where a mark is not cut off at the edge.
    fn within(&self, (x, y): (f32, f32), radius: f32) -> (f32, f32) {
        let inside = |at: f32, length: i32| at.min(length as f32 - radius).max(radius);
        (inside(x, self.width), inside(y, self.height))
    }

    /// A column of pixels between two rows, if it can be seen.
    fn bar(&self, x: i32, from: i32, to: i32) -> Option<Shape> {
        let column = (f64::from(x) / self.parts).floor();
        let ((_, from), (_, to)) = (self.point((x, from)), self.point((x, to)));
        let (top, bottom) = (from.min(to), from.max(to));
        (0.0..f64::from(self.width)).contains(&column).then_some(Shape::Bar { column: column as u32, top, bottom })
    }

    /// Whether a line of a dense curve is a part of a column rather than a slope. It takes a fraction of the time so.
    fn is_steep(&self, from: (i32, i32), to: (i32, i32)) -> bool {
        const STEEP: f64 = 4.0 * PARTS;
        self.parts == 1.0 && to.0 - from.0 == 1 && f64::from(to.1.abs_diff(from.1)) > STEEP
    }

    /// Whether something between two columns can be seen.
    fn shows(&self, from: i32, to: i32) -> bool {
        let margin = f64::from(self.line.ceil());
        let [from, to] = [from.min(to), from.max(to)].map(|x| f64::from(x) / self.parts);
        to >= -margin && from < f64::from(self.width) + margin
    }
}

impl Raster for Pixels {
    fn columns(&self) -> usize {
        self.columns
    }

    fn column(&self, share: f64) -> i32 {
        (share * f64::from(self.width - 1) * self.parts).round().clamp(-1e6, 1e6) as i32
    }

    fn row(&self, share: f64) -> i32 {
        ((1.0 - share) * f64::from(self.height - 1) * PARTS).round().clamp(-1e6, 1e6) as i32
    }

    fn mark(&mut self, x: i32, y: i32) {
        let at = self.point((x, y));
        if (0.0..=self.width as f32).contains(&at.0) && (0.0..=self.height as f32).contains(&at.1) {
            self.strokes.push(Shape::diamond(self.within(at, self.radius), self.radius));
        }
    }

    fn set(&mut self, x: i32, y: i32) {
        self.line((x, y), (x, y));
    }

    fn line(&mut self, from: (i32, i32), to: (i32, i32)) {
        if self.is_steep(from, to) {
            self.strokes.extend(self.bar(to.0, from.1, to.1));
        } else if self.shows(from.0, to.0) {
            self.strokes.push(Shape::Line { from: self.point(from), to: self.point(to), width: self.line });
        }
    }

    fn column_of(&mut self, x: i32, (first, end): (i32, i32), (low, high): (i32, i32)) {
        if low != high {
            self.bands.extend(self.bar(x, low, high));
            self.strokes.extend(self.bar(x, first, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::buffer::{Buffer, CellDiffOption};
    use ratatui::style::Color;

    use super::*;
    use crate::series::{At, Series};
    use crate::ui::graphics::{Image, Pictures, Protocol};
    use crate::ui::widgets::chart::{BestPoint, Mark, Shape as CurveShape};

    const CELL: PixelSize = PixelSize { width: 10, height: 20 };

    fn series(values: &[f64]) -> Series {
        let mut series = Series::default();
        for (step, &value) in values.iter().enumerate() {
            series.push(At { step: step as f64, time: 0.0 }, value);
        }
        series
    }

    fn style() -> Style {
        Style::new().fg(Color::Rgb(255, 128, 0))
    }

    /// The picture of a chart of this size, and its cells.
    fn drawn(chart: &Chart, width: u16, height: u16) -> (Option<Picture>, Buffer) {
        let pictures = Pictures::new(Protocol::Kitty, CELL, None);
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let chart = Chart {
            curves: chart.curves.iter().map(|curve| Curve { ..*curve }).collect(),
            marks: chart.marks.iter().map(|mark| Mark { ..*mark }).collect(),
            best: chart.best.as_ref().map(|best| BestPoint { label: best.label.clone(), ..*best }),
            pixels: Some(&pictures),
            ..*chart
        };
        chart.draw(area, &mut buffer);
        (pictures.take().pop(), buffer)
    }

    /// The opacity of the pixels of a column, from the top.
    fn column(image: &Image, x: usize) -> Vec<u8> {
        (0..image.height).map(|y| image.pixels[(y * image.width + x) * 4 + 3]).collect()
    }

    #[test]
    fn a_straight_line_is_smooth() {
        let series = series(&(0..1000).map(f64::from).collect::<Vec<f64>>());
        let chart = Chart::over_steps(vec![Curve::line("", &series, style())], "", Style::new());
        let (picture, _) = drawn(&chart, 60, 12);
        let image = Image::of(&picture.unwrap(), CELL);
        // The centre of mass of each column rises evenly; a step of a whole pixel would show.
        let centre = |x: usize| {
            let column = column(&image, x);
            let sum: f64 = column.iter().map(|&opacity| f64::from(opacity)).sum();
            let weighted = column.iter().enumerate().map(|(y, &opacity)| y as f64 * f64::from(opacity));
            assert!(sum > 255.0, "column {x} has a gap");
            weighted.sum::<f64>() / sum
        };
        let (first, last) = (centre(10), centre(image.width - 11));
        for x in 10..image.width - 10 {
            let expected = first + (last - first) * (x - 10) as f64 / (image.width - 21) as f64;
            assert!((centre(x) - expected).abs() < 0.3, "column {x}: {}, expected {expected}", centre(x));
        }
    }

    #[test]
    fn nan_is_a_gap_and_a_merged_column_is_a_band() {
        let gap = series(&[1.0, 1.0, 1.0, f64::NAN, f64::NAN, f64::NAN, 1.0, 1.0]);
        let chart = Chart::over_steps(vec![Curve::line("", &gap, style())], "", Style::new());
        let image = Image::of(&drawn(&chart, 70, 3).0.unwrap(), CELL);
        let empty: Vec<usize> =
            (0..image.width).filter(|x| column(&image, *x).iter().all(|pixel| *pixel == 0)).collect();
        assert!(!empty.is_empty() && empty.windows(2).all(|pair| pair[1] == pair[0] + 1), "{empty:?}");
        let noise = series(&(0..100_000).map(|step| f64::from(step % 10)).collect::<Vec<f64>>());
        let chart = Chart::over_steps(vec![Curve::line("", &noise, style())], "", Style::new());
        let (picture, _) = drawn(&chart, 60, 12);
        let picture = picture.unwrap();
        let band = picture.layers.iter().find(|layer| layer.opacity == BAND).unwrap();
        assert!(band.shapes.len() > 500 && band.shapes.iter().all(|shape| matches!(shape, Shape::Bar { .. })));
    }

    #[test]
    fn the_label_of_the_best_point_stays_text() {
        let series = series(&[1.0, 0.5, 0.8]);
        let best = Some(BestPoint { x: 1.0, y: 0.5, label: "0.5000".into(), style: style() });
        let chart = Chart { best, ..Chart::over_steps(vec![Curve::line("", &series, style())], "", Style::new()) };
        let (picture, buffer) = drawn(&chart, 60, 12);
        let picture = picture.unwrap();
        let text: String = picture.text.positions().map(|position| buffer[position].symbol()).collect();
        assert_eq!(text, "0.5000");
        let skipped = |position| buffer[position].diff_option == CellDiffOption::Skip;
        assert!(picture.area.positions().all(|position| skipped(position) != picture.text.contains(position)));
        assert!(buffer.area.positions().filter(|position| skipped(*position)).all(|at| picture.area.contains(at)));
        assert!(
            picture
                .layers
                .iter()
                .any(|layer| matches!(layer.shapes[..], [Shape::Polygon(ref star)] if star.len() == 10))
        );
    }

    proptest! {
        #[test]
        fn any_data_can_be_drawn_at_any_size(
            values in proptest::collection::vec(any::<f64>(), 0..40), (width, height) in (0..40_u16, 0..12_u16),
            window in proptest::option::of((-10.0..50.0_f64, 0.0..60.0_f64)), (log, now) in (any::<bool>(), any::<f64>()),
            shape in prop_oneof![Just(CurveShape::Line), Just(CurveShape::Marks), Just(CurveShape::MarkedLine)],
        ) {
            let series = series(&values);
            let curve = Curve { shape, ..Curve::line("", &series, style()) };
            let chart = Chart {
                window: window.map(|(from, length)| (from, from + length)),
                log,
                now: Some(now),
                cursor: Some(3.0),
                marks: vec![Mark { x: 2.0, symbol: "▲", style: style() }],
                best: Some(BestPoint { x: 1.0, y: now, label: "1".into(), style: style() }),
                ..Chart::over_steps(vec![curve], "", Style::new())
            };
            if let Some(picture) = drawn(&chart, width, height).0 {
                let image = Image::of(&picture, CELL);
                prop_assert_eq!(image.width, usize::from(picture.area.width) * 10);
            }
        }
    }
}
