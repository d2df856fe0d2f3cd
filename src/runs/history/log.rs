//! The log of a run: its latest lines.

use std::collections::VecDeque;

use crate::protocol::Level;

/// Lines kept.
pub(super) const LINES: usize = 1000;

/// A line of a run's log.
pub struct LogLine {
    /// Counted from 0 at the first line of the run.
    pub number: u64,
    /// Seconds since the start of the run.
    pub at: f64,
    pub level: Level,
    pub text: String,
}

/// Appends a line, and drops the oldest one if there are too many.
pub(super) fn write(log: &mut VecDeque<LogLine>, at: f64, level: Level, message: &str) {
    let number = log.back().map_or(0, |line| line.number + 1);
    if log.len() == LINES {
        log.pop_front();
    }
    // A control character could move the cursor or worse.
    let text = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    log.push_back(LogLine { number, at, level, text });
}
