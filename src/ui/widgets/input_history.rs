//! Earlier texts of an input, browsed with up and down. The text that was being typed comes back at the end.

/// Texts that are kept.
pub const MAX_ENTRIES: usize = 500;

/// Earlier texts, and which of them is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputHistory {
    /// The latest last.
    entries: Vec<String>,
    /// Index of the text shown; the number of entries for the one being typed.
    shown: usize,
    /// The text that was being typed when the history was entered.
    typed: String,
}

impl InputHistory {
    /// A history of these texts, the latest last. Of equal texts the latest stays.
    pub fn of(texts: impl IntoIterator<Item = String>) -> InputHistory {
        let mut history = InputHistory::default();
        texts.into_iter().for_each(|text| history.push(text));
        history
    }

    /// Adds a text, and returns to the one being typed.
    pub fn push(&mut self, text: String) {
        self.entries.retain(|entry| *entry != text);
        self.entries.push(text);
        if self.entries.len() > MAX_ENTRIES {
            self.entries.remove(0);
        }
        self.shown = self.entries.len();
        self.typed.clear();
    }

    /// The text before the one shown; `current` is the input's text.
    pub fn earlier(&mut self, current: &str) -> Option<&str> {
        let index = self.shown.checked_sub(1)?;
        if self.shown == self.entries.len() {
            self.typed = current.to_owned();
        }
        self.shown = index;
        self.entries.get(index).map(String::as_str)
    }

    /// The text after the one shown.
    pub fn later(&mut self) -> Option<&str> {
        if self.shown == self.entries.len() {
            return None;
        }
        self.shown += 1;
        Some(self.entries.get(self.shown).unwrap_or(&self.typed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_bounded_and_has_no_text_twice() {
        let mut history = InputHistory::of(["a", "b", "a"].map(str::to_owned));
        assert_eq!(history.entries, ["b", "a"]);
        assert_eq!(history.later(), None);
        assert_eq!(history.earlier("typed"), Some("a"));
        assert_eq!(history.earlier("a"), Some("b"));
        assert_eq!(history.earlier("b"), None);
        assert_eq!(history.later(), Some("a"));
        assert_eq!(history.later(), Some("typed"));
        assert_eq!(history.later(), None);
        (0..2 * MAX_ENTRIES).for_each(|number| history.push(number.to_string()));
        assert_eq!((history.entries.len(), history.entries[0].as_str()), (MAX_ENTRIES, "500"));
        assert_eq!(history.earlier(""), Some("999"));
    }
}
