//! What charts draw as pixels: layers of shapes. Comparing two pictures says whether the terminal needs a new image.

use std::cell::RefCell;

use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;

use super::Protocol;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelSize {
    pub width: u16,
    pub height: u16,
}

impl PixelSize {
    /// The size of a cell of the terminal, if the system knows it.
    pub fn of_cell() -> Option<PixelSize> {
        let window = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        let width = window.ws_xpixel.checked_div(window.ws_col)?;
        let height = window.ws_ypixel.checked_div(window.ws_row)?;
        Some(PixelSize { width, height }).filter(|cell| cell.is_plausible())
    }

    /// Whether it can be the size of a cell.
    pub(super) fn is_plausible(self) -> bool {
        (2..=128).contains(&self.width) && (4..=256).contains(&self.height)
    }
}

/// A picture in place of an area of cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub area: Rect,
    /// A text within the area that lies above the picture; may be empty.
    pub text: Rect,
    /// From the lowest to the uppermost.
    pub layers: Vec<Layer>,
}

/// Shapes of one colour. Where they overlap, the colour is not denser.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    pub colour: [u8; 3],
    /// 0 to 1.
    pub opacity: f32,
    pub shapes: Vec<Shape>,
}

/// A shape, in pixels from the upper left corner. The centre of a pixel is at half a pixel.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Line {
        from: (f32, f32),
        to: (f32, f32),
        width: f32,
    },
    /// A column of pixels between two heights.
    Bar {
        column: u32,
        top: f32,
        bottom: f32,
    },
    /// A convex or concave outline that does not cross itself.
    Polygon(Vec<(f32, f32)>),
}

impl Shape {
    pub fn diamond((x, y): (f32, f32), radius: f32) -> Shape {
        Shape::Polygon(vec![(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)])
    }

    pub fn triangle((x, y): (f32, f32), radius: f32) -> Shape {
        Shape::Polygon(vec![(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)])
    }

    /// A star with five points.
    pub fn star((x, y): (f32, f32), radius: f32) -> Shape {
        /// The inner radius of a pentagram.
        const INNER: f32 = 0.382;
        let corner = |number: u8| {
            let angle = f32::from(number) * std::f32::consts::PI / 5.0;
            let radius = if number.is_multiple_of(2) { radius } else { radius * INNER };
            (x + radius * angle.sin(), y - radius * angle.cos())
        };
        Shape::Polygon((0..10).map(corner).collect())
    }
}

/// The pictures of a frame. Drawing records them, and the terminal shows them after the frame.
#[derive(Debug)]
pub struct Pictures {
    pub protocol: Protocol,
    /// The size of a cell.
    pub cell: PixelSize,
    /// The colour of the terminal's background, if it is known.
    pub background: Option<[u8; 3]>,
    recorded: RefCell<Vec<Picture>>,
}

impl Pictures {
    pub fn new(protocol: Protocol, cell: PixelSize, background: Option<[u8; 3]>) -> Pictures {
        Pictures { protocol, cell: drawn(protocol, cell), background, recorded: RefCell::default() }
    }

    /// Draws for another size of the cells, as after a change of the font.
    pub fn set_cell(&mut self, cell: PixelSize) {
        self.cell = drawn(self.protocol, cell);
    }

    /// Records a picture over cells that are drawn already. They are what is shown if anything is drawn above them.
    pub fn record(&self, picture: Picture, buffer: &mut Buffer) {
        for position in picture.area.intersection(buffer.area).positions() {
            if !picture.text.contains(position) {
                buffer[position].set_diff_option(CellDiffOption::Skip);
            }
        }
        self.recorded.borrow_mut().push(picture);
    }

    /// Takes the pictures that were recorded.
    pub fn take(&self) -> Vec<Picture> {
        self.recorded.take()
    }
}

/// The pixels to draw for a cell: fewer than it has where the terminal scales a picture to its cells, as the pixels of a large
/// screen would take too long.
fn drawn(protocol: Protocol, mut cell: PixelSize) -> PixelSize {
    const TALLEST: u16 = 32;
    while protocol != Protocol::Sixel && cell.height > TALLEST && cell.width > 4 {
        cell = PixelSize { width: cell.width / 2, height: cell.height / 2 };
    }
    cell
}
