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
            Action::Launch | Action::Save => valid(),
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
            Action::Left => self.focus != HomePart::List,
            Action::Right => self.focus != HomePart::Preview,
            Action::Back => self.focus != HomePart::List || !self.list.filter.text().is_empty(),
            _ => true,
        }
    }

    /// The footer's word for an action, where it is another than the table's.
    pub fn word(&self, action: Action) -> Option<&'static str> {
        match (action, self.focus) {
            (Action::Enter, HomePart::List) => Some("launch"),
            (Action::Enter, HomePart::Settings) => Some("edit"),
            (Action::Edit, HomePart::List | HomePart::Preview) => Some("settings"),
            _ => None,
        }
    }
}
