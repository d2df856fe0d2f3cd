//! What happened a moment ago, in a corner for a few seconds.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Clear;

use super::app::Look;
use super::format;
use crate::protocol::{Event, Level, Reason};

/// How long a toast stays.
const STAYS: Duration = Duration::from_secs(5);

/// Toasts at a time.
const MOST: usize = 4;

/// What happened lately.
#[derive(Default)]
pub struct Toasts {
    now: Duration,
    toasts: Vec<Toast>,
}

struct Toast {
    level: Level,
    text: String,
    until: Duration,
}

impl Toasts {
    /// Something good to know.
    pub fn info(&mut self, text: impl Into<String>) {
        self.push(Level::Info, text.into());
    }

    /// Something that was asked for and not done.
    pub fn error(&mut self, text: impl Into<String>) {
        self.push(Level::Error, text.into());
    }

    /// What is worth a toast of what a run tells.
    pub fn of_event(&mut self, event: &Event) {
        match event {
            Event::Checkpointed { step, bytes, .. } => {
                self.info(format!("checkpoint of step {step}, {}", format::bytes(*bytes as f64)));
            }
            Event::Eval(eval) if eval.best => self.info(format!("best so far, at step {}", eval.step)),
            Event::Log { level: level @ (Level::Warning | Level::Error), message } => {
                self.push(*level, message.clone());
            }
            Event::Finished(finished) => self.info(match finished.reason {
                Reason::Completed => format!("completed after {}", format::duration(finished.elapsed)),
                Reason::Stopped => format!("stopped at step {}", finished.step),
            }),
            _ => {}
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        self.toasts.retain(|toast| toast.until > now);
    }

    /// Whether there is one that will go.
    pub fn waiting(&self) -> bool {
        !self.toasts.is_empty()
    }

    /// Draws them at the right, from the bottom of an area up.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        for (toast, row) in self.toasts.iter().rev().zip((area.top()..area.bottom()).rev()) {
            let hue = match toast.level {
                Level::Info => theme.good,
                Level::Warning => theme.warning,
                Level::Error => theme.error,
            };
            let bar = if look.ascii { "|" } else { "▌" };
            let line = Line::styled(format!("{bar} {} ", toast.text), theme.style(hue));
            let width = (line.width() as u16).min(area.width);
            let area = Rect { x: area.right() - width, y: row, width, height: 1 };
            frame.render_widget(Clear, area);
            frame.render_widget(line, area);
        }
    }

    fn push(&mut self, level: Level, text: String) {
        if self.toasts.len() == MOST {
            self.toasts.remove(0);
        }
        self.toasts.push(Toast { level, text: format::plain(&text), until: self.now + STAYS });
    }
}
