//! What keys do on the screen of an analysis now.

use super::{AnalysisScreen, Part, State};
use crate::ui::keymap::Action;

impl AnalysisScreen {
    /// Whether an action would do something now.
    pub fn applies(&self, action: Action) -> bool {
        let figure = matches!(self.shown(), Some(Part::Figure(_)));
        match action {
            Action::Back => true,
            Action::FocusNext | Action::FocusPrevious | Action::Enter => self.shown().is_some(),
            Action::Left | Action::Right => figure || matches!(self.shown(), Some(Part::Table(_))),
            Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last => {
                self.shown().is_some() && !figure
            }
            Action::CancelAnalysis => matches!(self.state, State::Running { cancelling: false, .. }),
            Action::OpenFolder | Action::CopyPath => matches!(self.state, State::Done),
            _ => false,
        }
    }

    /// The actions that come first in the footer, with their words here.
    pub fn first(&self) -> Vec<(Action, &'static str)> {
        vec![
            (Action::FocusNext, "next"),
            (Action::Enter, if self.full { "smaller" } else { "full screen" }),
            (Action::Left, if matches!(self.shown(), Some(Part::Table(_))) { "columns" } else { "cursor" }),
            (Action::Down, "scroll"),
            (Action::CancelAnalysis, "cancel"),
            (Action::OpenFolder, "folder"),
            (Action::Back, "back"),
        ]
    }
}
