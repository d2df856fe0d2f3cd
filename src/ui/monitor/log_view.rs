//! What is looked at of the log: the filter, the level, and the first line shown.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::protocol::Level;
use crate::runs::{History, LogLine};

/// What is looked at of the log.
pub struct LogView {
    /// Number of the first line shown; `None` follows the newest.
    pub(super) top: Option<u64>,
    /// Columns left out at the left.
    pub(super) aside: u16,
    /// What a line must hold.
    pub(super) filter: String,
    /// Whether keys are written into the filter.
    pub typing: bool,
    /// The least grave lines shown.
    pub(super) least: Level,
}

impl Default for LogView {
    fn default() -> LogView {
        LogView { top: None, aside: 0, filter: String::new(), typing: false, least: Level::Info }
    }
}

impl LogView {
    /// Whether only some of the lines are shown.
    pub fn filtered(&self) -> bool {
        !self.filter.is_empty()
    }

    /// Takes up a key that is text, unless it is none.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        match key.code {
            _ if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => return false,
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) => self.filter.push(c),
            _ => return false,
        }
        true
    }

    /// Takes up pasted text.
    pub fn pasted(&mut self, text: &str) {
        self.filter.extend(text.chars().filter(|c| !c.is_control()));
    }

    /// The lines that filter and level leave.
    pub(super) fn lines<'a>(&self, run: &'a History) -> Vec<&'a LogLine> {
        let wanted = self.filter.to_lowercase();
        let lines = run.log.iter().filter(|line| line.level >= self.least);
        lines.filter(|line| wanted.is_empty() || line.text.to_lowercase().contains(&wanted)).collect()
    }

    /// The first of these lines to show on so many rows.
    pub(super) fn first(&self, lines: &[&LogLine], rows: usize) -> usize {
        let end = lines.len().saturating_sub(rows);
        self.top.map_or(end, |top| lines.partition_point(|line| line.number < top).min(end))
    }
}
