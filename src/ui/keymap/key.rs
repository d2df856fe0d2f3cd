//! A key, as the terminal sends it and as the user's settings write it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::suggest::did_you_mean;

/// A key, alone or with a modifier. Shift with a character is another character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Plain(KeyCode),
    Ctrl(char),
    /// An arrow key with Shift.
    Shift(KeyCode),
}

impl Key {
    /// The key of an event; `None` with Alt, which belongs to the terminal.
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

    /// Whether it is text in an input.
    pub fn is_text(self) -> bool {
        matches!(self, Key::Plain(KeyCode::Char(_)))
    }

    /// The event of pressing the key.
    pub fn event(self) -> KeyEvent {
        match self {
            Key::Plain(code) => KeyEvent::new(code, KeyModifiers::NONE),
            Key::Ctrl(c) => KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL),
            Key::Shift(code) => KeyEvent::new(code, KeyModifiers::SHIFT),
        }
    }

    /// The key's name: `space`, `ctrl-c`.
    pub fn name(self) -> String {
        match self {
            Key::Ctrl(c) => format!("ctrl-{}", Key::Plain(KeyCode::Char(c)).name()),
            Key::Shift(code) => format!("shift-{}", Key::Plain(code).name()),
            Key::Plain(KeyCode::Char(' ')) => "space".into(),
            Key::Plain(KeyCode::Char(c)) => c.to_string(),
            Key::Plain(KeyCode::F(number)) => format!("F{number}"),
            Key::Plain(code) => {
                let named = NAMED.iter().find(|(_, known)| *known == code);
                named.map_or_else(|| format!("{code:?}").to_lowercase(), |(name, _)| name.to_string())
            }
        }
    }

    /// Parses a key's name.
    ///
    /// # Errors
    /// Why there is no such key.
    pub fn parse(name: &str) -> Result<Key, String> {
        let single = |text: &str| {
            let mut letters = text.chars();
            letters.next().filter(|c| letters.next().is_none() && !c.is_control())
        };
        if let Some(c) = single(name) {
            return Ok(Key::Plain(KeyCode::Char(c)));
        }
        if let Some(rest) = name.strip_prefix("ctrl-").or_else(|| name.strip_prefix("Ctrl-")) {
            let c = if rest == "space" { Some(' ') } else { single(rest) };
            return match c.map(|c| c.to_ascii_lowercase()) {
                Some(c) => match SENT_AS.iter().find(|(same, _)| *same == c) {
                    Some((_, other)) => Err(format!("\"{name}\": terminals send it as {other}")),
                    None => Ok(Key::Ctrl(c)),
                },
                None => Err(format!("no key \"{name}\": ctrl- takes one letter")),
            };
        }
        // shift-tab is a key of its own.
        if let Some(rest) = name.strip_prefix("shift-").filter(|rest| *rest != "tab") {
            return match NAMED.iter().find(|(known, _)| *known == rest) {
                Some((_, code)) => Ok(Key::Shift(*code)),
                None => Err(format!(
                    "no key \"{name}\": shift- takes a named key; write a capital letter for a letter with shift"
                )),
            };
        }
        if name == "space" {
            return Ok(Key::Plain(KeyCode::Char(' ')));
        }
        let number = name.strip_prefix(['F', 'f']).and_then(|number| number.parse().ok());
        if let Some(number @ 1..=24) = number {
            return Ok(Key::Plain(KeyCode::F(number)));
        }
        let named = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, code)| Key::Plain(*code)).ok_or_else(|| {
            let names = NAMED.iter().map(|(name, _)| *name).chain(["space"]);
            format!("no key \"{name}\"{}", did_you_mean(name, names))
        })
    }
}

/// The named keys.
const NAMED: [(&str, KeyCode); 15] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];

/// Letters that terminals with ctrl send as another key.
const SENT_AS: [(char, &str); 3] = [('i', "tab"), ('m', "enter"), ('[', "esc")];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = Key> {
        let letter = || any::<char>().prop_filter("none", |c| !c.is_control());
        prop_oneof![
            letter().prop_map(|c| Key::Plain(KeyCode::Char(c))),
            letter()
                .prop_map(|c| c.to_ascii_lowercase())
                .prop_filter("same", |c| SENT_AS.iter().all(|(same, _)| same != c))
                .prop_map(Key::Ctrl),
            (1u8..=24).prop_map(|number| Key::Plain(KeyCode::F(number))),
            (0..NAMED.len()).prop_map(|number| Key::Plain(NAMED[number].1)),
            (0..NAMED.len())
                .prop_filter("a key of its own", |number| !["tab", "shift-tab"].contains(&NAMED[*number].0))
                .prop_map(|number| Key::Shift(NAMED[number].1)),
        ]
    }

    proptest! {
        #[test]
        fn a_key_is_parsed_from_its_own_name(key in keys()) {
            prop_assert_eq!(Key::parse(&key.name()), Ok(key));
        }

        #[test]
        fn a_key_is_that_of_its_own_event(key in keys()) {
            // With shift only arrows are keys of their own.
            let arrow = |code| matches!(code, KeyCode::Left | KeyCode::Right | KeyCode::Up | KeyCode::Down);
            if !matches!(key, Key::Shift(code) if !arrow(code)) {
                prop_assert_eq!(Key::of(&key.event()), Some(key));
            }
        }

        #[test]
        fn any_name_is_parsed_or_rejected(name in ".{0,12}|(ctrl-|F).{0,3}") {
            if let Ok(key) = Key::parse(&name) {
                prop_assert_eq!(Key::parse(&key.name()), Ok(key));
            }
        }
    }
}
