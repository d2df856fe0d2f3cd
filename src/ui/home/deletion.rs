//! The question whether to delete one of the user's presets.

use std::path::PathBuf;

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::list::Entry;
use crate::ui::format::{fitted_end, plain, truncated};
use crate::ui::intent::Intent;
use crate::ui::saving::PresetEdit;
use crate::ui::theme::Look;
use crate::ui::widgets::popup::{PopupHit, PopupLayout, popup};

/// Columns of the dialog.
const WIDTH: u16 = 64;

/// A preset to delete, once that is confirmed.
#[derive(Clone, Debug)]
pub struct Deletion {
    name: String,
    path: PathBuf,
    /// Unsaved changes, which are lost with it.
    changes: usize,
}

/// An answer to the question.
pub enum DeletionAnswer {
    Yes(Intent),
    No,
    /// The key is no answer.
    Open,
}

impl Deletion {
    /// `None` for a built-in preset.
    pub fn of(entry: &Entry) -> Option<Deletion> {
        let path = entry.listed.path.clone()?;
        Some(Deletion { name: entry.listed.name.clone(), path, changes: entry.changes() })
    }

    pub fn key(&self, key: KeyCode) -> DeletionAnswer {
        match key {
            KeyCode::Char('y' | 'Y') => {
                DeletionAnswer::Yes(Intent::EditPreset(PresetEdit::Delete { name: self.name.clone() }))
            }
            KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => DeletionAnswer::No,
            _ => DeletionAnswer::Open,
        }
    }

    /// The key that a click stands for: an answer, or esc beside the question.
    pub fn key_at(&self, at: Position, area: Rect, look: &Look) -> Option<KeyCode> {
        let lines = self.lines(area, look);
        match PopupLayout::new(area, lines.iter().map(Line::to_string), WIDTH).hit(at) {
            PopupHit::Outside => Some(KeyCode::Esc),
            PopupHit::Line(line, column) if line + 1 == lines.len() => {
                let yes: usize = lines[line].spans.iter().take(2).map(Span::width).sum();
                Some(KeyCode::Char(if usize::from(column) < yes { 'y' } else { 'n' }))
            }
            PopupHit::Line(..) | PopupHit::Frame => None,
        }
    }

    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        popup(frame, area, look, "Delete preset", self.lines(area, look), WIDTH);
    }

    /// The lines of the question; the last has the answers.
    fn lines<'a>(&self, area: Rect, look: &Look) -> Vec<Line<'a>> {
        let theme = &look.theme;
        let room = usize::from(WIDTH.min(area.width)).saturating_sub(4);
        let line = |text: String, hue| Line::styled(format!(" {text}"), theme.style(hue));
        let mut lines = vec![
            Line::default(),
            line(truncated(&format!("Move {} to the trash?", plain(&self.name)), room, look.ascii), theme.text),
            line(fitted_end(&plain(&self.path.display().to_string()), room, look.ascii), theme.dim),
        ];
        match self.changes {
            0 => {}
            1 => lines.push(line("with its unsaved change".into(), theme.warning)),
            changes => lines.push(line(format!("with its {changes} unsaved changes"), theme.warning)),
        }
        let key = |key: &'static str| Span::styled(key, theme.bold(theme.accent));
        let word = |word: &'static str| Span::styled(word, theme.style(theme.text));
        lines.extend([
            Line::default(),
            Line::from(vec![key(" y"), word(" move to trash   "), key("n"), word(" cancel")]),
        ]);
        lines
    }
}
