//! Points with whiskers over one x axis, joined by lines, and their legend beside the plot.

use std::fmt::Write;

use super::mark::{self, Direction, Placed};
use crate::figure::{Figure, Points, colours};
use crate::svg::{CHARACTER, Frame, LINE, SIZE, escaped};
use crate::text::{truncated, width};

/// Points nearer to each other are drawn side by side.
const APART: f64 = 5.5;

/// Characters of a name in the legend.
const NAME: usize = 40;

/// Width of an entry of the legend beside its name.
const ENTRY: f64 = 44.0;

pub(super) fn picture(figure: &Figure, points: &Points, frame: Frame) -> String {
    let longest = points.series.iter().map(|series| width(&name(&series.name))).max().unwrap_or(0);
    let beside = ENTRY + 10.0 + CHARACTER * longest as f64;
    // A legend of many lines makes the picture higher.
    let height = SIZE.1.max(110.0 + LINE * points.series.len() as f64);
    let frame = Frame { beside, size: (SIZE.0 + beside, height), note: &points.note, ..frame };
    frame.picture(&draw(figure, points, &frame), &legend(points, &frame))
}

fn draw(figure: &Figure, points: &Points, frame: &Frame) -> String {
    let mut svg = String::new();
    let places = points.places(figure, |x| frame.x_of(x), APART);
    for (number, (series, places)) in points.series.iter().zip(&places).enumerate() {
        let shown =
            series.points.iter().zip(places).filter_map(|(point, x)| Some(((*x)?, frame.y_of(point.mark.value))));
        let shown: Vec<(f64, f64)> = shown.collect();
        if shown.len() > 1 {
            let verb = |index| if index == 0 { 'M' } else { 'L' };
            let line = shown.iter().enumerate().map(|(index, (x, y))| format!("{}{x:.1} {y:.1}", verb(index)));
            let _ = writeln!(
                svg,
                "<path d=\"{}\" fill=\"none\" {} stroke-width=\"1.6\" stroke-opacity=\"0.75\"/>",
                line.collect::<String>(),
                colours::stroke(number)
            );
        }
    }
    for (number, (series, places)) in points.series.iter().zip(&places).enumerate() {
        for (point, x) in series.points.iter().zip(places) {
            let Some(x) = *x else { continue };
            let ends = point.mark.ends(&figure.y).map(|(low, high)| (frame.y_of(low), frame.y_of(high)));
            let centre = (x, frame.y_of(point.mark.value));
            mark::draw(&mut svg, number, &Placed { mark: &point.mark, centre, ends, direction: Direction::Upright });
        }
    }
    svg
}

fn legend(points: &Points, frame: &Frame) -> String {
    let mut svg = String::new();
    let area = frame.area();
    let left = area.right + 16.0;
    for (number, series) in points.series.iter().enumerate() {
        let y = area.top + 10.0 + LINE * number as f64;
        let _ = write!(svg, "<g><title>{}</title>", escaped(&series.name));
        if series.points.len() > 1 {
            let _ = write!(svg, "<path d=\"M{left:.1} {y:.1}h24\" {} stroke-width=\"1.6\"/>", colours::stroke(number));
        }
        svg.push_str(&mark::shape(number, (left + 12.0, y)));
        let (colour, x) = (colours::curve(number), left + 32.0);
        let _ = writeln!(
            svg,
            " fill=\"{colour}\" stroke=\"#fff\"/><text x=\"{x:.1}\" y=\"{:.1}\">{}</text></g>",
            y + 4.5,
            escaped(&name(&series.name))
        );
    }
    svg
}

fn name(name: &str) -> String {
    truncated(name, NAME, false)
}
