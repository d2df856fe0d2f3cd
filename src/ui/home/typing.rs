//! What is being typed at Home: a filter, a field's value, or the name to save under.

use super::list::List;
use crate::preset::{Draft, Library, Preset};
use crate::ui::widgets::input::Input;

/// Where keys go that are text.
#[derive(Clone, Debug)]
pub enum Typing {
    /// Into the filter of the list.
    Filter,
    /// Into a field.
    Field(Box<Editing>),
    /// Into the name of a preset to save.
    Name(Naming),
}

/// A field's value on its way.
#[derive(Clone, Debug)]
pub struct Editing {
    /// The field's key.
    pub key: &'static str,
    /// What is typed.
    pub input: Input,
    /// The preset with it, or what is wrong with it.
    pub outcome: Result<Preset, String>,
}

/// A preset's name on its way.
#[derive(Clone, Debug)]
pub struct Naming {
    /// What is typed.
    pub input: Input,
    /// What is wrong with it.
    pub complaint: Option<String>,
    /// Whether it is the name of the preset itself, which is then written anew.
    pub replace: bool,
}

impl Editing {
    /// Begins with the value that is there.
    pub fn new(key: &'static str, value: &str, draft: &Draft) -> Editing {
        let mut editing = Editing { key, input: Input::new(value), outcome: Err(String::new()) };
        editing.check(draft);
        editing
    }

    /// Reads what is typed by then as the preset's own parser does.
    pub fn check(&mut self, draft: &Draft) {
        self.outcome = self.applied(draft).preset().map_err(|error| format!("{error:#}"));
    }

    /// The draft with the value in it.
    pub fn applied(&self, draft: &Draft) -> Draft {
        let mut draft = draft.clone();
        draft.set(self.key, &self.input.text());
        draft
    }
}

impl Naming {
    /// Begins with the preset's own name if it is the user's, and with one like it otherwise.
    pub fn new(list: &List) -> Option<Naming> {
        let entry = list.marked()?;
        let last = entry.listed.name.rsplit('/').next().unwrap_or_default();
        let name = if entry.listed.path.is_some() { entry.listed.name.clone() } else { format!("my-{last}") };
        let mut naming = Naming { input: Input::new(&name), complaint: None, replace: false };
        naming.check(list);
        Some(naming)
    }

    /// Whether the name can be had.
    pub fn check(&mut self, list: &List) {
        let name = self.input.text();
        let own = list.marked().filter(|entry| entry.listed.path.is_some() && entry.listed.name == name);
        self.replace = own.is_some();
        let taken = own.is_none() && list.has(&name);
        let taken = taken.then(|| format!("there is a preset \"{name}\" already"));
        self.complaint = Library::complaint(&name).or(taken);
    }
}
