//! The input line for a prompt to the model, with a history of earlier prompts.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::scene::Scene;
use crate::runs::History;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::input_history::InputHistory;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::window;

/// A prompt being typed.
#[derive(Default)]
pub(super) struct Prompt {
    input: Input,
    history: InputHistory,
}

/// The outcome of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PromptOutcome {
    Editing,
    Submitted(String),
    Cancelled,
    /// The key is not bound here.
    Ignored,
}

impl Prompt {
    /// An empty prompt whose history holds the run's prompts.
    pub(super) fn after(run: &History) -> Prompt {
        let prompts = run.completions.iter().map(|completion| completion.prompt.clone());
        Prompt { history: InputHistory::of(prompts), ..Prompt::default() }
    }

    pub(super) fn key(&mut self, key: &KeyEvent) -> PromptOutcome {
        match key.code {
            KeyCode::Enter => match self.input.text() {
                text if text.trim().is_empty() => PromptOutcome::Editing,
                text => PromptOutcome::Submitted(text),
            },
            KeyCode::Esc => PromptOutcome::Cancelled,
            KeyCode::Up | KeyCode::Down => {
                let up = key.code == KeyCode::Up;
                let text = if up { self.history.earlier(&self.input.text()) } else { self.history.later() };
                if let Some(text) = text {
                    self.input = Input::new(text);
                }
                PromptOutcome::Editing
            }
            _ if self.input.key(*key) => PromptOutcome::Editing,
            _ => PromptOutcome::Ignored,
        }
    }

    pub(super) fn pasted(&mut self, text: &str) {
        self.input.insert(text);
    }
}

/// The area of the prompt over a tab's.
pub(super) fn area(body: Rect) -> Rect {
    Rect { height: body.height.min(3), ..body }
}

/// Draws the prompt over the first lines of an area.
pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene, prompt: &Prompt) {
    let up = if scene.look.ascii { "up" } else { "↑" };
    let note = format!("enter send  {up} history  esc cancel");
    let inner = window(frame, area(body), scene.look, Title { note, ..Title::named("Prompt") });
    let line = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    prompt.input.draw(frame, line.intersection(inner), scene.look.theme.bold(scene.look.theme.text));
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyModifiers;

    use super::*;
    use crate::protocol::Event;

    #[test]
    fn up_and_down_browse_the_history_and_return_to_the_typed_text() {
        let mut run = History::default();
        for prompt in ["a", "b", "a"] {
            run.apply(Event::Sample { step: 1, prompt: prompt.into(), text: "x".into() });
        }
        let mut prompt = Prompt::after(&run);
        let mut press = |code| {
            let outcome = prompt.key(&KeyEvent::new(code, KeyModifiers::NONE));
            (outcome, prompt.input.text())
        };
        assert_eq!(press(KeyCode::Enter).0, PromptOutcome::Editing, "an empty prompt is not sent");
        press(KeyCode::Char('c'));
        assert_eq!(press(KeyCode::Up).1, "a");
        assert_eq!(press(KeyCode::Up).1, "b");
        assert_eq!(press(KeyCode::Up).1, "b");
        press(KeyCode::Down);
        assert_eq!(press(KeyCode::Down).1, "c");
        assert_eq!(press(KeyCode::Down).1, "c");
        press(KeyCode::Up);
        assert_eq!(press(KeyCode::Char('!')).1, "a!");
        assert_eq!(press(KeyCode::Enter).0, PromptOutcome::Submitted("a!".into()));
        assert_eq!(press(KeyCode::F(1)).0, PromptOutcome::Ignored);
        assert_eq!(press(KeyCode::Esc).0, PromptOutcome::Cancelled);
    }
}
