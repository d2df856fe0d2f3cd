//! A monitor's chart as an SVG picture: the same scales, ticks and curves as on the screen.

use std::fmt::Write;

use ratatui::style::Color;

use super::chart::{Chart, Curve, Shape};
use crate::svg::{Frame, LegendEntry, without_plot};

/// The SVG text of a chart under a title.
pub fn draw(chart: &Chart, title: &str) -> String {
    let Some((x, y)) = chart.axes_with(8, 7) else { return without_plot(title, chart.waiting) };
    let entry = |curve: &Curve<'_>| (curve.name.to_owned(), format!("stroke=\"{}\"", color(curve)));
    let entries: Vec<(String, String)> = chart.curves.iter().map(entry).collect();
    let legend: Vec<LegendEntry> =
        entries.iter().map(|(name, stroke)| LegendEntry { name, stroke: stroke.clone() }).collect();
    let frame = Frame { legend: &legend, ..Frame::plain(title, &x, &y) };
    let down = |value: f64| frame.down(y.scale.position(value));
    let mut svg = String::new();
    for curve in &chart.curves {
        let color = color(curve);
        if curve.shape != Shape::Marks {
            let _ = writeln!(
                svg,
                "<path d=\"{}\" clip-path=\"url(#plot)\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>",
                path(chart, curve, &|at| frame.across(at), &down)
            );
        }
        if curve.shape != Shape::Line {
            for bucket in curve.series.buckets().iter().filter(|bucket| !chart.log || bucket.min > 0.0) {
                let (cx, cy) = (frame.across((chart.x_of)(bucket.last)), down(bucket.end));
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3.5\" clip-path=\"url(#plot)\" fill=\"{color}\"/>"
                );
            }
        }
    }
    frame.picture(&svg, "")
}

/// The path through the points, with a vertical stroke from minimum to maximum where a bucket holds several.
fn path(chart: &Chart, curve: &Curve, across: &impl Fn(f64) -> f64, down: &impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut pen = false;
    for bucket in curve.series.buckets() {
        if chart.log && bucket.min <= 0.0 {
            pen = false;
            continue;
        }
        let x = across((chart.x_of)(bucket.last));
        let verb = if pen && !bucket.gap { 'L' } else { 'M' };
        if bucket.min < bucket.max {
            let _ = write!(path, "{verb}{x:.1} {:.1}V{:.1}", down(bucket.min), down(bucket.max));
            let _ = write!(path, "V{:.1}", down(bucket.end));
        } else {
            let _ = write!(path, "{verb}{x:.1} {:.1}", down(bucket.end));
        }
        pen = true;
    }
    path
}

fn color(curve: &Curve) -> String {
    match curve.style.fg {
        Some(Color::Rgb(r, g, b)) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => "#333".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;
    use crate::series::{At, Series};

    #[test]
    fn a_gap_starts_a_new_subpath_and_names_are_escaped() {
        let mut series = Series::default();
        for (step, value) in [1.0, 2.0, f64::NAN, 4.0].into_iter().enumerate() {
            series.push(At { step: step as f64, time: 0.0 }, value);
        }
        let style = Style::new().fg(Color::Rgb(1, 2, 255));
        let curve = Curve::line("a<b&c", &series, style);
        let chart = Chart::over_steps(vec![curve], "waiting", Style::new());
        let svg = draw(&chart, "\"x\"");
        let path = svg.split("<path d=\"").find(|part| part.contains("#0102ff")).unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
        assert!(svg.contains("a&lt;b&amp;c") && svg.contains("&quot;x&quot;") && !svg.contains("NaN"));
        let empty = Series::default();
        let style = Style::new();
        let without_points = Chart { curves: vec![Curve::line("", &empty, style)], ..chart };
        assert!(draw(&without_points, "").contains(">waiting<"));
    }
}
