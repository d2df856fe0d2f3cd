//! Curves, with bands behind them.

use std::fmt::Write;

use crate::figure::colours;
use crate::figure::plot::{Curve, Figure};
use crate::svg::Frame;

pub(super) fn draw(figure: &Figure, curves: &[Curve], frame: &Frame) -> String {
    let mut svg = String::new();
    for (number, curve) in curves.iter().enumerate() {
        if let Some(path) = band(figure, curve, frame) {
            let colour = colours::curve(number);
            let _ =
                writeln!(svg, "<path d=\"{path}\" clip-path=\"url(#plot)\" fill=\"{colour}\" fill-opacity=\"0.18\"/>");
        }
    }
    for (number, curve) in curves.iter().enumerate() {
        let places = curve.points.iter().map(|(x, y)| place(figure, frame, *x, *y));
        let parts = parts(places);
        let stroke = colours::stroke(number);
        if let [part] = &parts[..]
            && let [(x, y)] = part[..]
        {
            let colour = colours::curve(number);
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
            continue;
        }
        let path: String = parts.iter().map(|part| line(part)).collect();
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" clip-path=\"url(#plot)\" fill=\"none\" {stroke} stroke-width=\"2\" \
             stroke-linejoin=\"round\"/>"
        );
    }
    svg
}

type Place = (f64, f64);

/// The area between the ends of a curve's band.
fn band(figure: &Figure, curve: &Curve, frame: &Frame) -> Option<String> {
    let band = curve.band.as_ref()?;
    let ends = curve.points.iter().zip(band.low.iter().zip(&band.high));
    let ends = ends.map(|((x, _), (low, high))| place(figure, frame, *x, *low).zip(place(figure, frame, *x, *high)));
    let area = |part: &Vec<(Place, Place)>| {
        let (low, high): (Vec<Place>, Vec<Place>) = part.iter().copied().unzip();
        let around: Vec<Place> = low.into_iter().chain(high.into_iter().rev()).collect();
        line(&around) + "Z"
    };
    Some(parts(ends).iter().map(area).collect())
}

/// The place of a point, where the axes show it.
fn place(figure: &Figure, frame: &Frame, x: f64, y: f64) -> Option<Place> {
    (figure.x.shows(x) && figure.y.shows(y)).then(|| (frame.x_of(x), frame.y_of(y)))
}

/// The parts between gaps.
fn parts<T>(places: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut parts = vec![Vec::new()];
    for place in places {
        match (place, parts.last_mut()) {
            (Some(place), Some(part)) => part.push(place),
            (None, Some(part)) if !part.is_empty() => parts.push(Vec::new()),
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn line(places: &[Place]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in places.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
    }
    path
}
