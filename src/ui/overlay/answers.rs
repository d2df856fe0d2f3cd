//! The answers of a question: each has a key of its own; the cursor keys and enter choose among them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::text::{Line, Span};

use super::Scene;
use crate::ui::format::fitted;

/// An answer: its key, its words, and what it means.
pub(super) struct Answer<T> {
    pub key: char,
    pub words: String,
    pub means: T,
}

/// What a key does to a question.
pub(super) enum Choice<T> {
    /// The question stays.
    Open,
    /// It closes without an answer.
    Dismissed,
    Chosen(T),
}

impl<T: Copy> Answer<T> {
    pub(super) fn new(key: char, words: impl Into<String>, means: T) -> Answer<T> {
        Answer { key, words: words.into(), means }
    }
}

/// Handles a key. `selected` is the index of the answer under the cursor.
pub(super) fn choose<T: Copy>(answers: &[Answer<T>], selected: &mut usize, key: &KeyEvent) -> Choice<T> {
    let held = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let count = answers.len().max(1);
    let chosen = match key.code {
        KeyCode::Char(c) if !held => answers.iter().find(|answer| answer.key == c),
        KeyCode::Enter => answers.get(*selected),
        KeyCode::Esc => return Choice::Dismissed,
        KeyCode::Up | KeyCode::BackTab => {
            *selected = (*selected + count - 1) % count;
            None
        }
        KeyCode::Down | KeyCode::Tab => {
            *selected = (*selected + 1) % count;
            None
        }
        _ => None,
    };
    chosen.map_or(Choice::Open, |answer| Choice::Chosen(answer.means))
}

/// A line per answer in this many columns.
pub(super) fn lines<'a, T>(scene: &Scene, answers: &[Answer<T>], selected: usize, room: usize) -> Vec<Line<'a>> {
    let theme = &scene.look.theme;
    let line = |(number, answer): (usize, &Answer<T>)| {
        let here = number == selected;
        let style = if here { theme.bold(theme.text) } else { theme.style(theme.dim) };
        let row = Line::from(vec![
            Span::styled(if here { " > " } else { "   " }, theme.bold(theme.accent)),
            Span::styled(format!("{}  ", answer.key), theme.bold(theme.accent)),
            Span::styled(fitted(&answer.words, room.saturating_sub(6), scene.look.ascii), style),
        ]);
        if here { row.style(theme.marked_line()) } else { row }
    };
    answers.iter().enumerate().map(line).collect()
}
