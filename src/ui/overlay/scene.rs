//! What overlays read of the application.

use ratatui::layout::Rect;

use crate::ui::chat::Chat;
use crate::ui::home::Home;
use crate::ui::keymap::Keymap;
use crate::ui::monitor::Monitor;
use crate::ui::place::Place;
use crate::ui::runs::Runs;
use crate::ui::screen::Screen;
use crate::ui::theme::Look;

/// The screen below an overlay, and what leaving would lose.
pub struct Scene<'a> {
    /// The area that overlays lie in the middle of.
    pub area: Rect,
    /// The screen in front.
    pub screen: Screen,
    pub keymap: &'a Keymap,
    pub look: &'a Look,
    pub home: &'a Home,
    pub runs: &'a Runs,
    pub chat: &'a Chat,
    /// The live run.
    pub live: Option<&'a Monitor>,
    /// The run on the monitor.
    pub monitor: Option<&'a Monitor>,
}

impl<'a> Scene<'a> {
    /// What the keys of the screen below depend on.
    pub fn place(&self) -> Place<'a> {
        let Scene { screen, home, runs, chat, live, monitor, .. } = *self;
        Place { screen, home, runs, chat, live, monitor }
    }
}
