//! A line that is typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::ui::format::plain;

/// Letters at most.
const LONGEST: usize = 200;

/// A line that is typed at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What was typed so far.
    pub text: String,
}

/// What a key made of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It is not done yet.
    On,
    /// It is done.
    Done,
    /// It was given up.
    Dropped,
}

impl Entry {
    /// Beginning with a text.
    pub fn with(text: &str) -> Entry {
        Entry { text: text.to_owned() }
    }

    /// Takes up a key.
    pub fn key(&mut self, key: KeyEvent) -> Typed {
        match key.code {
            KeyCode::Enter => return Typed::Done,
            KeyCode::Esc => return Typed::Dropped,
            KeyCode::Backspace => drop(self.text.pop()),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Typed::Dropped,
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => self.text.clear(),
            KeyCode::Char('w') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(kept);
            }
            KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                self.paste(&c.to_string());
            }
            _ => {}
        }
        Typed::On
    }

    /// Takes up pasted text.
    pub fn paste(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text.chars().count());
        self.text.extend(plain(text).chars().take(room));
    }
}
