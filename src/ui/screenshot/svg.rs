//! Cells as SVG, on a fixed grid. What is drawn comes from files and models, so that every text is escaped.

use std::fmt::Write;

use ratatui::buffer::Buffer;

use super::cells::{CellRun, runs};
use super::palette::{Rgb, ScreenColours};
use super::shapes::{CELL, DOT, LINE, Shape, merges, shapes};

/// Space around the cells.
pub const MARGIN: u32 = 12;

/// Attributes of the root element besides its size.
const ROOT: &str = r#"xmlns="http://www.w3.org/2000/svg" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="13" xml:space="preserve""#;

/// A picture of a buffer.
pub fn still(buffer: &Buffer, palette: ScreenColours) -> String {
    let (width, height) = size(buffer);
    let mut svg = open(width, height, palette, "");
    runs(buffer, palette).iter().for_each(|run| draw(run, &mut svg));
    svg + "</svg>\n"
}

/// Width and height of a buffer's picture.
pub fn size(buffer: &Buffer) -> (u32, u32) {
    let (columns, rows) = (u32::from(buffer.area.width), u32::from(buffer.area.height));
    (columns * CELL.0 + 2 * MARGIN, rows * CELL.1 + 2 * MARGIN)
}

/// The beginning of a picture: the root element, its styles and the background.
pub fn open(width: u32, height: u32, palette: ScreenColours, styles: &str) -> String {
    // Braille dots are subpaths of no length with round caps (`.d`); lines are strokes (`.l`, heavy `.b`).
    let strokes = format!(
        ".d,.l,.b{{fill:none}}.d{{stroke-width:{};stroke-linecap:round}}.l{{stroke-width:{}}}.b{{stroke-width:{}}}",
        2.0 * DOT,
        LINE[0],
        LINE[1]
    );
    let background = hex(palette.background);
    format!(
        "<svg {ROOT} width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n<style>{strokes}{styles}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{background}\"/>\n"
    )
}

/// Appends the elements of a run.
pub fn draw(run: &CellRun, svg: &mut String) {
    let (left, top) = (MARGIN + u32::from(run.column) * CELL.0, MARGIN + u32::from(run.row) * CELL.1);
    let (color, width) = (hex(run.style.color), u32::from(run.cells()) * CELL.0);
    if let Some(background) = run.style.background {
        let _ = writeln!(
            svg,
            r#"<rect x="{left}" y="{top}" width="{width}" height="{}" fill="{}"/>"#,
            CELL.1,
            hex(background)
        );
    }
    let paths = Paths::of(run, left, top);
    for (class, path) in [("d", &paths.dots), ("l", &paths.lines), ("b", &paths.heavy)] {
        if !path.is_empty() {
            let _ = writeln!(svg, r#"<path class="{class}" stroke="{color}" d="{path}"/>"#);
        }
    }
    if !paths.blocks.is_empty() {
        let _ = writeln!(svg, r#"<path fill="{color}" d="{}"/>"#, paths.blocks);
    }
    for (opacity, path) in paths.shades {
        let _ = writeln!(svg, r#"<path fill="{color}" opacity="{opacity}" d="{path}"/>"#);
    }
    let baseline = top + 12;
    let weight = if run.style.bold { r#" font-weight="bold""# } else { "" };
    for word in words(run) {
        // A length for each word keeps columns aligned where a font is wider or narrower than its cells.
        let (x, length) = (left + word.cell * CELL.0, word.cells * CELL.0);
        let text = escaped(&word.text);
        let _ =
            writeln!(svg, r#"<text x="{x}" y="{baseline}" textLength="{length}" fill="{color}"{weight}>{text}</text>"#);
    }
    if run.style.underlined {
        let _ = writeln!(svg, r#"<path class="l" stroke="{color}" d="M{left} {}h{width}"/>"#, top + 14);
    }
}

/// Text for an element's content.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The characters of a run that are drawn as paths.
#[derive(Default)]
struct Paths {
    dots: String,
    /// Where the latest dot is: the next one is written relative to it, which is shorter.
    dot: (f32, f32),
    lines: String,
    heavy: String,
    blocks: String,
    /// By opacity.
    shades: Vec<(f32, String)>,
}

impl Paths {
    fn of(run: &CellRun, left: u32, top: u32) -> Paths {
        let mut paths = Paths::default();
        let mut rest = run.symbols.iter().peekable();
        let mut x = left as f32;
        while let Some((symbol, cells)) = rest.next() {
            let mut width = (u32::from(*cells) * CELL.0) as f32;
            if let Some(c) = shape_of(symbol) {
                while merges(c) && rest.next_if(|(next, _)| next == symbol).is_some() {
                    width += CELL.0 as f32;
                }
                shapes(c, width).into_iter().flatten().for_each(|shape| paths.add(shape, x, top as f32));
            }
            x += width;
        }
        paths
    }

    fn add(&mut self, shape: Shape, x: f32, y: f32) {
        let _ = match shape {
            Shape::Block { area: [left, top, right, bottom], opacity } => {
                let path = match self.shades.iter_mut().position(|(known, _)| *known == opacity) {
                    _ if opacity == 1.0 => &mut self.blocks,
                    Some(known) => &mut self.shades[known].1,
                    None => {
                        self.shades.push((opacity, String::new()));
                        let last = self.shades.len() - 1;
                        &mut self.shades[last].1
                    }
                };
                let (width, height) = (right - left, bottom - top);
                write!(path, "M{} {}h{width}v{height}h-{width}z", x + left, y + top)
            }
            Shape::Line { from, to, heavy } => {
                let path = if heavy { &mut self.heavy } else { &mut self.lines };
                write!(path, "M{} {}L{} {}", x + from.0, y + from.1, x + to.0, y + to.1)
            }
            Shape::Turn { from, control, to } => write!(
                self.lines,
                "M{} {}Q{} {} {} {}",
                x + from.0,
                y + from.1,
                x + control.0,
                y + control.1,
                x + to.0,
                y + to.1
            ),
            Shape::Dot(right, down) => {
                let dot = (x + right, y + down);
                let written = write!(self.dots, "m{} {}h0", dot.0 - self.dot.0, dot.1 - self.dot.1);
                self.dot = dot;
                written
            }
        };
    }
}

/// The character of a symbol that is drawn as shapes.
fn shape_of(symbol: &str) -> Option<char> {
    let mut chars = symbol.chars();
    chars.next().filter(|c| chars.next().is_none() && shapes(*c, CELL.0 as f32).is_some())
}

/// Consecutive characters of a font.
struct Word {
    /// The first cell, counted from the start of its run.
    cell: u32,
    cells: u32,
    text: String,
}

/// The words of a run. Single spaces stay inside: renderers may collapse longer ones.
fn words(run: &CellRun) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut blanks, mut cell) = (2, 0);
    for (symbol, cells) in &run.symbols {
        let cells = u32::from(*cells);
        if symbol == " " {
            blanks += 1;
        } else if shape_of(symbol).is_some() {
            blanks += 2;
        } else {
            match words.last_mut() {
                Some(word) if blanks < 2 => {
                    word.text.extend(std::iter::repeat_n(' ', blanks));
                    word.text.push_str(symbol);
                    word.cells += blanks as u32 + cells;
                }
                _ => words.push(Word { cell, cells, text: symbol.clone() }),
            }
            blanks = 0;
        }
        cell += cells;
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Modifier, Style};

    use super::*;

    #[test]
    fn lines_blocks_and_braille_dots_are_shapes_and_words_keep_their_columns() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 1));
        buffer.set_string(0, 0, "──▇\u{2809} a<b  c標d", Style::new());
        let svg = still(&buffer, ScreenColours::DARK);
        let (left, top) = (MARGIN, MARGIN);
        assert!(svg.contains(&format!("d=\"M{left} {}L{} {}\"", top + 8, left + 16, top + 8)), "{svg}");
        assert!(svg.contains(&format!("d=\"M{} {}h8v14h-8z\"", left + 16, top + 2)), "{svg}");
        assert!(svg.contains(&format!("d=\"m{} {}h0m4 0h0\"", left + 26, top + 2)), "{svg}");
        assert!(svg.contains(&format!("x=\"{}\" y=\"{}\" textLength=\"24\"", left + 40, top + 12)), "{svg}");
        assert!(svg.contains(">a&lt;b<"), "{svg}");
        assert!(svg.contains(&format!("x=\"{}\" y=\"{}\" textLength=\"32\"", left + 80, top + 12)), "{svg}");
    }

    /// The names of open elements at the end of an XML text, with the characters of attributes and contents checked.
    fn open_elements(xml: &str) -> Vec<&str> {
        let mut open = Vec::new();
        let mut rest = xml;
        while let Some(start) = rest.find('<') {
            let (content, tag) = rest.split_at(start);
            assert!(!content.contains('>'), "{content}");
            for entity in content.split('&').skip(1) {
                assert!(["amp;", "lt;", "gt;"].iter().any(|known| entity.starts_with(known)), "{entity}");
            }
            let end = tag.find('>').unwrap();
            let (inside, empty) = (&tag[1..end], tag[..end].ends_with('/'));
            assert_eq!(inside.matches('"').count() % 2, 0, "{inside}");
            assert!(!inside.contains('<'), "{inside}");
            let name = inside.split([' ', '/']).find(|name| !name.is_empty()).unwrap();
            if inside.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !empty {
                open.push(name);
            }
            rest = &tag[end + 1..];
        }
        open
    }

    proptest! {
        #[test]
        fn any_buffer_is_well_formed(
            (width, height) in (0u16..30, 0u16..6),
            cells in proptest::collection::vec((0u16..30, 0u16..6, "\\PC{0,3}|[<>&\"']{1,2}|[\0-\x1f]|[─-▟]|[\u{2800}-\u{28ff}]|\u{ffff}", any::<u8>(), 0u16..512), 0..60),
        ) {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
            for (x, y, symbol, color, modifiers) in cells {
                if x < width && y < height {
                    let cell = &mut buffer[(x, y)];
                    cell.set_symbol(&symbol).set_fg(Color::Indexed(color)).set_bg(Color::Rgb(color, 0, 9));
                    cell.modifier = Modifier::from_bits_truncate(modifiers);
                }
            }
            let svg = still(&buffer, ScreenColours::LIGHT);
            prop_assert_eq!(open_elements(&svg), Vec::<&str>::new());
            prop_assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
            let valid = |c: char| c == '\n' || !c.is_control() && c != '\u{ffff}';
            prop_assert!(svg.chars().all(valid));
        }
    }
}
