//! What drawing reads of the application.

use ratatui::layout::Rect;

use super::chat::Chat;
use super::home::Home;
use super::keymap::Keymap;
use super::monitor::Monitor;
use super::overlay::{self, Overlay};
use super::place::Place;
use super::runs::Runs;
use super::screen::Screen;
use super::theme::Look;
use super::toast::Toasts;

/// What is drawn.
pub struct Scene<'a> {
    /// The screen in front.
    pub screen: Screen,
    pub home: &'a Home,
    pub runs: &'a Runs,
    pub chat: &'a Chat,
    /// The live run.
    pub live: Option<&'a Monitor>,
    /// The run on the monitor.
    pub monitor: Option<&'a Monitor>,
    pub toasts: &'a Toasts,
    pub overlay: Option<&'a Overlay>,
    pub keymap: &'a Keymap,
    pub look: &'a Look,
}

impl<'a> Scene<'a> {
    /// What an overlay in this area reads.
    pub fn below_overlay(&self, area: Rect) -> overlay::Scene<'a> {
        let Scene { screen, keymap, look, home, runs, chat, live, monitor, .. } = *self;
        overlay::Scene { area, screen, keymap, look, home, runs, chat, live, monitor }
    }

    /// What keys depend on.
    pub fn place(&self) -> Place<'a> {
        let Scene { screen, home, runs, chat, live, monitor, .. } = *self;
        Place { screen, home, runs, chat, live, monitor }
    }
}
