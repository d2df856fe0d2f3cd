//! What is being typed at Home: a filter, a field's value, or the name to save under.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::list::{Entry, List};
use crate::preset::{Draft, Library, Preset};
use crate::ui::saving::SaveRequest;
use crate::ui::theme::Look;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::popup::popup;

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
        self.complaint = Library::complaint(&name).or(taken);
    }

    /// What comes of it, of a draft of the preset.
    ///
    /// # Errors
    /// What is wrong with the name, or with a value of the draft.
    pub fn request(&self, draft: &Draft) -> Result<SaveRequest, String> {
        match &self.complaint {
            Some(complaint) => Err(complaint.clone()),
            None => Ok(SaveRequest {
                from: self.preset.clone(),
                name: self.input.text(),
                toml: draft.to_toml().map_err(|error| format!("{error:#}"))?,
                replace: self.replace,
            }),
        }
    }

    /// Draws the name in the middle of an area, and what saving under it means.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        let said = match (&self.complaint, self.replace) {
            (Some(complaint), _) => Line::styled(format!(" {complaint}"), theme.style(theme.error)),
            (None, true) => Line::styled(" written in its place, comments kept", theme.style(theme.dim)),
            (None, false) => Line::styled(" written as a new preset, comments kept", theme.style(theme.dim)),
        };
        let lines = vec![Line::default(), Line::default(), said];
        let inner = popup(frame, area, look, "Save as", lines, 64);
        let field = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), height: 1.min(inner.height), ..inner };
        self.input.draw(frame, field, theme.bold(theme.text));
    }
}

/// What is wrong with a name that another preset has.
pub fn taken(name: &str) -> String {
    format!("there is a preset \"{name}\" already")
}
