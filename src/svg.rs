//! Plots as SVG: the frame with title, axes, grid and legend, and the places of values in it.
//!
//! The background is opaque, so that a picture is readable on a light and on a dark page.

use std::fmt::Write;

use crate::axis::Axis;

/// Width and height of a picture, in pixels.
const SIZE: (f64, f64) = (760.0, 440.0);

/// Space to the right of the plot.
const RIGHT: f64 = 24.0;

/// Height of a line of the legend.
const LINE: f64 = 20.0;

/// Width of a character of labels and of the legend, on average.
const CHARACTER: f64 = 7.2;

/// A plot's frame.
pub(crate) struct Frame<'a> {
    pub title: &'a str,
    pub x: &'a Axis,
    pub y: &'a Axis,
    /// The quantity of each axis with its unit; may be empty.
    pub labels: [&'a str; 2],
    pub legend: &'a [LegendEntry<'a>],
    /// Room to keep free to the right of the plot, for a colour bar.
    pub beside: f64,
}

/// What a colour stands for.
pub(crate) struct LegendEntry<'a> {
    pub name: &'a str,
    /// Attributes of its stroke: `stroke="#0072b2"`.
    pub stroke: String,
}

/// The edges of the plot in a picture.
#[derive(Clone, Copy)]
pub(crate) struct PlotArea {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame<'_> {
    /// The edges of the plot.
    pub fn area(&self) -> PlotArea {
        let widest = self.y.ticks.iter().map(|tick| tick.label.chars().count()).max().unwrap_or(0);
        let (width, height) = SIZE;
        let label = |label: &str, room: f64| if label.is_empty() { 0.0 } else { room };
        PlotArea {
            left: 22.0 + widest as f64 * CHARACTER + label(self.labels[1], 20.0),
            right: width - RIGHT - self.beside,
            top: 44.0 + self.rows().len() as f64 * LINE,
            bottom: height - 34.0 - label(self.labels[0], 20.0),
        }
    }

    /// The pixel of a position on the x axis.
    pub fn across(&self, position: f64) -> f64 {
        let area = self.area();
        area.left + self.x.scale.share(position) * (area.right - area.left)
    }

    /// The pixel of a position on the y axis.
    pub fn down(&self, position: f64) -> f64 {
        let area = self.area();
        area.bottom - self.y.scale.share(position) * (area.bottom - area.top)
    }

    /// The picture with this in its plot; `beside` is drawn to the right of it. What refers to `url(#plot)` is cut off at the edges
    /// of the plot.
    pub fn picture(&self, content: &str, beside: &str) -> String {
        let PlotArea { left, right, top, bottom } = self.area();
        let mut svg = opened(self.title);
        let _ = writeln!(
            svg,
            "<clipPath id=\"plot\"><rect x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{:.1}\"/></clipPath>",
            right - left,
            bottom - top
        );
        self.draw_grid(&mut svg);
        svg.push_str(content);
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"none\" stroke=\"#8a8a8a\"/>",
            right - left,
            bottom - top
        );
        self.draw_labels(&mut svg);
        self.draw_legend(&mut svg);
        svg + beside + "</svg>\n"
    }

    fn draw_grid(&self, svg: &mut String) {
        let PlotArea { left, right, top, bottom } = self.area();
        let mut grid = String::new();
        for tick in &self.y.ticks {
            let _ = write!(grid, "M{left:.1} {:.1}H{right:.1}", self.down(tick.at));
        }
        for tick in &self.x.ticks {
            let _ = write!(grid, "M{:.1} {bottom:.1}V{top}", self.across(tick.at));
        }
        let _ = writeln!(svg, "<path d=\"{grid}\" stroke=\"#e3e3e3\"/>");
        let mut minor = String::new();
        for at in &self.y.minor {
            let _ = write!(minor, "M{left:.1} {:.1}h4", self.down(*at));
        }
        for at in &self.x.minor {
            let _ = write!(minor, "M{:.1} {bottom:.1}v-4", self.across(*at));
        }
        if !minor.is_empty() {
            let _ = writeln!(svg, "<path d=\"{minor}\" stroke=\"#b0b0b0\"/>");
        }
    }

    fn draw_labels(&self, svg: &mut String) {
        let PlotArea { left, right, top, bottom } = self.area();
        for tick in &self.y.ticks {
            let (x, y, label) = (left - 7.0, self.down(tick.at) + 4.5, escaped(&tick.label));
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{label}</text>");
        }
        for tick in &self.x.ticks {
            let (x, y, label) = (self.across(tick.at), bottom + 18.0, escaped(&tick.label));
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
        let [x, y] = self.labels;
        if !x.is_empty() {
            let (middle, row) = ((left + right) / 2.0, bottom + 38.0);
            let _ =
                writeln!(svg, "<text x=\"{middle:.1}\" y=\"{row:.1}\" text-anchor=\"middle\">{}</text>", escaped(x));
        }
        if !y.is_empty() {
            let middle = (top + bottom) / 2.0;
            let _ = writeln!(
                svg,
                "<text transform=\"translate(18 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                escaped(y)
            );
        }
    }

    fn draw_legend(&self, svg: &mut String) {
        let left = self.area().left;
        for (row, entries) in self.rows().into_iter().enumerate() {
            let y = 46.0 + row as f64 * LINE;
            let mut x = left;
            for entry in entries {
                let _ = writeln!(
                    svg,
                    "<path d=\"M{x:.1} {:.1}h22\" {} stroke-width=\"3\"/><text x=\"{:.1}\" y=\"{y}\">{}</text>",
                    y - 4.5,
                    entry.stroke,
                    x + 28.0,
                    escaped(entry.name)
                );
                x += entry_width(entry);
            }
        }
    }

    /// The entries of each line of the legend.
    fn rows(&self) -> Vec<Vec<&LegendEntry<'_>>> {
        let room = SIZE.0 - RIGHT - 60.0;
        let mut rows: Vec<Vec<&LegendEntry>> = Vec::new();
        let mut used = f64::INFINITY;
        for entry in self.legend {
            if used + entry_width(entry) > room {
                rows.push(Vec::new());
                used = 0.0;
            }
            used += entry_width(entry);
            if let Some(row) = rows.last_mut() {
                row.push(entry);
            }
        }
        rows
    }
}

/// A picture without a plot: its title, and why there is none.
pub(crate) fn without_plot(title: &str, why: &str) -> String {
    let (width, height) = (SIZE.0 / 2.0, SIZE.1 / 2.0);
    opened(title)
        + &format!("<text x=\"{width}\" y=\"{height}\" text-anchor=\"middle\">{}</text>\n</svg>\n", escaped(why))
}

/// Text for an element's content or an attribute's value.
pub(crate) fn escaped(text: &str) -> String {
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

fn opened(title: &str) -> String {
    let (width, height) = SIZE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\" fill=\"#333\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#fff\"/>\n\
         <text x=\"18\" y=\"24\" font-size=\"15\" font-weight=\"600\">{}</text>\n",
        escaped(title)
    )
}

fn entry_width(entry: &LegendEntry) -> f64 {
    46.0 + CHARACTER * entry.name.chars().count() as f64
}
