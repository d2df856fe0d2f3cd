//! What is being typed at Home: a filter, a field's value, or the name to save under.

use super::list::{Entry, List};
use crate::preset::{Draft, Library, Preset};
use crate::ui::app::Saving;
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
    /// The preset that is saved.
    preset: String,
    /// Whether that is the user's.
    own: bool,
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
    pub fn new(entry: &Entry, list: &List) -> Naming {
        let (preset, own) = (entry.listed.name.clone(), entry.listed.path.is_some());
        let last = preset.rsplit('/').next().unwrap_or_default();
        let input = Input::new(&if own { preset.clone() } else { format!("my-{last}") });
        let mut naming = Naming { input, complaint: None, replace: false, preset, own };
        naming.check(list);
        naming
    }

    /// Whether the name can be had.
    pub fn check(&mut self, list: &List) {
        let name = self.input.text();
        self.replace = self.own && name == self.preset;
        let taken = (!self.replace && list.has(&name)).then(|| taken(&name));
        self.complaint = Library::name_error(&name).or(taken);
    }

    /// What comes of it, of a draft of the preset.
    ///
    /// # Errors
    /// What is wrong with the name, or with a value of the draft.
    pub fn saving(&self, draft: &Draft) -> Result<Saving, String> {
        match &self.complaint {
            Some(complaint) => Err(complaint.clone()),
            None => Ok(Saving {
                from: self.preset.clone(),
                name: self.input.text(),
                toml: draft.to_toml().map_err(|error| format!("{error:#}"))?,
                replace: self.replace,
            }),
        }
    }
}

/// What is wrong with a name that another preset has.
pub fn taken(name: &str) -> String {
    format!("there is a preset \"{name}\" already")
}
