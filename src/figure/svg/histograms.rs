//! Histograms: outlines of bars over areas that one sees through.

use std::fmt::Write;

use crate::figure::colours;
use crate::figure::plot::{Figure, Histogram};
use crate::svg::Frame;

pub(super) fn draw(figure: &Figure, histograms: &[Histogram], frame: &Frame) -> String {
    let mut svg = String::new();
    let bottom = frame.area().bottom;
    for (number, histogram) in histograms.iter().enumerate() {
        let mut path = String::new();
        for (edges, count) in histogram.edges.windows(2).zip(&histogram.counts) {
            if edges.iter().all(|edge| figure.x.shows(*edge)) {
                let [from, to] = [edges[0], edges[1]].map(|edge| frame.x_of(edge));
                let top = if figure.y.shows(*count) { frame.y_of(*count) } else { bottom };
                let verb = if path.is_empty() { format!("M{from:.1} {bottom:.1}") } else { format!("H{from:.1}") };
                let _ = write!(path, "{verb}V{top:.1}H{to:.1}");
            }
        }
        if path.is_empty() {
            continue;
        }
        let (stroke, colour) = (colours::stroke(number), colours::curve(number));
        let _ = writeln!(
            svg,
            "<path d=\"{path}V{bottom:.1}Z\" clip-path=\"url(#plot)\" fill=\"{colour}\" fill-opacity=\"0.2\" {stroke} \
             stroke-width=\"1.5\"/>"
        );
    }
    svg
}
