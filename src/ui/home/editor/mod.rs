//! A setting while it is edited, in the way that its type asks for: a line of text, a list of choices, a checklist of modules.

mod checklist;
mod choices;
mod modules;
mod step;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::Usage;
use crate::estimate::ParameterCount;
use crate::preset::{Draft, Field, KeyKind, Preset};
use crate::ui::theme::Look;
use crate::ui::widgets::input::Input;
use checklist::Checklist;
use choices::ChoiceList;
#[cfg(test)]
pub use modules::tests::bert;
pub use step::step;

/// The value of a setting while it is edited.
#[derive(Clone, Debug)]
pub struct Editing {
    /// Key of the setting.
    pub key: &'static str,
    editor: Editor,
    /// The preset with this value, or why the value is invalid.
    pub outcome: Result<Preset, Usage>,
}

#[derive(Clone, Debug)]
enum Editor {
    Line(Input),
    Choices(ChoiceList),
    Modules(Checklist),
}

/// What a key does to the editing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditOutcome {
    Editing,
    Submitted,
}

impl Editing {
    /// Begins with the current value. `layout` are the parameters of the model; empty while they are unknown.
    pub fn new(field: &Field, layout: &[ParameterCount], draft: &Draft) -> Editing {
        let value = field.value.as_deref().unwrap_or_default();
        let editor = match field.kind {
            KeyKind::Choice(choices) => Editor::Choices(ChoiceList::new(field.key, choices, value)),
            KeyKind::Modules if !layout.is_empty() => {
                Editor::Modules(Checklist::new(layout, field.key != "sift.dense", draft.names(field.key)))
            }
            _ => Editor::Line(Input::new(value)),
        };
        let mut editing = Editing { key: field.key, editor, outcome: Err(Usage(String::new())) };
        editing.check(draft);
        editing
    }

    /// Handles a key other than those that cancel.
    pub fn key(&mut self, key: KeyEvent, draft: &Draft) -> EditOutcome {
        if key.code == KeyCode::Enter {
            // An invalid value stays in the editor with its error.
            return if self.outcome.is_ok() { EditOutcome::Submitted } else { EditOutcome::Editing };
        }
        let changed = match &mut self.editor {
            Editor::Line(input) => input.key(key),
            Editor::Choices(choices) => choices.key(key.code),
            Editor::Modules(checklist) if key.code == KeyCode::Char('e') => {
                self.editor = Editor::Line(Input::new(&checklist.text()));
                true
            }
            Editor::Modules(checklist) => checklist.key(key.code),
        };
        if changed {
            self.check(draft);
        }
        EditOutcome::Editing
    }

    pub fn paste(&mut self, text: &str, draft: &Draft) {
        if let Editor::Line(input) = &mut self.editor {
            input.insert(text);
            self.check(draft);
        }
    }

    /// The draft with this value.
    pub fn applied(&self, draft: &Draft) -> Draft {
        let mut draft = draft.clone();
        draft.set(self.key, &self.text());
        draft
    }

    /// The value so far, as typed text.
    pub fn text(&self) -> String {
        match &self.editor {
            Editor::Line(input) => input.text(),
            Editor::Choices(choices) => choices.text().to_owned(),
            Editor::Modules(checklist) => checklist.text(),
        }
    }

    /// The line of text that is typed; `None` where the value is chosen from a list.
    pub fn line(&self) -> Option<&Input> {
        match &self.editor {
            Editor::Line(input) => Some(input),
            Editor::Choices(_) | Editor::Modules(_) => None,
        }
    }

    /// Draws the list that the value is chosen from.
    pub fn draw_list(&self, frame: &mut Frame, within: Rect, look: &Look) {
        match &self.editor {
            Editor::Line(_) => {}
            Editor::Choices(choices) => choices.draw(frame, within, look, self.key),
            Editor::Modules(checklist) => checklist.draw(frame, within, look, self.key),
        }
    }

    /// Parses the value as a preset file is parsed.
    fn check(&mut self, draft: &Draft) {
        self.outcome = self.applied(draft).preset();
    }
}

/// Moves a cursor in a list of `number` rows; whether the key does that.
fn moved(cursor: &mut usize, number: usize, key: KeyCode) -> bool {
    let last = number.saturating_sub(1);
    *cursor = match key {
        KeyCode::Up | KeyCode::Char('k') => cursor.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => (*cursor + 1).min(last),
        KeyCode::Home => 0,
        KeyCode::End => last,
        _ => return false,
    };
    true
}

/// The sign of the line under the cursor, and as many cells on the others.
fn pointer(here: bool, ascii: bool) -> &'static str {
    match (here, ascii) {
        (false, _) => "  ",
        (true, true) => "> ",
        (true, false) => "▌ ",
    }
}
