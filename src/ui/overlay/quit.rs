//! The question what becomes of a run that goes.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Overlay, popup};
use crate::protocol::Command;
use crate::ui::app::{App, Effect, Look};

/// Answers to the question: key, words, and what they order.
const ANSWERS: [(char, &str, Option<Command>); 3] = [
    ('s', "stop and save a checkpoint", Some(Command::Stop { save: true })),
    ('d', "stop and discard what came after the last checkpoint", Some(Command::Stop { save: false })),
    ('k', "keep running, and stay here", None),
];

/// Takes up a key.
pub(super) fn answer(app: &mut App, marked: usize, key: KeyEvent) -> Option<Effect> {
    let chosen = match key.code {
        KeyCode::Char(c) => ANSWERS.iter().position(|(key, ..)| *key == c),
        KeyCode::Enter => Some(marked),
        KeyCode::Esc => return None,
        KeyCode::Up | KeyCode::BackTab => {
            app.overlay = Some(Overlay::Quit((marked + ANSWERS.len() - 1) % ANSWERS.len()));
            return None;
        }
        KeyCode::Down | KeyCode::Tab => {
            app.overlay = Some(Overlay::Quit((marked + 1) % ANSWERS.len()));
            return None;
        }
        _ => None,
    };
    let Some(chosen) = chosen else {
        app.overlay = Some(Overlay::Quit(marked));
        return None;
    };
    let command = ANSWERS[chosen].2.clone()?;
    app.leaving = true;
    // It may have ended while the question stood.
    match app.live.as_mut().and_then(|live| live.ask("stopping…", command)) {
        Some(order) => Some(order),
        None => Some(Effect::Leave),
    }
}

pub(super) fn draw(frame: &mut Frame, area: Rect, look: &Look, marked: usize) {
    let theme = &look.theme;
    let mut lines = vec![
        Line::default(),
        Line::styled(" A run is going. What becomes of it?", theme.style(theme.text)),
        Line::default(),
    ];
    for (number, (key, words, _)) in ANSWERS.iter().enumerate() {
        let here = number == marked;
        let style = if here { theme.bold(theme.text) } else { theme.style(theme.dim) };
        let row = Line::from(vec![
            Span::styled(if here { " > " } else { "   " }, theme.bold(theme.accent)),
            Span::styled(format!("{key}  "), theme.bold(theme.accent)),
            Span::styled(format!("{words:<57}"), style),
        ]);
        lines.push(if here { row.style(theme.marked_line()) } else { row });
    }
    lines.push(Line::default());
    popup(frame, area, look, "Quit", lines, 66);
}
