//! Runs: every run of the folder of runs.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::app::{Effect, Look};
use super::keymap::Action;
use super::widgets::panel::{Title, panel};

/// All runs.
#[derive(Default)]
pub struct Runs {}

impl Runs {
    /// Does what a key says.
    pub fn act(&mut self, _action: Action) -> Option<Effect> {
        None
    }

    /// Takes up a click.
    pub fn click(&mut self, _at: Position, _area: Rect) -> Option<Effect> {
        None
    }

    /// Draws them.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        panel(frame, area, look, true, Title::named("Runs"));
    }
}
