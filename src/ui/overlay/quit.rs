//! The question what becomes of a run that goes.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Overlay, popup};
use crate::protocol::Command;
use crate::ui::app::{App, Effect, Look};

/// Answers to the question: key, words, whether what was reached is saved, and whether the run goes on from there.
const ANSWERS: [(char, &str, bool, bool); 3] = [
    ('s', "stop and save a checkpoint", true, false),
    ('d', "stop and discard what came after the last checkpoint", false, false),
    ('k', "keep running in the background", true, true),
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
    let (_, _, save, staying_behind) = ANSWERS[chosen];
    (app.leaving, app.staying_behind) = (true, staying_behind);
    let (word, command) = (if staying_behind { "leaving…" } else { "stopping…" }, Command::Stop { save });
    // It may have ended while the question stood.
    match app.live.as_mut().and_then(|live| live.ask(word, command)) {
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
    for (number, (key, words, ..)) in ANSWERS.iter().enumerate() {
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
    lines.push(Line::styled(" esc stays; `finesift attach` shows a run in the background", theme.style(theme.dim)));
    popup(frame, area, look, "Quit", lines, 66);
}
