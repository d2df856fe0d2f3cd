//! Toasts: what has just happened, shown in a corner for a few seconds.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

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

/// The most columns and rows of a toast.
const WIDTH: u16 = 64;
const ROWS: usize = 3;

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

    /// Shows an event of a run, if it is worth a toast.
    pub fn of_event(&mut self, event: &Event) {
        match event {
            Event::Checkpointed { step, bytes, .. } => {
                self.info(format!("saved checkpoint at step {step} ({})", format::bytes(*bytes as f64)));
            }
            Event::System(system) => {
                let low = system.disk_free.filter(|free| *free < LOW_DISK);
                if let Some(free) = low.filter(|_| !self.warned_of_disk) {
                    let free = format::bytes(free as f64);
                    self.push(Level::Warning, format!("the disk is nearly full: {free} free"));
                }
                self.warned_of_disk = low.is_some();
            }
            Event::Eval(eval) if eval.best => {
                let scores = eval.scores.iter().take(2);
                let scores: Vec<String> =
                    scores.map(|(name, value)| format!("{name} {}", format::score(*value))).collect();
                self.info(format!("new best: {} at step {}", scores.join(", "), eval.step));
            }
            Event::Log { level: level @ (Level::Warning | Level::Error), message } => {
                self.push(*level, message.clone());
            }
            Event::Finished(finished) => self.info(match finished.reason {
                Reason::Completed => format!("completed after {}", format::duration(finished.elapsed)),
                Reason::EarlyStopped => format!("stopped early at step {}", finished.step),
                Reason::Stopped => format!("stopped at step {}", finished.step),
            }),
            _ => {}
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

    /// Draws the toasts at the right, from the bottom of an area up, the newest lowest.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        let mut bottom = area.bottom();
        for toast in self.toasts.iter().rev() {
            let (hue, sign) = match (toast.level, look.ascii) {
                (Level::Info, false) => (theme.good, "✔"),
                (Level::Info, true) => (theme.good, "+"),
                (Level::Warning, _) => (theme.warning, "!"),
                (Level::Error, false) => (theme.error, "✖"),
                (Level::Error, true) => (theme.error, "x"),
            };
            let room = usize::from(WIDTH.min(area.width).saturating_sub(5));
            let lines: Vec<String> = format::wrapped(&toast.text, room).into_iter().take(ROWS).collect();
            let width = lines.iter().map(|line| format::width(line)).max().unwrap_or(0) as u16 + 5;
            let height = lines.len() as u16;
            if height > bottom - area.top() || width > area.width {
                return;
            }
            bottom -= height;
            let place = Rect { x: area.right() - width, y: bottom, width, height };
            frame.render_widget(Clear, place);
            let edge = if look.ascii { "|" } else { "▌" };
            let line = |(number, text): (usize, &String)| {
                Line::from(vec![
                    Span::styled(edge, theme.style(hue)),
                    Span::styled(if number == 0 { format!(" {sign} ") } else { "   ".into() }, theme.bold(hue)),
                    Span::styled(text.clone(), theme.style(theme.text)),
                ])
            };
            let lines: Vec<Line> = lines.iter().enumerate().map(line).collect();
            frame.render_widget(Paragraph::new(lines).style(theme.marked_line()), place);
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
