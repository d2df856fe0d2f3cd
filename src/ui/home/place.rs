//! What keys do at Home now: the part that has the focus, the actions that apply, the keys of what is typed.

use super::Home;
use super::layout::HomePart;
use super::list::Entry;
use super::typing::Typing;
use crate::preset::FieldOrigin;
use crate::ui::keymap::{Action, Hint};

impl Home {
    /// The name of the part that has the focus.
    pub fn focused(&self) -> &'static str {
        match self.focus {
            HomePart::List => "presets",
            HomePart::Settings => "settings",
            HomePart::Preview => "first batch",
        }
    }

    /// The keys of what is typed.
    pub fn dialog(&self) -> Option<Vec<Hint>> {
        Some(match self.typing.as_ref()? {
            Typing::Filter | Typing::SettingsFilter => vec![Hint::enter("keep the filter"), Hint::esc("clear it")],
            Typing::Field(_) => vec![Hint::enter("set"), Hint::esc("cancel")],
            Typing::Name(_) => vec![Hint::enter("save"), Hint::esc("cancel")],
            Typing::Delete(_) => vec![Hint::letter('y', "delete"), Hint::letter('n', "cancel")],
        })
    }

    /// Whether an action would do something now.
    pub fn applies(&self, action: Action) -> bool {
        let valid = || self.list.selected().is_some_and(|entry| entry.now.is_ok());
        let field = || self.field();
        match action {
            Action::Launch | Action::Save | Action::Analyze => valid(),
            Action::Enter => match self.focus {
                HomePart::List => valid(),
                HomePart::Settings => field().is_some(),
                HomePart::Preview => false,
            },
            Action::Edit => self.focus != HomePart::Settings || field().is_some(),
            Action::Reset => {
                self.focus == HomePart::Settings && field().is_some_and(|field| field.origin == FieldOrigin::Changed)
            }
            Action::ResetAll => self.list.selected().is_some_and(|entry| entry.changes() > 0),
            Action::Rename | Action::Delete => self.list.selected().is_some_and(Entry::is_own),
            Action::Left | Action::Right if self.focus == HomePart::Settings => self.can_step(action == Action::Right),
            Action::Left => self.focus == HomePart::Preview,
            Action::Right => self.focus == HomePart::List,
            Action::Back => self.focus != HomePart::List || !self.list.filter.text().is_empty(),
            _ => true,
        }
    }

    /// The actions that come first in the footer, with their words here.
    pub fn first(&self) -> Vec<(Action, &'static str)> {
        let changed = self.list.selected().is_some_and(|entry| entry.changes() > 0);
        match self.focus {
            HomePart::List => {
                let mut first = vec![(Action::Enter, "launch"), (Action::Edit, "settings")];
                first.extend(changed.then_some((Action::Save, "save")));
                first.extend([(Action::Rename, "rename"), (Action::Delete, "delete"), (Action::Filter, "filter")]);
                first
            }
            HomePart::Settings => vec![
                (Action::Enter, "edit"),
                (Action::Right, "change"),
                (Action::Launch, "launch"),
                (Action::Save, "save"),
                (Action::Reset, "undo"),
                (Action::ResetAll, "undo all"),
            ],
            HomePart::Preview => vec![(Action::Launch, "launch"), (Action::Edit, "settings")],
        }
    }
}
