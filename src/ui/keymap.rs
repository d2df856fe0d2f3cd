//! One table of keys: it drives dispatch, the footer and the help.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table's help says it")]
pub enum Action {
    PauseOrResume,
    Checkpoint,
    Evaluate,
    StopAndSave,
    Quit,
    Help,
    FocusNext,
    FocusPrevious,
    Left,
    Right,
    Up,
    Down,
    Enter,
    Back,
    ZoomIn,
    ZoomOut,
    LogAxis,
    Smoothing,
    Axis,
    Theme,
    Suspend,
}

/// A line of the table.
pub struct Binding {
    /// The action.
    pub action: Action,
    /// Its keys, the first of them for the footer.
    pub keys: &'static [Key],
    /// A word or two for the footer; empty for what is not shown there.
    pub short: &'static str,
    /// A sentence for the help.
    pub help: &'static str,
}

/// A key, with or without Ctrl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Alone.
    Plain(KeyCode),
    /// With Ctrl.
    Ctrl(char),
}

use Key::{Ctrl, Plain};

const fn char(c: char) -> Key {
    Plain(KeyCode::Char(c))
}

/// Every key there is.
pub const BINDINGS: &[Binding] = &[
    Binding {
        action: Action::PauseOrResume,
        keys: &[char(' '), char('p')],
        short: "pause",
        help: "pause after this step, or go on",
    },
    Binding { action: Action::Checkpoint, keys: &[char('c')], short: "checkpoint", help: "write a checkpoint now" },
    Binding {
        action: Action::Evaluate,
        keys: &[char('e')],
        short: "evaluate",
        help: "evaluate on the held-out examples now",
    },
    Binding { action: Action::StopAndSave, keys: &[char('s')], short: "stop", help: "stop, with a checkpoint" },
    Binding {
        action: Action::Quit,
        keys: &[char('q'), Ctrl('c')],
        short: "quit",
        help: "quit; asks while the run goes",
    },
    Binding {
        action: Action::Help,
        keys: &[char('?'), Plain(KeyCode::F(1))],
        short: "help",
        help: "show or hide this help",
    },
    Binding { action: Action::FocusNext, keys: &[Plain(KeyCode::Tab)], short: "focus", help: "focus the next panel" },
    Binding {
        action: Action::FocusPrevious,
        keys: &[Plain(KeyCode::BackTab)],
        short: "",
        help: "focus the previous panel",
    },
    Binding {
        action: Action::Enter,
        keys: &[Plain(KeyCode::Enter)],
        short: "full screen",
        help: "show the focused chart in full",
    },
    Binding {
        action: Action::Back,
        keys: &[Plain(KeyCode::Esc)],
        short: "",
        help: "back to all panels, or close what is open",
    },
    Binding {
        action: Action::Left,
        keys: &[Plain(KeyCode::Left), char('h')],
        short: "",
        help: "focus to the left; in full screen move the cursor",
    },
    Binding {
        action: Action::Right,
        keys: &[Plain(KeyCode::Right), char('l')],
        short: "",
        help: "focus to the right; in full screen move the cursor",
    },
    Binding { action: Action::Up, keys: &[Plain(KeyCode::Up), char('k')], short: "", help: "focus above" },
    Binding { action: Action::Down, keys: &[Plain(KeyCode::Down), char('j')], short: "", help: "focus below" },
    Binding {
        action: Action::ZoomIn,
        keys: &[char('+'), char('=')],
        short: "",
        help: "in full screen, zoom in around the cursor",
    },
    Binding { action: Action::ZoomOut, keys: &[char('-')], short: "", help: "in full screen, zoom out" },
    Binding {
        action: Action::LogAxis,
        keys: &[char('L'), char('y')],
        short: "",
        help: "logarithmic values, or linear ones",
    },
    Binding {
        action: Action::Smoothing,
        keys: &[char('z')],
        short: "smooth",
        help: "smooth curves: a little, much, not at all",
    },
    Binding { action: Action::Axis, keys: &[char('x')], short: "", help: "steps along the axis, or time at work" },
    Binding { action: Action::Theme, keys: &[char('t')], short: "theme", help: "next theme" },
    Binding {
        action: Action::Suspend,
        keys: &[Ctrl('z')],
        short: "",
        help: "suspend; fg brings it back, bg lets it train on",
    },
];

/// What a key does, if anything.
pub fn action(event: &KeyEvent) -> Option<Action> {
    let key = match event.code {
        KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => Ctrl(c.to_ascii_lowercase()),
        _ if event.modifiers.contains(KeyModifiers::ALT) => return None,
        code => Plain(code),
    };
    BINDINGS.iter().find(|binding| binding.keys.contains(&key)).map(|binding| binding.action)
}

impl Key {
    /// As people write it: `space`, `ctrl-c`.
    pub fn name(self) -> String {
        match self {
            Ctrl(c) => format!("ctrl-{c}"),
            Plain(KeyCode::Char(' ')) => "space".into(),
            Plain(KeyCode::Char(c)) => c.to_string(),
            Plain(KeyCode::F(number)) => format!("F{number}"),
            Plain(KeyCode::BackTab) => "shift-tab".into(),
            Plain(code) => format!("{code:?}").to_lowercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things() {
        let keys: Vec<Key> = BINDINGS.iter().flat_map(|binding| binding.keys.iter().copied()).collect();
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(key), "{}", key.name());
        }
    }

    #[test]
    fn keys_are_read() {
        let press = |code, modifiers| action(&KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('p'), KeyModifiers::NONE), Some(Action::PauseOrResume));
        assert_eq!(press(KeyCode::Char('C'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::NONE), Some(Action::Checkpoint));
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
        assert_eq!(press(KeyCode::Char('p'), KeyModifiers::ALT), None);
    }
}
