//! What drawing reads of the application.

use ratatui::layout::Rect;

use super::keymap::Keymap;
use super::overlay::{self, Overlay};
use super::place::Place;
use super::theme::Look;
use super::toast::Toasts;

/// What is drawn.
pub struct Scene<'a> {
    pub place: Place<'a>,
    pub toasts: &'a Toasts,
    pub overlay: Option<&'a Overlay>,
    pub keymap: &'a Keymap,
    pub look: &'a Look,
}

impl<'a> Scene<'a> {
    /// What an overlay in this area reads.
    pub fn below_overlay(&self, area: Rect) -> overlay::Scene<'a> {
        let Scene { place, keymap, look, .. } = *self;
        overlay::Scene { area, place, keymap, look }
    }
}
