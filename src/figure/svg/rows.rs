//! A point with its whisker for each row, its name on the left and its numbers on the right.

use std::fmt::Write;

use super::mark::{self, Direction, Placed};
use crate::axis::Axis;
use crate::figure::{Figure, PointRows};
use crate::svg::{CHARACTER, Frame, SIZE, escaped};
use crate::text::{truncated, width};

/// Characters of a row's name.
const NAME: usize = 36;

/// Height of a row.
const ROW: f64 = 26.0;

pub(super) fn picture(figure: &Figure, points: &PointRows, frame: Frame) -> String {
    let y = Axis::rows(points.rows.iter().map(|row| truncated(&row.name, NAME, false)));
    let longest = points.rows.iter().map(|row| width(&row.numbers)).max().unwrap_or(0);
    let beside = 10.0 + CHARACTER * longest as f64;
    // Names and numbers take nothing from the plot.
    let names = y.ticks.iter().map(|tick| width(&tick.label)).max().unwrap_or(0);
    let size = (SIZE.0 * 0.6 + beside + CHARACTER * names as f64, 110.0 + ROW * points.rows.len() as f64);
    let frame = Frame { y: &y, beside, size, note: &points.note, ..frame };
    frame.picture(&draw(figure, points, &frame), &numbers(points, &frame))
}

fn draw(figure: &Figure, points: &PointRows, frame: &Frame) -> String {
    let mut svg = String::new();
    for (row, mark) in points.rows.iter().enumerate().filter_map(|(row, point)| Some((row, point.mark.as_ref()?))) {
        if figure.x.shows(mark.value) {
            let ends = mark.ends(&figure.x).map(|(low, high)| (frame.x_of(low), frame.x_of(high)));
            let centre = (frame.x_of(mark.value), frame.down(-(row as f64)));
            mark::draw(&mut svg, 0, &Placed { mark, centre, ends, direction: Direction::Across });
        }
    }
    svg
}

fn numbers(points: &PointRows, frame: &Frame) -> String {
    let mut svg = String::new();
    let x = frame.area().right + 14.0;
    for (row, point) in points.rows.iter().enumerate() {
        let y = frame.down(-(row as f64)) + 4.5;
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"#666\">{}</text>", escaped(&point.numbers));
    }
    svg
}
