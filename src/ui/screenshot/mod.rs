//! The screen as pictures: SVG and PNG of the same cells.
//!
//! ```text
//! palette   the colours of the terminal that cells leave to it
//! cells     runs of cells that have one style
//! shapes    box-drawing, block and braille characters as geometry
//! svg       cells as SVG
//! raster    an image that shapes and glyphs are drawn on
//! png       cells as PNG
//! files     the names and places of the pictures
//! ```

mod cells;
mod files;
mod palette;
mod png;
mod raster;
mod shapes;
pub mod svg;

pub use self::png::encode;
pub use cells::{CellRun, runs};
pub(super) use files::{ScreenFiles, save};
pub use palette::ScreenColours;
pub use shapes::CELL;
