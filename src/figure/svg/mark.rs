//! A mark with its whisker and what it stands for, which a browser shows when one points at it.

use std::fmt::Write;

use crate::figure::Whisker;
use crate::figure::colours;
use crate::svg::escaped;

/// Half the length of the line across an end of a whisker.
const CAP: f64 = 3.5;

/// The direction of a whisker.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Across,
    Upright,
}

/// A mark with its centre in pixels, and the pixels of its ends.
pub(super) struct Placed<'a> {
    pub mark: &'a Whisker,
    pub centre: (f64, f64),
    pub ends: Option<(f64, f64)>,
    pub direction: Direction,
}

/// Draws a mark of the series of this number.
pub(super) fn draw(svg: &mut String, number: usize, placed: &Placed) {
    let Placed { mark, centre: (x, y), ends, direction } = placed;
    let colour = colours::curve(number);
    let _ = write!(svg, "<g><title>{}</title>", escaped(&mark.title));
    if let Some((low, high)) = ends {
        let path = match direction {
            Direction::Upright => {
                let left = x - CAP;
                format!("M{x:.1} {low:.1}V{high:.1}M{left:.1} {low:.1}h{0}M{left:.1} {high:.1}h{0}", 2.0 * CAP)
            }
            Direction::Across => {
                let top = y - CAP;
                format!("M{low:.1} {y:.1}H{high:.1}M{low:.1} {top:.1}v{0}M{high:.1} {top:.1}v{0}", 2.0 * CAP)
            }
        };
        let _ = write!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.3\"/>");
    }
    // A hollow mark has the background within.
    let (fill, stroke) = if mark.complete { (colour, "#fff") } else { ("#fff", colour) };
    let width = if mark.complete { 1.0 } else { 1.8 };
    svg.push_str(&shape(number, (*x, *y)));
    let _ = writeln!(svg, " fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{width}\"/></g>");
}

/// The shape of the marks of a series, without its colours and its end: the next one where colours repeat.
pub(super) fn shape(number: usize, (x, y): (f64, f64)) -> String {
    match number / colours::CURVES.len() % 4 {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.2\""),
        1 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"7.6\" height=\"7.6\"", x - 3.8, y - 3.8),
        2 => format!("<path d=\"M{x:.1} {:.1}l5 8.4h-10z\"", y - 5.2),
        _ => format!("<path d=\"M{x:.1} {:.1}l5 5l-5 5l-5 -5z\"", y - 5.0),
    }
}
