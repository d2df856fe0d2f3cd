//! What keys, clicks and pastes do in the chat: text goes into the input first, whether or not an answer is being generated.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::Chat;
use super::command::completed;
use super::layout::Parts;
use super::lines::Writer;
use crate::ui::input::UserInput;
use crate::ui::intent::Intent;
use crate::ui::keymap::{Action, AppAction, Context, Keymap};
use crate::ui::theme::Look;
use crate::ui::widgets::input::Input;

/// Rows that the wheel scrolls.
const WHEEL: isize = 3;

impl Chat {
    /// Handles an input. `area` is the one that [`Chat::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap, look: &Look) -> Option<Intent> {
        match input {
            UserInput::Key(key) => self.on_key(key, area, keymap, look),
            UserInput::Paste(text) => {
                self.paste(text);
                None
            }
            UserInput::Click(_) | UserInput::Drag(_) => None,
            UserInput::ScrollUp(_) => self.scroll(-WHEEL, area, look),
            UserInput::ScrollDown(_) => self.scroll(WHEEL, area, look),
        }
    }

    fn on_key(&mut self, key: &KeyEvent, area: Rect, keymap: &Keymap, look: &Look) -> Option<Intent> {
        if !self.typing() {
            return self.act(keymap.action(Context::Chat, key)?, area, look);
        }
        let ends_input = key.code == KeyCode::Char('d') && key.modifiers.contains(KeyModifiers::CONTROL);
        if ends_input && self.input.is_empty() {
            return Some(Intent::App(AppAction::Quit));
        }
        if self.input.key(*key) {
            self.complaint = None;
            return None;
        }
        self.act(keymap.action(Context::Chat, key)?, area, look)
    }

    /// Performs an action, as its key does. Without a model there is nothing but to leave.
    pub fn act(&mut self, action: Action, area: Rect, look: &Look) -> Option<Intent> {
        self.complaint = None;
        let page = isize::try_from(self.parts(area).rows()).unwrap_or(isize::MAX).max(2) - 1;
        match action {
            Action::App(action) if !self.typing() => Some(Intent::App(action)),
            Action::Back if !self.typing() => Some(Intent::LeaveChat),
            _ if !self.typing() => None,
            Action::Enter => self.submit(),
            Action::FocusNext => {
                if let Some(completed) = completed(&self.input.text()) {
                    self.input = Input::multiline(&completed);
                }
                None
            }
            Action::Up => self.browse(true, area),
            Action::Down => self.browse(false, area),
            Action::PageUp => self.scroll(-page, area, look),
            Action::PageDown => self.scroll(page, area, look),
            Action::ScrollUp => self.scroll(-1, area, look),
            Action::ScrollDown => self.scroll(1, area, look),
            // The first press stops the answer, the next one leaves.
            Action::Back | Action::App(AppAction::Quit) if self.generating.is_some_and(|answer| !answer.stopping) => {
                self.stop(false)
            }
            Action::Back => Some(Intent::LeaveChat),
            Action::App(action) => Some(Intent::App(action)),
            _ => None,
        }
    }

    fn paste(&mut self, text: &str) {
        if self.typing() && !self.input.insert(text) {
            self.complaint = Some("the pasted text is too long; its end is cut off".into());
        }
    }

    /// Moves by a row, and from the first or last one into the history.
    fn browse(&mut self, up: bool, area: Rect) -> Option<Intent> {
        if !self.input.move_row(up, self.parts(area).field().width) {
            let text = if up { self.history.earlier(&self.input.text()) } else { self.history.later() };
            if let Some(text) = text {
                self.input = Input::multiline(text);
            }
        }
        None
    }

    fn scroll(&mut self, rows: isize, area: Rect, look: &Look) -> Option<Intent> {
        let parts = self.parts(area);
        let writer = Writer::new(parts.lines().width, look, &self.model);
        self.transcript.scroll(rows, parts.rows(), |entry| writer.lines(entry).len());
        None
    }

    pub(super) fn parts(&self, area: Rect) -> Parts {
        Parts::of(area, &self.input, self.suggestions().len())
    }
}
