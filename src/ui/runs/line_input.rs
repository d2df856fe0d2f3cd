//! A single-line input that is edited at its end: a filter, a name, tags.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::ui::format::plain;

/// Longest text, in characters.
const MAX_LENGTH: usize = 200;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LineInput {
    pub(super) text: String,
}

/// The outcome of a key in an input or a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputOutcome {
    Editing,
    Submitted,
    Cancelled,
}

impl LineInput {
    pub(super) fn new(text: &str) -> LineInput {
        LineInput { text: text.to_owned() }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> InputOutcome {
        match key.code {
            KeyCode::Enter => return InputOutcome::Submitted,
            KeyCode::Esc => return InputOutcome::Cancelled,
            KeyCode::Backspace => drop(self.text.pop()),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return InputOutcome::Cancelled,
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => self.text.clear(),
            KeyCode::Char('w') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                let word = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(word);
            }
            KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                self.paste(&c.to_string());
            }
            _ => {}
        }
        InputOutcome::Editing
    }

    pub(super) fn paste(&mut self, text: &str) {
        let room = MAX_LENGTH.saturating_sub(self.text.chars().count());
        self.text.extend(plain(text).chars().take(room));
    }
}
