//! Charts as pixels, in terminals that show pictures.
//!
//! ```text
//! detect     which protocol the terminal has, and the size of its cells
//! picture    what a chart draws: shapes, recorded while a frame is drawn
//! canvas     shapes as antialiased pixels
//! palette    pixels of at most 256 colours
//! png        the same as a file
//! kitty      pixels for the terminal, one file a protocol
//! iterm2
//! sixel
//! placement  which pictures the terminal shows, and what to send for the next frame
//! ```

mod canvas;
mod detect;
mod iterm2;
mod kitty;
mod palette;
mod picture;
mod placement;
mod png;
mod sixel;

pub use canvas::Image;
pub use detect::{Probe, Protocol, Unavailable};
pub(super) use kitty::DELETE_ALL;
pub use picture::{Layer, Picture, Pictures, PixelSize, Shape};
pub use placement::Placements;
