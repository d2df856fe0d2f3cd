//! The name under which a preset is saved, or to which it is renamed, while it is typed.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::list::{Entry, List};
use crate::Usage;
use crate::preset::{Draft, Library};
use crate::ui::format::{plain, wrapped};
use crate::ui::intent::Intent;
use crate::ui::saving::{PresetEdit, SaveRequest};
use crate::ui::theme::Look;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::popup::{PopupHit, PopupLayout, popup};

/// Columns of the dialog.
const WIDTH: u16 = 64;

/// The name of a preset while it is typed.
#[derive(Clone, Debug)]
pub struct Naming {
    pub input: Input,
    /// Why the name is not allowed.
    pub complaint: Option<String>,
    /// Whether it is the name of the preset itself, whose file is then overwritten.
    pub replace: bool,
    purpose: Purpose,
    /// Name of the preset that is saved or renamed.
    preset: String,
    /// Whether that is one of the user's own.
    own: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Save,
    Rename,
}

impl Naming {
    /// Begins with the preset's name if it is the user's own, and else with `my-` before it.
    pub fn save(entry: &Entry, list: &List) -> Naming {
        let (preset, own) = (entry.listed.name.clone(), entry.listed.path.is_some());
        let last = preset.rsplit('/').next().unwrap_or_default();
        let input = Input::new(&if own { preset.clone() } else { format!("my-{last}") });
        let mut naming = Naming { input, complaint: None, replace: false, purpose: Purpose::Save, preset, own };
        naming.check(list);
        naming
    }

    /// Begins with the preset's name.
    pub fn rename(entry: &Entry, list: &List) -> Naming {
        Naming { purpose: Purpose::Rename, ..Naming::save(entry, list) }
    }

    /// Checks whether the name is allowed.
    pub fn check(&mut self, list: &List) {
        let name = self.input.text();
        self.replace = self.own && name == self.preset;
        let taken = (!self.replace && list.has(&name)).then(|| taken(&name));
        self.complaint = Library::name_error(&name).or(taken);
    }

    /// What is asked for with this name; `None` for a name that is not allowed, or nothing to do.
    pub fn intent(&self, draft: &Draft) -> Option<Intent> {
        match self.purpose {
            Purpose::Save => self.request(draft).ok().map(Intent::SavePreset),
            Purpose::Rename if self.complaint.is_some() || self.replace => None,
            Purpose::Rename => {
                Some(Intent::EditPreset(PresetEdit::Rename { from: self.preset.clone(), to: self.input.text() }))
            }
        }
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

    /// Whether a position is on the dialog that [`Naming::draw`] draws in the middle of an area.
    pub fn contains(&self, at: Position, area: Rect, look: &Look) -> bool {
        let lines = self.lines(area, look);
        PopupLayout::new(area, lines.iter().map(Line::to_string), WIDTH).hit(at) != PopupHit::Outside
    }

    /// Draws the name in the middle of an area, and what it means or why it is not allowed below.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        let title = match self.purpose {
            Purpose::Save => "Save as",
            Purpose::Rename => "Rename preset",
        };
        let inner = popup(frame, area, look, title, self.lines(area, look), WIDTH);
        let field = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), height: 1.min(inner.height), ..inner };
        self.input.draw(frame, field, theme.bold(theme.text));
    }

    /// The lines of the dialog; the first is for the name.
    fn lines<'a>(&self, area: Rect, look: &Look) -> Vec<Line<'a>> {
        let theme = &look.theme;
        let (said, hue) = match (&self.complaint, self.purpose, self.replace) {
            (Some(complaint), ..) => (plain(complaint), theme.error),
            (None, Purpose::Save, true) => ("overwrites the preset; comments are kept".to_owned(), theme.dim),
            (None, Purpose::Save, false) => ("saves a new preset; comments are kept".to_owned(), theme.dim),
            (None, Purpose::Rename, _) => ("renames the file of the preset".to_owned(), theme.dim),
        };
        let room = usize::from(WIDTH.min(area.width)).saturating_sub(4);
        let mut lines = vec![Line::default(), Line::default()];
        lines.extend(wrapped(&said, room).into_iter().map(|line| Line::styled(format!(" {line}"), theme.style(hue))));
        let keys = match self.purpose {
            Purpose::Save => " enter save  esc cancel",
            Purpose::Rename => " enter rename  esc cancel",
        };
        lines.push(Line::styled(keys, theme.style(theme.dim)));
        lines
    }
}

/// The complaint about a name that another preset has.
pub fn taken(name: &str) -> String {
    format!("a preset \"{name}\" already exists")
}
