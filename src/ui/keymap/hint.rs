//! A key and what it does now in a word or two, as the footer shows it.

use crossterm::event::KeyCode;

use super::Key;

/// A key and what it does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    pub key: Key,
    pub word: &'static str,
}

impl Hint {
    pub const fn new(key: Key, word: &'static str) -> Hint {
        Hint { key, word }
    }

    pub const fn enter(word: &'static str) -> Hint {
        Hint::new(Key::Plain(KeyCode::Enter), word)
    }

    pub const fn esc(word: &'static str) -> Hint {
        Hint::new(Key::Plain(KeyCode::Esc), word)
    }

    pub const fn tab(word: &'static str) -> Hint {
        Hint::new(Key::Plain(KeyCode::Tab), word)
    }

    pub const fn letter(letter: char, word: &'static str) -> Hint {
        Hint::new(Key::Plain(KeyCode::Char(letter)), word)
    }
}
