//! A heat map with its colour bar. Cells of a row that have one colour are one rectangle.

use std::fmt::Write;

use crate::axis::Axis;
use crate::figure::axes::cell_edges;
use crate::figure::colours::{VIRIDIS, hex, range, step};
use crate::figure::plot::{Figure, HeatMap};
use crate::quantity::Unit;
use crate::svg::{Frame, escaped};

/// Room for the colour bar with its labels.
pub(super) const COLOUR_BAR: f64 = 110.0;

pub(super) fn draw(figure: &Figure, map: &HeatMap, frame: &Frame) -> String {
    let mut svg = String::new();
    let Some(range) = range(&map.values) else { return svg };
    let (xs, ys) = (cell_edges(&map.xs, &figure.x), cell_edges(&map.ys, &figure.y));
    let shown = |pair: &[f64], axis: &crate::figure::Axis| pair.iter().all(|edge| axis.shows(*edge));
    svg.push_str("<g clip-path=\"url(#plot)\" shape-rendering=\"crispEdges\">\n");
    for (row, values) in ys.windows(2).zip(map.values.chunks(map.xs.len().max(1))) {
        if !shown(row, &figure.y) {
            continue;
        }
        let (bottom, top) = (frame.y_of(row[0]), frame.y_of(row[1]));
        let mut cells = xs.windows(2).zip(values).filter(|(edges, _)| shown(edges, &figure.x)).peekable();
        while let Some((edges, value)) = cells.next() {
            let Some(colour) = step(*value, range, VIRIDIS.len()) else { continue };
            let mut end = edges[1];
            while let Some((next, _)) = cells.next_if(|(_, value)| step(**value, range, VIRIDIS.len()) == Some(colour))
            {
                end = next[1];
            }
            let (left, right) = (frame.x_of(edges[0]), frame.x_of(end));
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                (right - left).max(0.0),
                (bottom - top).max(0.0),
                hex(VIRIDIS[colour])
            );
        }
    }
    svg.push_str("</g>\n");
    for (x, y, name) in map.marks.iter().filter(|(x, y, _)| figure.x.shows(*x) && figure.y.shows(*y)) {
        draw_mark((frame.x_of(*x), frame.y_of(*y)), name, frame, &mut svg);
    }
    svg
}

/// A point with its name, with a light edge so that both are readable on every colour.
fn draw_mark((x, y): (f64, f64), name: &str, frame: &Frame, svg: &mut String) {
    let area = frame.area();
    if !(area.left..=area.right).contains(&x) || !(area.top..=area.bottom).contains(&y) {
        return;
    }
    // The name is on the side with more room.
    let (anchor, at) = if x > (area.left + area.right) / 2.0 { ("end", x - 9.0) } else { ("start", x + 9.0) };
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"#d55e00\" stroke=\"#fff\" stroke-width=\"1.5\"/>\
         <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"#000\" stroke=\"#fff\" stroke-width=\"3\" \
         paint-order=\"stroke\" stroke-linejoin=\"round\">{}</text>",
        y + 4.5,
        escaped(name)
    );
}

/// The colours from the lowest to the highest value, with round ticks.
pub(super) fn colour_bar(map: &HeatMap, frame: &Frame) -> String {
    let mut svg = String::new();
    let Some(range) = range(&map.values) else { return svg };
    let area = frame.area();
    let (left, width) = (area.right + 16.0, 14.0);
    let height = (area.bottom - area.top) / VIRIDIS.len() as f64;
    svg.push_str("<g shape-rendering=\"crispEdges\">\n");
    for (number, colour) in VIRIDIS.into_iter().enumerate() {
        let top = area.bottom - (number as f64 + 1.0) * height;
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width}\" height=\"{height:.1}\" fill=\"{}\"/>",
            hex(colour)
        );
    }
    svg.push_str("</g>\n");
    let axis = Axis::data(range, false, Unit::Number, 6);
    for tick in &axis.ticks {
        let y = area.bottom - axis.scale.share(tick.at) * (area.bottom - area.top) + 4.5;
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", left + width + 6.0, escaped(&tick.label));
    }
    let (x, y) = (area.right + COLOUR_BAR + 12.0, (area.top + area.bottom) / 2.0);
    let _ = writeln!(
        svg,
        "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        escaped(&map.label)
    );
    svg
}
