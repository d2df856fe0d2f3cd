//! A terminal screen as SVG. Box-drawing, block and braille characters become shapes, so that a picture looks the same in
//! every font.

use std::fmt::Write;

use vt100::{Color, Screen};

/// Width and height of a cell, in pixels of the picture.
pub const CELL: (u32, u32) = (8, 16);
/// Space around the cells.
pub const MARGIN: u32 = 12;

/// The terminal's default colours; the dark theme is made for these.
const BACKGROUND: &str = "#1a1b26";
const TEXT: &str = "#c0caf5";

/// Attributes of the root element besides its size.
const ROOT: &str = r#"xmlns="http://www.w3.org/2000/svg" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="13" xml:space="preserve""#;
/// Braille dots are subpaths of no length with round caps (`.d`); lines are strokes (`.l`, heavy `.b`).
const STYLES: &str =
    ".d,.l,.b{fill:none}.d{stroke-width:2.6;stroke-linecap:round}.l{stroke-width:1.2}.b{stroke-width:2.4}";

/// Consecutive cells of one row that have one style.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run {
    row: u32,
    column: u32,
    /// Each character takes one cell, but for wide ones.
    text: String,
    cells: u32,
    style: Style,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Style {
    color: String,
    background: Option<String>,
    bold: bool,
}

/// A picture of one screen.
pub fn still(screen: &Screen) -> String {
    let (width, height) = size(screen);
    let mut svg = open(width, height, "");
    runs(screen).iter().for_each(|run| draw(run, &mut svg));
    svg + "</svg>\n"
}

/// Width and height of a screen's picture.
pub fn size(screen: &Screen) -> (u32, u32) {
    let (rows, columns) = screen.size();
    (u32::from(columns.get()) * CELL.0 + 2 * MARGIN, u32::from(rows.get()) * CELL.1 + 2 * MARGIN)
}

/// The beginning of a picture: the root element, its styles and the background.
pub fn open(width: u32, height: u32, styles: &str) -> String {
    format!(
        "<svg {ROOT} width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n<style>{STYLES}{styles}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    )
}

/// Everything on a screen that is not blank.
pub fn runs(screen: &Screen) -> Vec<Run> {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let mut runs = Vec::new();
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let (start, style) = (column, style(screen, row, column));
            let mut text = String::new();
            while column < columns && self::style(screen, row, column) == style {
                let cell = screen.cell(row, column).unwrap();
                text += if cell.contents().is_empty() { " " } else { cell.contents() };
                column += if cell.is_wide() { 2 } else { 1 };
            }
            if style.background.is_some() || !text.trim().is_empty() {
                let cells = u32::from(column - start);
                runs.push(Run { row: row.into(), column: start.into(), text, cells, style });
            }
        }
    }
    runs
}

fn style(screen: &Screen, row: u16, column: u16) -> Style {
    let cell = screen.cell(row, column).unwrap();
    let hex = |color| match color {
        Color::Default => None,
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        Color::Idx(index) => panic!("COLORTERM promises true colour, and the screen uses palette entry {index}"),
    };
    Style { color: hex(cell.fgcolor()).unwrap_or(TEXT.into()), background: hex(cell.bgcolor()), bold: cell.bold() }
}

/// Appends the elements of a run.
pub fn draw(run: &Run, svg: &mut String) {
    let (left, top) = (MARGIN + run.column * CELL.0, MARGIN + run.row * CELL.1);
    let Style { color, background, bold } = &run.style;
    if let Some(background) = background {
        let width = run.cells * CELL.0;
        writeln!(svg, r#"<rect x="{left}" y="{top}" width="{width}" height="{}" fill="{background}"/>"#, CELL.1)
            .unwrap();
    }
    let shapes = Shapes::of(&run.text, left, top);
    for (class, path) in [("d", shapes.dots), ("l", shapes.lines), ("b", shapes.heavy)] {
        if !path.is_empty() {
            writeln!(svg, r#"<path class="{class}" stroke="{color}" d="{path}"/>"#).unwrap();
        }
    }
    for (opacity, path) in [("", shapes.blocks), (r#" opacity=".3""#, shapes.shades)] {
        if !path.is_empty() {
            writeln!(svg, r#"<path fill="{color}"{opacity} d="{path}"/>"#).unwrap();
        }
    }
    let baseline = top + 12;
    let weight = if *bold { r#" font-weight="bold""# } else { "" };
    for (place, word) in words(&run.text) {
        // A length for each word keeps columns aligned where a font is wider or narrower than its cells.
        let (x, length) = (left + place * CELL.0, word.chars().count() as u32 * CELL.0);
        let word = escaped(&word);
        writeln!(svg, r#"<text x="{x}" y="{baseline}" textLength="{length}" fill="{color}"{weight}>{word}</text>"#)
            .unwrap();
    }
}

/// Text for an element's content.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The characters of a run that are drawn as paths.
#[derive(Default)]
struct Shapes {
    dots: String,
    /// Where the latest dot is: the next one is written relative to it, which is shorter.
    dot: (u32, u32),
    lines: String,
    heavy: String,
    blocks: String,
    shades: String,
}

impl Shapes {
    fn of(text: &str, left: u32, top: u32) -> Shapes {
        let mut shapes = Shapes::default();
        let mut rest = text.chars().peekable();
        let mut x = left;
        while let Some(c) = rest.next() {
            let mut width = CELL.0;
            while merges(c) && rest.next_if_eq(&c).is_some() {
                width += CELL.0;
            }
            shapes.add(c, x, top, width);
            x += width;
        }
        shapes
    }

    /// One character, or several alike: `width` pixels of them.
    fn add(&mut self, c: char, x: u32, top: u32, width: u32) {
        let (middle, center) = (top + CELL.1 / 2, x + CELL.0 / 2);
        let (right, bottom) = (x + width, top + CELL.1);
        let block = |x: u32, y: u32, width: u32, height: u32| format!("M{x} {y}h{width}v{height}h-{width}z");
        match c {
            '─' => write!(self.lines, "M{x} {middle}H{right}"),
            '━' => write!(self.heavy, "M{x} {middle}H{right}"),
            '│' => write!(self.lines, "M{center} {top}V{bottom}"),
            '╭' => write!(self.lines, "M{center} {bottom}Q{center} {middle} {right} {middle}"),
            '╮' => write!(self.lines, "M{x} {middle}Q{center} {middle} {center} {bottom}"),
            '╰' => write!(self.lines, "M{center} {top}Q{center} {middle} {right} {middle}"),
            '╯' => write!(self.lines, "M{x} {middle}Q{center} {middle} {center} {top}"),
            '▁'..='█' => {
                let eighths = u32::from(c) - 0x2580;
                let height = eighths * CELL.1 / 8;
                write!(self.blocks, "{}", block(x, bottom - height, width, height))
            }
            '▉'..='▏' => write!(self.blocks, "{}", block(x, top, (0x2590 - u32::from(c)) * CELL.0 / 8, CELL.1)),
            '░'..='▓' => write!(self.shades, "{}", block(x, top, width, CELL.1)),
            '\u{2800}'..='\u{28ff}' => self.add_dots(u32::from(c) - 0x2800, x, top),
            _ => Ok(()),
        }
        .unwrap();
    }

    /// The dots of a braille character's bits.
    fn add_dots(&mut self, bits: u32, x: u32, top: u32) -> std::fmt::Result {
        /// From top to bottom, in the left and in the right column.
        const BITS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        for (column, row) in (0..2).flat_map(|column| (0..4).map(move |row| (column, row))) {
            if bits & BITS[column as usize][row as usize] != 0 {
                let dot = (x + 2 + 4 * column, top + 2 + 4 * row);
                let (right, down) =
                    (i64::from(dot.0) - i64::from(self.dot.0), i64::from(dot.1) - i64::from(self.dot.1));
                write!(self.dots, "m{right} {down}h0")?;
                self.dot = dot;
            }
        }
        Ok(())
    }
}

/// Whether several of a character side by side are one shape.
fn merges(c: char) -> bool {
    matches!(c, '─' | '━' | '▁'..='█' | '░'..='▓')
}

/// Whether [`Shapes`] draws a character.
fn is_shape(c: char) -> bool {
    matches!(c, '─' | '━' | '│' | '╭' | '╮' | '╰' | '╯' | '▁'..='▏' | '░'..='▓' | '\u{2800}'..='\u{28ff}')
}

/// The words of a text and the cells they start at. Single spaces stay inside: renderers may collapse longer ones.
fn words(text: &str) -> Vec<(u32, String)> {
    let mut words: Vec<(u32, String)> = Vec::new();
    let mut blanks = 2;
    for (place, c) in (0..).zip(text.chars()) {
        if c == ' ' || is_shape(c) {
            blanks += if c == ' ' { 1 } else { 2 };
        } else {
            match words.last_mut() {
                Some((_, word)) if blanks < 2 => {
                    word.extend(std::iter::repeat_n(' ', blanks));
                    word.push(c);
                }
                _ => words.push((place, c.into())),
            }
            blanks = 0;
        }
    }
    words
}

#[test]
fn lines_blocks_and_braille_dots_are_shapes_and_words_keep_their_columns() {
    let mut parser = vt100::Parser::new(1.try_into().unwrap(), 20.try_into().unwrap(), 0);
    parser.process("──▇\u{2809} a<b  c".as_bytes());
    let svg = still(parser.screen());
    let (left, top) = (MARGIN, MARGIN);
    assert!(svg.contains(&format!("d=\"M{left} {}H{}\"", top + 8, left + 16)), "{svg}");
    assert!(svg.contains(&format!("d=\"M{} {}h8v14h-8z\"", left + 16, top + 2)), "{svg}");
    assert!(svg.contains(&format!("d=\"m{} {}h0m4 0h0\"", left + 26, top + 2)), "{svg}");
    assert!(svg.contains(&format!("x=\"{}\" y=\"{}\" textLength=\"24\"", left + 40, top + 12)), "{svg}");
    assert!(svg.contains(">a&lt;b<") && svg.contains(&format!("x=\"{}\"", left + 80)), "{svg}");
}
