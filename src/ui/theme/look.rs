//! How the screens look: a theme, and the colours and characters that the terminal can show.

use super::{Depth, Theme};
use crate::ui::graphics::Pictures;

/// A theme in the colours and characters of a terminal.
pub struct Look {
    pub theme: Theme,
    /// The theme's name.
    pub name: String,
    pub depth: Depth,
    /// Whether to draw without box-drawing and braille characters.
    pub ascii: bool,
    /// Where charts record pictures; `None` if they are drawn in characters only.
    pub pixels: Option<Pictures>,
}
