//! A short text that is typed in the list of runs: a filter, a name, tags. Enter submits it and esc cancels.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::ui::widgets::input::Input;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LineInput {
    input: Input,
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
        LineInput { input: Input::new(text) }
    }

    pub(super) fn text(&self) -> String {
        self.input.text()
    }

    /// The text before the cursor and behind it.
    pub(super) fn parts(&self) -> (String, String) {
        self.input.parts()
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> InputOutcome {
        match key.code {
            KeyCode::Enter => return InputOutcome::Submitted,
            KeyCode::Esc => return InputOutcome::Cancelled,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return InputOutcome::Cancelled,
            _ => self.input.key(key),
        };
        InputOutcome::Editing
    }

    pub(super) fn paste(&mut self, text: &str) {
        self.input.insert(text);
    }
}
