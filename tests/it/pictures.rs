//! The pictures of the README, taken of the real program in a pseudo-terminal. `make pictures` makes them again.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use vt100::{Color, Screen};

use crate::pty::Pty;

/// A cell, in pixels of the picture.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 12.0;

/// What the dark theme is made for.
const BACKGROUND: &str = "#1a1b26";
const TEXT: &str = "#c0caf5";

/// Needs the demo's model and sentences, and half a minute.
#[test]
#[ignore = "it takes pictures; `make pictures` asks for it"]
fn the_pictures_of_the_readme() {
    let folder = tempfile::tempdir().unwrap();
    let cache = finesift::preset::cache_folder();
    let cache = cache.parent().unwrap().display().to_string();
    let arguments = ["--device", "cpu"];
    let mut pty = Pty::start_with(120, 36, folder.path(), &arguments, &[("XDG_CACHE_HOME", &cache)]);
    pty.wait_for(&["activations", "[CLS]", "of 3.548M"]);
    keep(&mut pty, "home");
    pty.press("r");
    // Not every step is drawn.
    pty.wait_until("a hundred steps", |screen| {
        let contents = screen.contents();
        let step = contents.split_once("/170").and_then(|(before, _)| before.rsplit_once("step "));
        contents.contains("● training")
            && step.is_some_and(|(_, step)| step.parse::<u32>().is_ok_and(|step| step >= 100))
    });
    keep(&mut pty, "monitor");
    pty.press("2");
    pty.wait_for(&["as of step", "next metric"]);
    keep(&mut pty, "layers");
    pty.press("3");
    pty.wait_for(&["Examples", "50 highest-loss"]);
    keep(&mut pty, "samples");
    pty.press("1s");
    pty.wait_for(&["● stopped"]);
    pty.press("R");
    pty.wait_for(&["■ stopped", "steps"]);
    keep(&mut pty, "runs");
    pty.press("q");
    assert_eq!(pty.wait_exit().0, 0);
}

fn keep(pty: &mut Pty, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.svg")), svg(pty.whole_screen())).unwrap();
}

/// The screen as SVG. Each run of cells of one style is stretched to its cells, so that columns stay columns in any font.
fn svg(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (u16::from(rows), u16::from(columns));
    let (width, height) = (f64::from(columns) * CELL.0 + 2.0 * MARGIN, f64::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" xml:space="preserve">
<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>
"#
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let start = column;
            let style = style(screen, row, column);
            let mut text = String::new();
            while column < columns && self::style(screen, row, column) == style {
                let cell = screen.cell(row, column).unwrap();
                text += if cell.contents().is_empty() { " " } else { cell.contents() };
                column += if cell.is_wide() { 2 } else { 1 };
            }
            let (x, y) = (MARGIN + f64::from(start) * CELL.0, MARGIN + f64::from(row) * CELL.1);
            let long = f64::from(column - start) * CELL.0;
            let (color, background, bold) = style;
            if let Some(background) = background {
                let tall = CELL.1;
                writeln!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{long:.1}" height="{tall}" fill="{background}"/>"#)
                    .unwrap();
            }
            let dots = dots(&text, x, y);
            if !dots.is_empty() {
                writeln!(svg, r#"<path d="{dots}" fill="{color}"/>"#).unwrap();
            }
            let base = y + CELL.1 * 0.75;
            let weight = if bold { r#" font-weight="bold""# } else { "" };
            for (place, part) in parts(&text) {
                let (x, long) = (x + place as f64 * CELL.0, part.chars().count() as f64 * CELL.0);
                let part = part.replace('&', "&amp;").replace('<', "&lt;");
                writeln!(
                    svg,
                    r#"<text x="{x:.1}" y="{base:.1}" textLength="{long:.1}" lengthAdjust="spacingAndGlyphs" fill="{color}"{weight}>{part}</text>"#
                )
                .unwrap();
            }
        }
    }
    svg + "</svg>\n"
}

/// The dots of braille characters as squares: not every font has these.
fn dots(text: &str, x: f64, y: f64) -> String {
    /// The bits of a character from above to below, in its left and in its right column.
    const BITS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    let mut path = String::new();
    for (place, c) in text.chars().enumerate().filter(|(_, c)| is_braille(*c)) {
        for (column, bits) in BITS.iter().enumerate() {
            for (row, _) in bits.iter().enumerate().filter(|(_, bit)| (u32::from(c) & **bit) != 0) {
                let left = x + (place as f64 + 0.15 + 0.5 * column as f64) * CELL.0;
                let top = y + (0.06 + 0.25 * row as f64) * CELL.1;
                write!(path, "M{left:.1} {top:.1}h2v2h-2z").unwrap();
            }
        }
    }
    path
}

fn is_braille(c: char) -> bool {
    ('\u{2800}'..='\u{28ff}').contains(&c)
}

/// The words of a text with their places, single spaces between them kept: a renderer may fold longer ones.
fn parts(text: &str) -> Vec<(usize, String)> {
    let mut parts: Vec<(usize, String)> = Vec::new();
    let mut spaces = 2;
    for (place, c) in text.chars().enumerate() {
        match (c, spaces) {
            (c, _) if c == ' ' || is_braille(c) => spaces += 1,
            (c, 2..) => {
                parts.push((place, c.into()));
                spaces = 0;
            }
            (c, between) => {
                if let Some((_, part)) = parts.last_mut() {
                    part.extend(std::iter::repeat_n(' ', between));
                    part.push(c);
                }
                spaces = 0;
            }
        }
    }
    parts
}

/// Colour, what is behind it if anything, and whether it is bold.
fn style(screen: &Screen, row: u16, column: u16) -> (String, Option<String>, bool) {
    let cell = screen.cell(row, column).unwrap();
    let hex = |color| match color {
        Color::Default => None,
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        Color::Idx(index) => panic!("the program was told of true colours, and uses the palette's {index}"),
    };
    (hex(cell.fgcolor()).unwrap_or(TEXT.into()), hex(cell.bgcolor()), cell.bold())
}
