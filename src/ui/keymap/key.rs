//! A key as people write it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key, alone or with another held. Of characters, Shift makes others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Alone.
    Plain(KeyCode),
    /// With Ctrl.
    Ctrl(char),
    /// An arrow with Shift.
    Shift(KeyCode),
}

impl Key {
    /// The key that was pressed; `None` with Alt, which belongs to the terminal.
    pub fn of(event: &KeyEvent) -> Option<Key> {
        match event.code {
            KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => {
                Some(Key::Ctrl(c.to_ascii_lowercase()))
            }
            _ if event.modifiers.contains(KeyModifiers::ALT) => None,
            code @ (KeyCode::Left | KeyCode::Right | KeyCode::Up | KeyCode::Down)
                if event.modifiers.contains(KeyModifiers::SHIFT) =>
            {
                Some(Key::Shift(code))
            }
            code => Some(Key::Plain(code)),
        }
    }

    /// As people write it: `space`, `ctrl-c`.
    pub fn name(self) -> String {
        match self {
            Key::Ctrl(c) => format!("ctrl-{c}"),
            Key::Shift(code) => format!("shift-{}", Key::Plain(code).name()),
            Key::Plain(KeyCode::Char(' ')) => "space".into(),
            Key::Plain(KeyCode::Char(c)) => c.to_string(),
            Key::Plain(KeyCode::F(number)) => format!("F{number}"),
            Key::Plain(KeyCode::BackTab) => "shift-tab".into(),
            Key::Plain(code) => format!("{code:?}").to_lowercase(),
        }
    }
}
