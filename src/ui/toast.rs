//! Toasts: what has just happened, shown for a few seconds in lines of their own above the footer.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::format;
use super::theme::Look;
use crate::protocol::{Event, Level, Reason};

/// How long a toast stays. Errors stay longer.
fn stays(level: Level) -> Duration {
    Duration::from_secs(match level {
        Level::Info => 4,
        Level::Warning => 8,
        Level::Error => 12,
    })
}

/// The most lines of a toast.
const LINES: usize = 3;

/// Cells of the edge and the sign before a toast's text.
const SIGNS: usize = 4;

/// The most lines of all toasts in a terminal of so many rows.
fn most_lines(rows: u16) -> usize {
    usize::from(rows / 8).clamp(1, 6)
}

/// Free bytes below which a disk is nearly full.
const LOW_DISK: u64 = 2 << 30;

/// The most toasts at a time.
const MOST: usize = 4;

/// The toasts, the oldest first.
#[derive(Default)]
pub struct Toasts {
    toasts: Vec<Toast>,
    /// Whether the user was warned that the disk is nearly full.
    warned_of_disk: bool,
}

/// Where the run of an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility<'a> {
    /// On the screen; whether its log is too.
    OnScreen { logged: bool },
    /// Not on the screen; the run's name.
    Elsewhere(&'a str),
}

struct Toast {
    level: Level,
    text: String,
    /// When it disappears; `None` before the first frame that shows it, which a busy machine may delay.
    until: Option<Duration>,
}

impl Toasts {
    /// Shows something good to know.
    pub fn info(&mut self, text: impl Into<String>) {
        self.push(Level::Info, text.into());
    }

    /// Shows why something was not done.
    pub fn error(&mut self, text: impl Into<String>) {
        self.push(Level::Error, text.into());
    }

    /// Shows what the user asked to be warned of.
    pub fn warning(&mut self, text: impl Into<String>) {
        self.push(Level::Warning, text.into());
    }

    /// Shows an event of a run, if it is worth a toast. A run that is not on the screen is named; the log of one that is
    /// says what is merely good to know.
    pub fn of_event(&mut self, event: &Event, visibility: Visibility) {
        let (name, logged) = match visibility {
            Visibility::Elsewhere(name) => (Some(name), false),
            Visibility::OnScreen { logged } => (None, logged),
        };
        if logged && matches!(event, Event::Failed { .. }) {
            // The card says so.
            return;
        }
        let Some((level, text)) = self.text_of(event).filter(|(level, _)| *level > Level::Info || !logged) else {
            return;
        };
        match name.filter(|name| !name.is_empty()) {
            Some(name) => self.push(level, format!("{name}: {text}")),
            None => self.push(level, text),
        }
    }

    fn text_of(&mut self, event: &Event) -> Option<(Level, String)> {
        let info = |text| Some((Level::Info, text));
        match event {
            Event::Checkpointed { step, bytes, .. } => {
                info(format!("saved checkpoint at step {step} ({})", format::bytes(*bytes as f64)))
            }
            Event::System(system) => {
                let low = system.disk_free.filter(|free| *free < LOW_DISK);
                let warned = std::mem::replace(&mut self.warned_of_disk, low.is_some());
                let free = low.filter(|_| !warned).map(|free| format::bytes(free as f64))?;
                Some((Level::Warning, format!("the disk is nearly full: {free} free")))
            }
            Event::Eval(eval) if eval.best => {
                let scores = eval.scores.iter().take(2);
                let scores: Vec<String> =
                    scores.map(|(name, value)| format!("{name} {}", format::score(*value))).collect();
                info(format!("new best: {} at step {}", scores.join(", "), eval.step))
            }
            Event::Log { level: level @ (Level::Warning | Level::Error), message } => Some((*level, message.clone())),
            Event::Finished(finished) => info(match finished.reason {
                Reason::Completed => format!("completed after {}", format::duration(finished.elapsed)),
                Reason::EarlyStopped => format!("stopped early at step {}", finished.step),
                Reason::Stopped => format!("stopped at step {}", finished.step),
            }),
            Event::Failed { error, .. } => Some((Level::Error, format!("failed: {error}"))),
            _ => None,
        }
    }

    /// Removes the toasts whose time is over.
    pub fn tick(&mut self, now: Duration) {
        self.toasts.retain_mut(|toast| *toast.until.get_or_insert(now + stays(toast.level)) > now);
    }

    /// The number of toasts.
    pub fn count(&self) -> usize {
        self.toasts.len()
    }

    /// Lines that the toasts take in a terminal of this size.
    pub fn lines(&self, columns: u16, rows: u16) -> u16 {
        self.shown(columns, most_lines(rows), false).iter().map(|(_, lines)| lines.len() as u16).sum()
    }

    /// The newest text, for a terminal without room for toasts.
    pub fn latest(&self) -> Option<&str> {
        self.toasts.last().map(|toast| toast.text.as_str())
    }

    /// The newest toasts that fit into so many lines, the oldest of them first. The newest is always among them.
    fn shown(&self, columns: u16, most: usize, ascii: bool) -> Vec<(Level, Vec<String>)> {
        let room = usize::from(columns).saturating_sub(SIGNS + 1);
        let mut left = most;
        let mut shown = Vec::new();
        for toast in self.toasts.iter().rev() {
            let most = if shown.is_empty() { left.min(LINES) } else { LINES };
            let lines = format::wrapped_at_most(&toast.text, room, most, ascii);
            if lines.len() > left {
                break;
            }
            left -= lines.len();
            shown.push((toast.level, lines));
        }
        shown.reverse();
        shown
    }

    /// Draws the toasts on as many lines as [`Toasts::lines`] says, the newest lowest.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        let mut y = area.top();
        for (level, lines) in self.shown(area.width, usize::from(area.height), look.ascii) {
            let (hue, sign) = match (level, look.ascii) {
                (Level::Info, false) => (theme.good, "✔"),
                (Level::Info, true) => (theme.good, "+"),
                (Level::Warning, _) => (theme.warning, "!"),
                (Level::Error, false) => (theme.error, "✖"),
                (Level::Error, true) => (theme.error, "x"),
            };
            let edge = if look.ascii { "|" } else { "▌" };
            for (number, text) in lines.into_iter().enumerate() {
                let line = Line::from(vec![
                    Span::styled(edge, theme.style(hue)),
                    Span::styled(if number == 0 { format!(" {sign} ") } else { "   ".into() }, theme.bold(hue)),
                    Span::styled(text, theme.style(theme.text)),
                ]);
                frame.render_widget(line.style(theme.marked_line()), Rect { y, height: 1, ..area }.intersection(area));
                y = y.saturating_add(1);
            }
        }
    }

    /// A text that repeats the last one is shown once, for longer.
    fn push(&mut self, level: Level, text: String) {
        let text = format::plain(&text);
        if let Some(last) = self.toasts.last_mut().filter(|last| (last.level, &last.text) == (level, &text)) {
            last.until = None;
            return;
        }
        if self.toasts.len() == MOST {
            self.toasts.remove(0);
        }
        self.toasts.push(Toast { level, text, until: None });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_run_that_is_not_on_the_screen_is_named() {
        let mut toasts = Toasts::default();
        let saved = Event::Checkpointed { step: 8, path: "x".into(), bytes: 1024, seconds: 0.0, held_up: 0.0 };
        toasts.of_event(&saved, Visibility::OnScreen { logged: true });
        assert_eq!(toasts.count(), 0, "its log says so");
        toasts.of_event(&saved, Visibility::OnScreen { logged: false });
        toasts.of_event(&saved, Visibility::Elsewhere("demo"));
        toasts.of_event(&Event::warning("slow"), Visibility::OnScreen { logged: true });
        let texts: Vec<&str> = toasts.toasts.iter().map(|toast| toast.text.as_str()).collect();
        assert_eq!(
            texts,
            ["saved checkpoint at step 8 (1.0 KiB)", "demo: saved checkpoint at step 8 (1.0 KiB)", "slow"]
        );
    }

    proptest! {
        #[test]
        fn toasts_take_an_eighth_of_the_rows(texts in prop::collection::vec("[a-z 学]{0,200}", 0..6), columns in 0u16..200, rows in 0u16..100) {
            let mut toasts = Toasts::default();
            texts.iter().for_each(|text| toasts.error(text.clone()));
            let lines = toasts.lines(columns, rows);
            prop_assert!(usize::from(lines) <= most_lines(rows));
            prop_assert_eq!(lines > 0, !texts.is_empty());
        }
    }
}
