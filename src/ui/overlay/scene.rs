//! What overlays read of the application.

use ratatui::layout::Rect;

use crate::ui::keymap::Keymap;
use crate::ui::place::Place;
use crate::ui::theme::Look;

/// The screens below an overlay.
pub struct Scene<'a> {
    /// The area that overlays lie in the middle of.
    pub area: Rect,
    pub place: Place<'a>,
    pub keymap: &'a Keymap,
    pub look: &'a Look,
}
