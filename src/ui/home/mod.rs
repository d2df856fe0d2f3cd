//! Home: the presets, and what a run of the marked one would be.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::app::{Effect, Look};
use super::keymap::Action;
use super::widgets::panel::{Title, panel};
use crate::outlook::Outlook;
use crate::preset::Preset;

/// The presets and what is done with them.
pub struct Home {
    presets: Vec<Preset>,
    marked: usize,
}

impl Home {
    /// With these presets, in this order.
    pub fn new(presets: Vec<Preset>) -> Home {
        Home { presets, marked: 0 }
    }

    /// Whether keys are text now.
    pub fn typing(&self) -> bool {
        false
    }

    /// Takes up a key that is text.
    pub fn key(&mut self, _key: KeyEvent) -> Option<Effect> {
        None
    }

    /// Takes up pasted text.
    pub fn pasted(&mut self, _text: &str) -> Option<Effect> {
        None
    }

    /// Does what a key says.
    pub fn act(&mut self, action: Action) -> Option<Effect> {
        match action {
            Action::Up => self.marked = self.marked.saturating_sub(1),
            Action::Down => self.marked = (self.marked + 1).min(self.presets.len().saturating_sub(1)),
            Action::Enter => return Some(Effect::Launch(Box::new(self.presets.get(self.marked)?.clone()))),
            _ => {}
        }
        None
    }

    /// Takes up a click.
    pub fn click(&mut self, _at: Position, _area: Rect) -> Option<Effect> {
        None
    }

    /// Takes up what a run would take.
    pub fn learn(&mut self, _toml: &str, _outlook: Result<Outlook, String>) {}

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let inner = panel(frame, area, look, true, Title::named("Presets"));
        for ((number, preset), y) in self.presets.iter().enumerate().zip(inner.top()..inner.bottom()) {
            let theme = &look.theme;
            let style = if number == self.marked { theme.bold(theme.accent) } else { theme.style(theme.text) };
            let line = Line::styled(format!(" {:<14} {}", preset.name, preset.about), style);
            frame.render_widget(line, Rect { y, height: 1, ..inner });
        }
    }
}
