//! What is being typed at Home: a filter, a field's value, or the name to save under.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::list::{Entry, List};
use crate::Usage;
use crate::preset::{Draft, Library, Preset};
use crate::ui::format::width;
use crate::ui::saving::SaveRequest;
use crate::ui::theme::Look;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::popup::{PopupHit, PopupLayout, popup};

/// Width of the dialog for a name.
const WIDTH: u16 = 64;

/// What typed text goes into.
#[derive(Clone, Debug)]
pub enum Typing {
    /// The filter of the list.
    Filter,
    /// The value of a setting.
    Field(Box<Editing>),
    /// The name to save a preset under.
    Name(Naming),
}

/// The value of a setting while it is edited.
#[derive(Clone, Debug)]
pub struct Editing {
    /// Key of the setting.
    pub key: &'static str,
    pub input: Input,
    /// The preset with this value, or why the value is invalid.
    pub outcome: Result<Preset, Usage>,
}

/// The name to save a preset under while it is typed.
#[derive(Clone, Debug)]
pub struct Naming {
    pub input: Input,
    /// Why the name is not allowed.
    pub complaint: Option<String>,
    /// Whether it is the name of the preset itself, whose file is then overwritten.
    pub replace: bool,
    /// Name of the preset that is saved.
    preset: String,
    /// Whether that is one of the user's own.
    own: bool,
}

impl Editing {
    /// Begins with the current value.
    pub fn new(key: &'static str, value: &str, draft: &Draft) -> Editing {
        let mut editing = Editing { key, input: Input::new(value), outcome: Err(Usage(String::new())) };
        editing.check(draft);
        editing
    }

    /// Parses the typed value as a preset file is parsed.
    pub fn check(&mut self, draft: &Draft) {
        self.outcome = self.applied(draft).preset();
    }

    /// The draft with this value.
    pub fn applied(&self, draft: &Draft) -> Draft {
        let mut draft = draft.clone();
        draft.set(self.key, &self.input.text());
        draft
    }
}

impl Naming {
    /// Begins with the preset's name if it is the user's own, and else with `my-` before it.
    pub fn new(entry: &Entry, list: &List) -> Naming {
        let (preset, own) = (entry.listed.name.clone(), entry.listed.path.is_some());
        let last = preset.rsplit('/').next().unwrap_or_default();
        let input = Input::new(&if own { preset.clone() } else { format!("my-{last}") });
        let mut naming = Naming { input, complaint: None, replace: false, preset, own };
        naming.check(list);
        naming
    }

    /// Checks whether the name is allowed.
    pub fn check(&mut self, list: &List) {
        let name = self.input.text();
        self.replace = self.own && name == self.preset;
        let taken = (!self.replace && list.has(&name)).then(|| taken(&name));
        self.complaint = Library::name_error(&name).or(taken);
    }

    /// The request to save a draft of the preset under this name.
    ///
    /// # Errors
    /// Why the name is not allowed, or a value of the draft is invalid.
    pub fn request(&self, draft: &Draft) -> Result<SaveRequest, Usage> {
        match &self.complaint {
            Some(complaint) => Err(Usage(complaint.clone())),
            None => Ok(SaveRequest {
                from: self.preset.clone(),
                name: self.input.text(),
                toml: draft.to_toml().map_err(|error| Usage(format!("{error:#}")))?,
                replace: self.replace,
            }),
        }
    }

    /// What saving under the name means, or why it is not allowed.
    fn said(&self) -> String {
        match (&self.complaint, self.replace) {
            (Some(complaint), _) => format!(" {complaint}"),
            (None, true) => " overwrites the preset; comments are kept".into(),
            (None, false) => " saves a new preset; comments are kept".into(),
        }
    }

    /// Whether a position is on the dialog that [`Naming::draw`] draws in the middle of an area.
    pub fn contains(&self, at: Position, area: Rect) -> bool {
        let lines = [0, 0, width(&self.said())];
        PopupLayout::new(area, lines.into_iter(), WIDTH).hit(at) != PopupHit::Outside
    }

    /// Draws the name in the middle of an area, and what saving under it means.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        let hue = if self.complaint.is_some() { theme.error } else { theme.dim };
        let said = Line::styled(self.said(), theme.style(hue));
        let lines = vec![Line::default(), Line::default(), said];
        let inner = popup(frame, area, look, "Save as", lines, WIDTH);
        let field = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), height: 1.min(inner.height), ..inner };
        self.input.draw(frame, field, theme.bold(theme.text));
    }
}

/// The complaint about a name that another preset has.
pub fn taken(name: &str) -> String {
    format!("a preset \"{name}\" already exists")
}
