//! What keys do on the screen of the sweep now.

use super::SweepScreen;
use crate::sweep::RunStatus;
use crate::ui::keymap::Action;

impl SweepScreen {
    /// Whether an action would do something now.
    pub fn applies(&self, action: Action) -> bool {
        match action {
            Action::Chart => true,
            Action::Back => self.full,
            Action::Up
            | Action::Down
            | Action::PageUp
            | Action::PageDown
            | Action::First
            | Action::Last
            | Action::Left
            | Action::Right
            | Action::Sort => !self.full,
            Action::Enter => !self.full && !self.runs().is_empty(),
            Action::PauseOrResume => self.at_work(),
            _ => false,
        }
    }

    /// The actions that come first in the footer, with their words here.
    pub fn first(&self) -> Vec<(Action, &'static str)> {
        let runs = self.runs();
        let active = runs.get(self.run).is_some_and(|run| matches!(self.progress.statuses[*run], RunStatus::Active(_)));
        vec![
            (Action::Enter, if active { "watch run" } else { "open run" }),
            (Action::PauseOrResume, if self.held { "start runs" } else { "hold" }),
            (Action::Sort, "sort"),
            (Action::Chart, if self.full { "table" } else { "chart" }),
        ]
    }
}
