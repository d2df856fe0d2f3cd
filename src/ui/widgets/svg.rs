//! A chart as an SVG picture: the same scales, ticks and curves as on the screen.

use std::fmt::Write;

use ratatui::style::Color;

use super::chart::{Chart, Curve, Shape};

/// Width and height of the picture, and the margins around the plot, in pixels.
const SIZE: (f64, f64) = (960.0, 480.0);
const LEFT: f64 = 84.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 40.0;

/// The SVG text of a chart under a title.
pub fn draw(chart: &Chart, title: &str) -> String {
    let (width, height) = SIZE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    let Some((x, y)) = chart.axes_with(8, 7) else {
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\">{}</text>\n</svg>", height / 2.0, escaped(chart.waiting));
        return svg;
    };
    let across = |position: f64| LEFT + x.scale.share(position) * (width - LEFT - RIGHT);
    let down = |position: f64| height - BOTTOM - y.scale.share(position) * (height - TOP - BOTTOM);
    for tick in &y.ticks {
        let at = down(tick.at);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            width - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            escaped(&tick.label)
        );
    }
    for tick in &x.ticks {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            across(tick.at),
            height - BOTTOM + 20.0,
            escaped(&tick.label)
        );
    }
    let _ = writeln!(
        svg,
        "<clipPath id=\"plot\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/></clipPath>",
        width - LEFT - RIGHT,
        height - TOP - BOTTOM
    );
    let mut legend = LEFT;
    for curve in &chart.curves {
        let color = color(curve);
        if curve.shape != Shape::Marks {
            let _ = writeln!(
                svg,
                "<path d=\"{}\" clip-path=\"url(#plot)\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>",
                path(chart, curve, &across, &|value| down(y.scale.position(value)))
            );
        }
        if curve.shape != Shape::Line {
            for bucket in curve.series.buckets().iter().filter(|bucket| !chart.log || bucket.min > 0.0) {
                let (cx, cy) = (across((chart.x_of)(bucket.last)), down(y.scale.position(bucket.end)));
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3.5\" clip-path=\"url(#plot)\" fill=\"{color}\"/>"
                );
            }
        }
        let _ = writeln!(svg, "<text x=\"{legend:.1}\" y=\"40\" fill=\"{color}\">{}</text>", escaped(curve.name));
        legend += 8.0 * curve.name.chars().count() as f64 + 20.0;
    }
    svg + "</svg>\n"
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

fn escaped(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.fold(String::new(), |mut text, c| {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            c => text.push(c),
        }
        text
    })
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
