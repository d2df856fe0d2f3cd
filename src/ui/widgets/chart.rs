//! Curves on two axes, eight dots to a cell. It draws what it is given and chooses ticks; smoothing is done before.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::series::{At, Bucket, Series};
use crate::ui::format::Unit;

/// A chart to draw.
pub struct Chart<'a> {
    /// The curves, later ones on top.
    pub curves: Vec<Curve<'a>>,
    /// Which of a point's two places is along the axis.
    pub axis: fn(At) -> f64,
    /// The part of the axis to show; all of the data if `None`.
    pub window: Option<(f64, f64)>,
    /// Whether values are on a logarithmic scale.
    pub log: bool,
    /// What values count.
    pub value: Unit,
    /// What places along the axis count.
    pub place: Unit,
    /// Values that the scale includes in any case.
    pub include: &'a [f64],
    /// A place to mark with a line.
    pub cursor: Option<f64>,
    /// Places to mark at the foot of the plot.
    pub marks: Vec<Mark>,
    /// What the chart waits for while there is no point.
    pub waiting: &'a str,
    /// How the axes look.
    pub axes: Style,
    /// Whether to do without braille.
    pub ascii: bool,
}

/// A place at the foot of a plot where something happened.
pub struct Mark {
    /// Along the axis.
    pub place: f64,
    /// One column wide.
    pub symbol: &'static str,
    /// Its colour.
    pub style: Style,
}

/// A curve of a chart.
pub struct Curve<'a> {
    /// What it is called beside others.
    pub name: &'a str,
    /// The points.
    pub series: &'a Series,
    /// Their colour.
    pub style: Style,
    /// How they are drawn.
    pub shape: Shape,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line, and between the least and the greatest of each place a bar.
    Line,
    /// A mark at each point.
    Marks,
    /// Marks joined by a line.
    MarkedLine,
}

impl Chart<'_> {
    /// Draws it.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let Some((x, y)) = self.scales() else {
            return centered(area, buffer, self.waiting, self.axes);
        };
        let (plot, labels) = self.plot(area, &y);
        if plot.x > area.x {
            self.draw_values(plot, buffer, &y, &labels);
            self.draw_places(plot, area.bottom() - 1, buffer, &x);
        }
        if let Some(cursor) = self.cursor {
            let column = plot.x + x.cell(cursor, plot.width);
            for row in plot.top()..plot.bottom() {
                put(buffer, column, row, if self.ascii { "|" } else { "│" }, self.axes);
            }
        }
        for curve in &self.curves {
            let mut dots = Dots::new(plot, self.ascii);
            self.trace(curve, &x, &y, &mut dots);
            dots.draw(plot, buffer, curve.style);
        }
        for mark in self.marks.iter().filter(|mark| (0.0..=1.0).contains(&x.share(mark.place))) {
            put(buffer, plot.x + x.cell(mark.place, plot.width), plot.bottom() - 1, mark.symbol, mark.style);
        }
    }

    /// The place along the axis that a column of the screen stands for, when drawn on this area.
    pub fn place_at(&self, area: Rect, column: u16) -> Option<f64> {
        let (x, y) = self.scales().filter(|_| !area.is_empty())?;
        let (plot, _) = self.plot(area, &y);
        let within = f64::from(column.checked_sub(plot.x).filter(|within| *within < plot.width)?) + 0.5;
        Some(x.from + within / f64::from(plot.width) * (x.to - x.from))
    }

    /// Where the curves are, with the labels at their left; a chart too small for labels does without.
    fn plot(&self, area: Rect, y: &Scale) -> (Rect, Vec<(f64, String)>) {
        let rows = area.height.saturating_sub(1).max(1);
        let ticks = y.ticks(usize::from(rows) / 3 + 1, self.value);
        let labels: Vec<(f64, String)> = ticks.into_iter().map(|tick| (tick, self.value.text(y.value(tick)))).collect();
        let widest = labels.iter().map(|(_, label)| label.chars().count() as u16).max().unwrap_or(0);
        let (gutter, rows) =
            if area.width >= widest + 12 && area.height >= 4 { (widest + 1, rows) } else { (0, area.height) };
        (Rect { x: area.x + gutter, y: area.y, width: area.width - gutter, height: rows }, labels)
    }

    /// The places and values shown; `None` without a point.
    pub(super) fn scales(&self) -> Option<(Scale, Scale)> {
        let points = || self.curves.iter().flat_map(|curve| curve.series.buckets());
        let all = points()
            .fold(None, |range, bucket| include(include(range, (self.axis)(bucket.first)), (self.axis)(bucket.last)));
        let (from, to) = self.window.or(all)?;
        // One place is shown among its neighbours; before the first there is none.
        let (from, to) = if from == to { ((from - 1.0).max(0.0), to + 1.0) } else { (from, to) };
        let shown = |bucket: &&Bucket| (self.axis)(bucket.last) >= from && (self.axis)(bucket.first) <= to;
        let usable = |value: f64| !self.log || value > 0.0;
        let values =
            points().filter(shown).flat_map(|bucket| [bucket.min, bucket.max]).chain(self.include.iter().copied());
        let range = values.filter(|value| usable(*value)).fold(None, include)?;
        Some((Scale::new(from, to, false), Scale::new(range.0, range.1, self.log).padded()))
    }

    fn trace(&self, curve: &Curve, x: &Scale, y: &Scale, dots: &mut Dots) {
        let line = curve.shape != Shape::Marks;
        let mut before = None;
        let mut stroke: Option<Stroke> = None;
        for bucket in curve.series.buckets() {
            if self.log && bucket.min <= 0.0 {
                if let Some(stroke) = stroke.take() {
                    stroke.draw(before, y, dots);
                }
                before = None;
                continue;
            }
            let column = dots.column(x.share((self.axis)(bucket.last)));
            if curve.shape != Shape::Line {
                let row = dots.row(y.share(y.of(bucket.end)));
                dots.mark(column, row);
            }
            match &mut stroke {
                _ if !line => {}
                Some(stroke) if stroke.column == column && !bucket.gap => stroke.take_up(bucket),
                _ => {
                    if let Some(stroke) = stroke.take() {
                        before = Some(stroke.draw(before, y, dots));
                    }
                    if bucket.gap {
                        before = None;
                    }
                    stroke = Some(Stroke::of(column, bucket));
                }
            }
        }
        if let Some(stroke) = stroke {
            stroke.draw(before, y, dots);
        }
    }

    fn draw_values(&self, plot: Rect, buffer: &mut Buffer, y: &Scale, labels: &[(f64, String)]) {
        let mut taken = None;
        for (tick, label) in labels {
            let row = plot.bottom() - 1 - y.cell(*tick, plot.height);
            // Two labels on a row would be one too many.
            if taken.replace(row) == Some(row) {
                continue;
            }
            let width = label.chars().count() as u16;
            let start = plot.x.saturating_sub(width + 1);
            buffer.set_stringn(start, row, label, usize::from(width), self.axes);
        }
    }

    fn draw_places(&self, plot: Rect, row: u16, buffer: &mut Buffer, x: &Scale) {
        let mut free = plot.x;
        for tick in x.ticks(usize::from(plot.width) / 14 + 1, self.place) {
            let label = self.place.text(tick);
            let width = label.chars().count() as u16;
            let middle = plot.x + x.cell(tick, plot.width);
            let start =
                middle.saturating_sub(width / 2).clamp(plot.x, (plot.right()).saturating_sub(width).max(plot.x));
            if start >= free && start + width <= plot.right() {
                buffer.set_stringn(start, row, &label, usize::from(width), self.axes);
                free = start + width + 1;
            }
        }
    }
}

/// What a line has in one column of dots: of a long curve many buckets, whose rows need not be computed one by one.
struct Stroke {
    column: i32,
    low: f64,
    high: f64,
    first: f64,
    end: f64,
}

impl Stroke {
    fn of(column: i32, bucket: &Bucket) -> Stroke {
        Stroke { column, low: bucket.min, high: bucket.max, first: bucket.end, end: bucket.end }
    }

    fn take_up(&mut self, bucket: &Bucket) {
        self.low = self.low.min(bucket.min);
        self.high = self.high.max(bucket.max);
        self.end = bucket.end;
    }

    /// Draws it, joined to the point before; returns where it ends.
    fn draw(&self, before: Option<(i32, i32)>, y: &Scale, dots: &mut Dots) -> (i32, i32) {
        let [low, high, first, end] =
            [self.low, self.high, self.first, self.end].map(|value| dots.row(y.share(y.of(value))));
        match before {
            Some(before) => dots.line(before, (self.column, first)),
            None => dots.set(self.column, first),
        }
        dots.line((self.column, low), (self.column, high));
        (self.column, end)
    }
}

/// From values to shares of a length. On a logarithmic scale everything within is a power of ten.
pub(super) struct Scale {
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    fn new(from: f64, to: f64, log: bool) -> Scale {
        let (from, to) = if log { (from.log10(), to.log10()) } else { (from, to) };
        // A single value lies in the middle.
        let (from, to) = if to - from > from.abs().max(1e-12) * 1e-9 {
            (from, to)
        } else {
            (from - spread(from), to + spread(from))
        };
        Scale { from, to, log }
    }

    /// With a little room above and below.
    fn padded(self) -> Scale {
        let room = (self.to - self.from) * 0.04;
        Scale { from: self.from - room, to: self.to + room, ..self }
    }

    /// A value as the scale counts.
    pub(super) fn of(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    /// What the scale counts, as a value.
    pub(super) fn value(&self, tick: f64) -> f64 {
        if self.log { 10f64.powf(tick) } else { tick }
    }

    pub(super) fn share(&self, counted: f64) -> f64 {
        (counted - self.from) / (self.to - self.from)
    }

    /// The cell of a length that something lies in.
    fn cell(&self, counted: f64, length: u16) -> u16 {
        let cell = (self.share(counted) * f64::from(length)).floor();
        cell.clamp(0.0, f64::from(length.saturating_sub(1))) as u16
    }

    /// Round numbers within the scale, about so many.
    pub(super) fn ticks(&self, about: usize, unit: Unit) -> Vec<f64> {
        let rough = (self.to - self.from) / about.max(1) as f64;
        let step = match self.log {
            // One that spans decades has whole ones.
            true if self.to - self.from > 1.0 => Unit::Number.step(rough).max(1.0).round(),
            true => Unit::Number.step(rough),
            false => unit.step(rough),
        };
        let first = (self.from / step).ceil() as i64;
        let ticks = (first..).map(|number| number as f64 * step).take_while(|tick| *tick <= self.to + step * 1e-9);
        ticks.take(100).collect()
    }
}

fn spread(value: f64) -> f64 {
    if value == 0.0 { 1.0 } else { value.abs() * 0.05 }
}

fn include(range: Option<(f64, f64)>, value: f64) -> Option<(f64, f64)> {
    if !value.is_finite() {
        return range;
    }
    Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
}

/// Dots in a rectangle of cells: 2 by 4 in each with braille, 1 by 1 without.
struct Dots {
    width: i32,
    height: i32,
    per_cell: (i32, i32),
    /// The dots of each cell, as braille counts them; bit 8 says that it holds a mark.
    cells: Vec<u16>,
    columns: usize,
}

const MARK: u16 = 1 << 8;

impl Dots {
    fn new(plot: Rect, ascii: bool) -> Dots {
        let per_cell = if ascii { (1, 1) } else { (2, 4) };
        let (columns, rows) = (usize::from(plot.width), usize::from(plot.height));
        Dots {
            width: columns as i32 * per_cell.0,
            height: rows as i32 * per_cell.1,
            per_cell,
            cells: vec![0; columns * rows],
            columns,
        }
    }

    fn column(&self, share: f64) -> i32 {
        (share * f64::from(self.width - 1)).round().clamp(-1e6, 1e6) as i32
    }

    /// Rows count from above.
    fn row(&self, share: f64) -> i32 {
        ((1.0 - share) * f64::from(self.height - 1)).round().clamp(-1e6, 1e6) as i32
    }

    fn set(&mut self, x: i32, y: i32) {
        /// Braille's dots, by column and row.
        const BITS: [[u16; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        if let Some(cell) = self.cell(x, y) {
            let (column, row) = (x % self.per_cell.0, y % self.per_cell.1);
            self.cells[cell] |= BITS[column as usize][row as usize];
        }
    }

    fn mark(&mut self, x: i32, y: i32) {
        if let Some(cell) = self.cell(x, y) {
            self.cells[cell] |= MARK;
        }
    }

    fn cell(&self, x: i32, y: i32) -> Option<usize> {
        let inside = (0..self.width).contains(&x) && (0..self.height).contains(&y);
        inside.then(|| (y / self.per_cell.1) as usize * self.columns + (x / self.per_cell.0) as usize)
    }

    /// Bresenham's; what is outside is cut off first, so that zooming in costs nothing.
    fn line(&mut self, from: (i32, i32), to: (i32, i32)) {
        let Some(((mut x, mut y), to)) = self.clipped(from, to) else { return };
        let (dx, dy) = ((to.0 - x).abs(), -(to.1 - y).abs());
        let (sx, sy) = ((to.0 - x).signum(), (to.1 - y).signum());
        let mut error = dx + dy;
        loop {
            self.set(x, y);
            if (x, y) == to {
                return;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += sx;
            }
            if twice <= dx {
                error += dx;
                y += sy;
            }
        }
    }

    /// The part of a line within the rectangle (Liang and Barsky's).
    fn clipped(&self, from: (i32, i32), to: (i32, i32)) -> Option<((i32, i32), (i32, i32))> {
        let (x, y) = (f64::from(from.0), f64::from(from.1));
        let (dx, dy) = (f64::from(to.0) - x, f64::from(to.1) - y);
        let (right, bottom) = (f64::from(self.width - 1), f64::from(self.height - 1));
        let (mut start, mut end) = (0f64, 1f64);
        for (direction, distance) in [(-dx, x), (dx, right - x), (-dy, y), (dy, bottom - y)] {
            if direction == 0.0 {
                if distance < 0.0 {
                    return None;
                }
            } else if direction < 0.0 {
                start = start.max(distance / direction);
            } else {
                end = end.min(distance / direction);
            }
        }
        let at = |share: f64| ((x + share * dx).round() as i32, (y + share * dy).round() as i32);
        (start <= end).then(|| (at(start), at(end)))
    }

    fn draw(&self, plot: Rect, buffer: &mut Buffer, style: Style) {
        let ascii = self.per_cell == (1, 1);
        for (number, &dots) in self.cells.iter().enumerate().filter(|(_, dots)| **dots != 0) {
            let (column, row) = ((number % self.columns) as u16, (number / self.columns) as u16);
            let symbol = match (dots & MARK != 0, ascii) {
                (true, true) => 'o',
                (true, false) => '◆',
                (false, true) => '*',
                (false, false) => {
                    // Another curve's dots stay, in this one's colour: neither is broken where they meet.
                    let below = buffer.cell((plot.x + column, plot.y + row)).map_or(0, |cell| braille(cell.symbol()));
                    char::from_u32(0x2800 + (u32::from(dots & 0xff) | below)).unwrap_or('*')
                }
            };
            put(buffer, plot.x + column, plot.y + row, symbol.encode_utf8(&mut [0; 4]), style);
        }
    }
}

/// The dots of a braille character; none of any other.
fn braille(symbol: &str) -> u32 {
    symbol.chars().next().map_or(0, u32::from).checked_sub(0x2800).filter(|dots| *dots <= 0xff).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(series: &Series) -> Chart<'_> {
        Chart {
            curves: vec![Curve { name: "", series, style: Style::new(), shape: Shape::Line }],
            axis: |at| at.step,
            window: None,
            log: false,
            value: Unit::Number,
            place: Unit::Steps,
            include: &[],
            cursor: None,
            marks: Vec::new(),
            waiting: "waiting",
            axes: Style::new(),
            ascii: true,
        }
    }

    fn series(values: &[f64]) -> Series {
        let mut series = Series::default();
        for (step, &value) in values.iter().enumerate() {
            series.push(At { step: step as f64, time: 0.0 }, value);
        }
        series
    }

    #[test]
    fn one_point_has_whole_steps_around_it_and_none_below_zero() {
        for (at, axis) in [(0.0, "0 1"), (5.0, "4 5 6")] {
            let mut one = Series::default();
            one.push(At { step: at, time: 0.0 }, 2.0);
            let lines = drawn(&chart(&one), 60, 8);
            let shown: Vec<&str> = lines[7].split_whitespace().collect();
            assert_eq!(shown.join(" "), axis);
        }
    }

    fn drawn(chart: &Chart, width: u16, height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        chart.draw(area, &mut buffer);
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect()
    }

    #[test]
    fn a_rise_is_a_rise_with_labels_at_round_numbers() {
        let series = series(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let expected = [
            "                **",
            "              **",
            "5          ***",
            "         **",
            "     ****",
            "   **",
            "0 *",
            "  0         5",
        ];
        assert_eq!(drawn(&chart(&series), 18, 8), expected);
    }

    #[test]
    fn what_is_no_number_is_a_gap() {
        let series = series(&[1.0, 1.0, 1.0, f64::NAN, f64::NAN, 1.0, 1.0]);
        let picture = drawn(&chart(&series), 13, 3);
        assert_eq!(picture[1], "*****     ***");
    }

    #[test]
    fn a_logarithmic_scale_has_decades_and_no_zero() {
        let series = series(&[1e-4, 1e-3, 1e-2, 0.0, 1e-1, 1.0]);
        let chart = Chart { log: true, ..chart(&series) };
        let picture = drawn(&chart, 30, 10);
        assert!(picture.iter().any(|line| line.starts_with("   1 ")), "{picture:#?}");
        assert!(picture.iter().any(|line| line.starts_with("1e-4 ")), "{picture:#?}");
    }

    #[test]
    fn curves_that_meet_keep_their_dots() {
        let (low, high) = (series(&[0.0, 0.0]), series(&[0.0, 1.0]));
        let line = |series| Curve { name: "", series, style: Style::new(), shape: Shape::Line };
        let both = Chart { curves: vec![line(&low), line(&high)], ascii: false, ..chart(&low) };
        let picture = drawn(&both, 10, 3);
        let dots = |c: char| u32::from(c).wrapping_sub(0x2800);
        // The flat curve is in the lowest row all along, the steep one only crosses it.
        assert!(picture[2].chars().all(|c| dots(c) & 0xc0 != 0), "{picture:#?}");
        assert!(picture[1].chars().any(|c| c != ' '), "{picture:#?}");
    }

    #[test]
    fn a_column_is_the_place_that_is_drawn_there() {
        let series = series(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let style = Style::new();
        let marks = vec![Mark { place: 5.0, symbol: "^", style }, Mark { place: 99.0, symbol: "!", style }];
        let chart = Chart { marks, ..chart(&series) };
        let picture = drawn(&chart, 40, 8);
        assert!(!picture.concat().contains('!'), "what lies outside is not drawn");
        let column = picture[6].chars().position(|c| c == '^').unwrap() as u16;
        let place = chart.place_at(Rect::new(0, 0, 40, 8), column).unwrap();
        assert!((place - 5.0).abs() < 0.2, "{place}");
        // The labels are no place.
        assert_eq!(chart.place_at(Rect::new(0, 0, 40, 8), 0), None);
    }

    #[test]
    fn an_empty_chart_says_what_it_waits_for() {
        let empty = Series::default();
        assert_eq!(drawn(&chart(&empty), 11, 3)[1], "  waiting");
        let nan = series(&[f64::NAN]);
        assert_eq!(drawn(&chart(&nan), 11, 3)[1], "  waiting");
    }

    #[test]
    fn no_size_and_no_window_panics() {
        let series = series(&[1.0, 5.0, f64::NAN, -3.0, 1e300, -1e300]);
        for width in 0..20 {
            for height in 0..8 {
                for window in [None, Some((2.0, 2.0)), Some((1.4, 1.6)), Some((90.0, 100.0))] {
                    for (ascii, log) in [(true, true), (false, false)] {
                        let cursor = Some(2.0);
                        drawn(&Chart { window, log, ascii, cursor, ..chart(&series) }, width, height);
                    }
                }
            }
        }
    }
}
