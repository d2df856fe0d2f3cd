//! Plots as SVG: the frame with title, axes, grid and legend, and the places of values in it.
//!
//! The background is opaque, so that a picture is readable on a light and on a dark page.

use std::fmt::Write;

use crate::axis::Axis;
use crate::text::{truncated, width, wrapped};

/// Width and height of a picture, in pixels.
pub(crate) const SIZE: (f64, f64) = (760.0, 440.0);

/// Space to the right of the plot.
const RIGHT: f64 = 24.0;

/// Height of a line of the legend.
pub(crate) const LINE: f64 = 20.0;

/// Width of a character of labels and of the legend, on average.
pub(crate) const CHARACTER: f64 = 7.2;

/// The same of the title, which is larger and bold, and of notes, which are smaller.
const TITLE_CHARACTER: f64 = 8.8;
const NOTE_CHARACTER: f64 = 6.4;

/// Height of a line of a note.
const NOTE_LINE: f64 = 15.0;

/// Width of an entry of the legend beside its name.
const ENTRY: f64 = 46.0;

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
    /// Width and height.
    pub size: (f64, f64),
    /// What has to be known to read the plot, below it; may be empty.
    pub note: &'a str,
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

impl<'a> Frame<'a> {
    /// A frame of the usual size with title and axes only.
    pub fn plain(title: &'a str, x: &'a Axis, y: &'a Axis) -> Frame<'a> {
        Frame { title, x, y, labels: [""; 2], legend: &[], beside: 0.0, size: SIZE, note: "" }
    }
}

impl Frame<'_> {
    /// The edges of the plot.
    pub fn area(&self) -> PlotArea {
        let widest = self.y.ticks.iter().map(|tick| width(&tick.label)).max().unwrap_or(0);
        let (width, height) = self.size;
        let label = |label: &str, room: f64| if label.is_empty() { 0.0 } else { room };
        PlotArea {
            left: 22.0 + widest as f64 * CHARACTER + label(self.labels[1], 20.0),
            right: width - RIGHT - self.beside,
            top: 44.0 + self.rows().len() as f64 * LINE,
            bottom: height - 34.0 - label(self.labels[0], 20.0) - self.note_height(),
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
        let mut svg = opened(self.title, self.size);
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
        self.draw_note(&mut svg);
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
                    escaped(&self.entry_name(entry))
                );
                x += self.entry_width(entry);
            }
        }
    }

    fn draw_note(&self, svg: &mut String) {
        let lines = self.note_lines();
        let top = self.size.1 - 8.0 - NOTE_LINE * lines.len() as f64;
        for (row, line) in lines.iter().enumerate() {
            let y = top + NOTE_LINE * (row + 1) as f64 - 4.0;
            let _ =
                writeln!(svg, "<text x=\"18\" y=\"{y:.1}\" font-size=\"12\" fill=\"#666\">{}</text>", escaped(line));
        }
    }

    fn note_lines(&self) -> Vec<String> {
        if self.note.is_empty() {
            Vec::new()
        } else {
            wrapped(self.note, characters(self.size.0 - 36.0, NOTE_CHARACTER))
        }
    }

    fn note_height(&self) -> f64 {
        match self.note_lines().len() {
            0 => 0.0,
            lines => 6.0 + NOTE_LINE * lines as f64,
        }
    }

    /// Width of the legend.
    fn room(&self) -> f64 {
        self.size.0 - RIGHT - 60.0
    }

    /// The name of an entry, cut where it is longer than the legend.
    fn entry_name(&self, entry: &LegendEntry) -> String {
        truncated(entry.name, characters(self.room() - ENTRY, CHARACTER), false)
    }

    fn entry_width(&self, entry: &LegendEntry) -> f64 {
        ENTRY + CHARACTER * width(&self.entry_name(entry)) as f64
    }

    /// The entries of each line of the legend.
    fn rows(&self) -> Vec<Vec<&LegendEntry<'_>>> {
        let room = self.room();
        let mut rows: Vec<Vec<&LegendEntry>> = Vec::new();
        let mut used = f64::INFINITY;
        for entry in self.legend {
            if used + self.entry_width(entry) > room {
                rows.push(Vec::new());
                used = 0.0;
            }
            used += self.entry_width(entry);
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
    opened(title, SIZE)
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

fn opened(title: &str, (width, height): (f64, f64)) -> String {
    let shown = truncated(title, characters(width - 36.0, TITLE_CHARACTER), false);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\" fill=\"#333\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#fff\"/>\n\
         <text x=\"18\" y=\"24\" font-size=\"15\" font-weight=\"600\">{}</text>\n",
        escaped(&shown)
    )
}

/// How many characters of a width fit.
fn characters(room: f64, character: f64) -> usize {
    (room / character) as usize
}
