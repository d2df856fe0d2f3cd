//! Scroll position and filters of the log.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::protocol::Level;
use crate::runs::{History, LogLine};

/// Scroll position and filters of the log.
pub struct LogView {
    /// Number of the first visible line; `None` follows the newest.
    pub(super) top: Option<u64>,
    /// Columns scrolled to the right.
    pub(super) column: u16,
    /// Text that visible lines contain.
    pub(super) filter: String,
    /// Whether keys edit the filter.
    pub(super) typing: bool,
    /// The lowest visible level.
    pub(super) min_level: Level,
}

impl Default for LogView {
    fn default() -> LogView {
        LogView { top: None, column: 0, filter: String::new(), typing: false, min_level: Level::Info }
    }
}

impl LogView {
    /// Whether lines are filtered by text.
    pub(super) fn filtered(&self) -> bool {
        !self.filter.is_empty()
    }

    /// Handles a key of the filter; returns whether it is bound.
    pub(super) fn key(&mut self, key: &KeyEvent) -> bool {
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

    pub(super) fn pasted(&mut self, text: &str) {
        self.filter.extend(text.chars().filter(|c| !c.is_control()));
    }

    /// The lines that pass the filters.
    pub(super) fn lines<'a>(&self, run: &'a History) -> Vec<&'a LogLine> {
        let filter = self.filter.to_lowercase();
        let lines = run.log.iter().filter(|line| line.level >= self.min_level);
        lines.filter(|line| filter.is_empty() || line.text.to_lowercase().contains(&filter)).collect()
    }

    /// Index of the first of these lines to show in a panel of `rows` rows.
    pub(super) fn first_visible(&self, lines: &[&LogLine], rows: usize) -> usize {
        let end = lines.len().saturating_sub(rows);
        self.top.map_or(end, |top| lines.partition_point(|line| line.number < top).min(end))
    }
}
