//! The line in which a prompt is typed for the model to answer. What was asked before can be brought back.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::scene::Scene;
use crate::runs::History;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::window;

/// A prompt on its way.
#[derive(Default)]
pub struct Prompt {
    input: Input,
    /// What was asked before, the latest last.
    earlier: Vec<String>,
    /// Which of these is shown; as many as there are for what was typed.
    place: usize,
    /// What was typed before an earlier one was brought back.
    typed: String,
}

/// What a key made of the prompt.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// It is not done yet.
    On,
    /// It is to be asked.
    Done(String),
    /// It was given up.
    Dropped,
    /// The key means nothing to it.
    Foreign,
}

impl Prompt {
    /// An empty one, with what a run was asked before to be brought back.
    pub fn after(run: &History) -> Prompt {
        let mut earlier: Vec<String> = Vec::new();
        for answer in &run.completions {
            earlier.retain(|prompt| *prompt != answer.prompt);
            earlier.push(answer.prompt.clone());
        }
        Prompt { place: earlier.len(), earlier, ..Prompt::default() }
    }

    /// Takes up a key.
    pub fn key(&mut self, key: &KeyEvent) -> Typed {
        match key.code {
            KeyCode::Enter => match self.input.text() {
                text if text.trim().is_empty() => Typed::On,
                text => Typed::Done(text),
            },
            KeyCode::Esc => Typed::Dropped,
            KeyCode::Up if self.place > 0 => self.bring(self.place - 1),
            KeyCode::Down if self.place < self.earlier.len() => self.bring(self.place + 1),
            KeyCode::Up | KeyCode::Down => Typed::On,
            _ if self.input.key(*key) => Typed::On,
            _ => Typed::Foreign,
        }
    }

    /// Takes up pasted text.
    pub fn pasted(&mut self, text: &str) {
        self.input.insert(text);
    }

    fn bring(&mut self, place: usize) -> Typed {
        if self.place == self.earlier.len() {
            self.typed = self.input.text();
        }
        self.place = place;
        self.input = Input::new(self.earlier.get(place).unwrap_or(&self.typed));
        Typed::On
    }
}

/// Draws it over the first lines of an area: the last ones are where toasts come up.
pub fn draw(frame: &mut Frame, area: Rect, scene: Scene, prompt: &Prompt) {
    let height = area.height.min(3);
    let (up, esc) = (if scene.look.ascii { "up" } else { "↑" }, "esc leaves it");
    let note = format!("enter asks  {up} what was asked before  {esc}");
    let inner = window(frame, Rect { height, ..area }, scene.look, Title { note, ..Title::named("Ask") });
    let line = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    prompt.input.draw(frame, line.intersection(inner), scene.look.theme.bold(scene.look.theme.text));
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyModifiers;

    use super::*;
    use crate::protocol::Event;

    #[test]
    fn what_was_asked_before_is_brought_back_and_what_was_typed_too() {
        let mut run = History::default();
        for prompt in ["a", "b", "a"] {
            run.apply(Event::Sample { step: 1, prompt: prompt.into(), text: "x".into() });
        }
        let mut prompt = Prompt::after(&run);
        let mut press = |code| {
            let typed = prompt.key(&KeyEvent::new(code, KeyModifiers::NONE));
            (typed, prompt.input.text())
        };
        assert_eq!(press(KeyCode::Enter).0, Typed::On, "nothing is no question");
        press(KeyCode::Char('c'));
        assert_eq!(press(KeyCode::Up).1, "a");
        assert_eq!(press(KeyCode::Up).1, "b");
        assert_eq!(press(KeyCode::Up).1, "b");
        press(KeyCode::Down);
        assert_eq!(press(KeyCode::Down).1, "c");
        assert_eq!(press(KeyCode::Down).1, "c");
        press(KeyCode::Up);
        assert_eq!(press(KeyCode::Char('!')).1, "a!");
        assert_eq!(press(KeyCode::Enter).0, Typed::Done("a!".into()));
        assert_eq!(press(KeyCode::F(1)).0, Typed::Foreign);
        assert_eq!(press(KeyCode::Esc).0, Typed::Dropped);
    }
}
