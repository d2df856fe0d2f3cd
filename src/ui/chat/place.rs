//! What keys do in the chat now.

use crossterm::event::KeyCode;

use super::Chat;
use crate::ui::keymap::{Action, Hint, Key};

impl Chat {
    /// The keys beside those that are text, while there is a model to prompt.
    pub fn dialog(&self) -> Option<Vec<Hint>> {
        self.typing().then(|| {
            vec![
                Hint::enter("send"),
                Hint::esc(if self.generating.is_some() { "stop" } else { "back" }),
                Hint::new(Key::Plain(KeyCode::PageUp), "scroll"),
                Hint::tab("complete"),
                Hint::new(Key::Plain(KeyCode::F(1)), "help"),
                Hint::new(Key::Ctrl('c'), "quit"),
            ]
        })
    }

    /// Whether an action would do something now.
    pub fn applies(&self, action: Action) -> bool {
        match action {
            Action::Back => true,
            Action::Enter
            | Action::FocusNext
            | Action::Up
            | Action::Down
            | Action::PageUp
            | Action::PageDown
            | Action::ScrollUp
            | Action::ScrollDown => self.typing(),
            _ => false,
        }
    }
}
