//! Box-drawing, block and braille characters as geometry, so that they join and look the same in every font.

/// Width and height of a cell in units of the picture.
pub const CELL: (u32, u32) = (8, 16);

/// Width of a light and of a heavy line.
pub(super) const LINE: [f32; 2] = [1.2, 2.4];

/// Radius of a braille dot.
pub(super) const DOT: f32 = 1.3;

/// How much of a shade's colour covers its cell, from light to dark.
const SHADES: [f32; 3] = [0.25, 0.5, 0.75];

/// A part of a character. Places are relative to the top left corner of its cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// A filled rectangle: left, top, right and bottom.
    Block {
        area: [f32; 4],
        opacity: f32,
    },
    /// A straight stroke.
    Line {
        from: (f32, f32),
        to: (f32, f32),
        heavy: bool,
    },
    /// A quarter turn: a quadratic curve towards the control point.
    Turn {
        from: (f32, f32),
        control: (f32, f32),
        to: (f32, f32),
    },
    Dot(f32, f32),
}

/// The shapes of a character; `None` for one that a font draws. `width` is that of several alike side by side.
pub(super) fn shapes(c: char, width: f32) -> Option<Vec<Shape>> {
    let height = CELL.1 as f32;
    let block =
        |left: f32, top: f32, right: f32, bottom: f32| Shape::Block { area: [left, top, right, bottom], opacity: 1.0 };
    Some(match c {
        '▀' => vec![block(0.0, 0.0, width, height / 2.0)],
        '▁'..='█' => {
            let eighths = (u32::from(c) - 0x2580) as f32;
            vec![block(0.0, height * (1.0 - eighths / 8.0), width, height)]
        }
        '▉'..='▏' => vec![block(0.0, 0.0, width * (0x2590 - u32::from(c)) as f32 / 8.0, height)],
        '▐' => vec![block(width / 2.0, 0.0, width, height)],
        '░'..='▓' => {
            let opacity = SHADES[(u32::from(c) - 0x2591) as usize];
            vec![Shape::Block { area: [0.0, 0.0, width, height], opacity }]
        }
        '▖'..='▟' => quadrants(c, width, height),
        '\u{2800}'..='\u{28ff}' => dots(u32::from(c) - 0x2800),
        '╭' | '╮' | '╰' | '╯' => vec![turn(c, width, height)],
        c => lines(c, width, height)?,
    })
}

/// Whether several of a character side by side are one shape.
pub(super) fn merges(c: char) -> bool {
    matches!(c, '─' | '━' | '▀'..='█' | '░'..='▓')
}

/// The dots of a braille character's bits.
fn dots(bits: u32) -> Vec<Shape> {
    /// From top to bottom, in the left and in the right column.
    const BITS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    let places = (0..2).flat_map(|column| (0..4).map(move |row| (column, row)));
    let set = places.filter(|(column, row)| bits & BITS[*column][*row] != 0);
    set.map(|(column, row)| Shape::Dot(2.0 + 4.0 * column as f32, 2.0 + 4.0 * row as f32)).collect()
}

fn quadrants(c: char, width: f32, height: f32) -> Vec<Shape> {
    /// Upper left, upper right, lower left and lower right, from U+2596 on.
    const BITS: [u8; 10] = [0b0010, 0b0001, 0b1000, 0b1011, 0b1001, 0b1110, 0b1101, 0b0100, 0b0110, 0b0111];
    let bits = BITS[(u32::from(c) - 0x2596) as usize];
    let (x, y) = (width / 2.0, height / 2.0);
    let parts = [(0.0, 0.0), (x, 0.0), (0.0, y), (x, y)];
    let set = parts.into_iter().enumerate().filter(|(part, _)| bits & (0b1000 >> part) != 0);
    set.map(|(_, (left, top))| Shape::Block { area: [left, top, left + x, top + y], opacity: 1.0 }).collect()
}

fn turn(c: char, width: f32, height: f32) -> Shape {
    let control = (width / 2.0, height / 2.0);
    let vertical = (control.0, if matches!(c, '╭' | '╮') { height } else { 0.0 });
    let horizontal = (if matches!(c, '╭' | '╰') { width } else { 0.0 }, control.1);
    Shape::Turn { from: vertical, control, to: horizontal }
}

/// Lines from the middle of the cell to its sides.
fn lines(c: char, width: f32, height: f32) -> Option<Vec<Shape>> {
    // Left, up, right and down.
    let (sides, heavy) = match c {
        '─' => ([1, 0, 1, 0], false),
        '━' => ([1, 0, 1, 0], true),
        '│' => ([0, 1, 0, 1], false),
        '┃' => ([0, 1, 0, 1], true),
        '┌' => ([0, 0, 1, 1], false),
        '┐' => ([1, 0, 0, 1], false),
        '└' => ([0, 1, 1, 0], false),
        '┘' => ([1, 1, 0, 0], false),
        '├' => ([0, 1, 1, 1], false),
        '┤' => ([1, 1, 0, 1], false),
        '┬' => ([1, 0, 1, 1], false),
        '┴' => ([1, 1, 1, 0], false),
        '┼' => ([1, 1, 1, 1], false),
        _ => return None,
    };
    let (x, y) = (width / 2.0, height / 2.0);
    let line = |from, to| Shape::Line { from, to, heavy };
    Some(match sides {
        // Without a joint in the middle.
        [1, 0, 1, 0] => vec![line((0.0, y), (width, y))],
        [0, 1, 0, 1] => vec![line((x, 0.0), (x, height))],
        sides => {
            let ends = [(0.0, y), (x, 0.0), (width, y), (x, height)];
            sides.into_iter().zip(ends).filter(|(side, _)| *side == 1).map(|(_, end)| line((x, y), end)).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_their_part_of_the_cell() {
        let area = |c| match shapes(c, 8.0).unwrap()[..] {
            [Shape::Block { area, opacity: 1.0 }] => area,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(area('▀'), [0.0, 0.0, 8.0, 8.0]);
        assert_eq!(
            [area('▁'), area('▄'), area('█')],
            [[0.0, 14.0, 8.0, 16.0], [0.0, 8.0, 8.0, 16.0], [0.0, 0.0, 8.0, 16.0]]
        );
        assert_eq!(
            [area('▉'), area('▌'), area('▏')],
            [[0.0, 0.0, 7.0, 16.0], [0.0, 0.0, 4.0, 16.0], [0.0, 0.0, 1.0, 16.0]]
        );
        assert_eq!([area('▐'), area('▝')], [[4.0, 0.0, 8.0, 16.0], [4.0, 0.0, 8.0, 8.0]]);
        assert_eq!(shapes('▟', 8.0).unwrap().len(), 3);
    }

    #[test]
    fn letters_are_left_to_the_font_and_lines_meet_the_sides() {
        assert!(shapes('a', 8.0).is_none() && shapes('★', 8.0).is_none());
        assert_eq!(shapes('─', 16.0).unwrap(), [Shape::Line { from: (0.0, 8.0), to: (16.0, 8.0), heavy: false }]);
        assert_eq!(shapes('├', 8.0).unwrap().len(), 3);
        assert_eq!(shapes('\u{2809}', 8.0).unwrap(), [Shape::Dot(2.0, 2.0), Shape::Dot(6.0, 2.0)]);
    }
}
