//! The checkpoints of a run, and which of them are pinned.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::runs::{CheckpointSummary, RunEntry};

use crate::ui::format::{grouped, plain};
use crate::ui::run_edit::RunEdit;
use crate::ui::theme::Look;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

const WIDTH: u16 = 56;

/// A run whose checkpoints are shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pins {
    pub run: PathBuf,
    name: String,
    kept: Vec<CheckpointSummary>,
    cursor: usize,
}

/// What a key asks for.
pub(super) enum Asked {
    /// To go on.
    Stay,
    /// To pin a checkpoint, or to take its pin away.
    Change(RunEdit),
    /// To be closed.
    Close,
}

impl Pins {
    /// Those of a run.
    pub fn of(run: &RunEntry) -> Pins {
        Pins { run: run.path.clone(), name: run.name.clone(), kept: run.checkpoints.clone(), cursor: 0 }
    }

    /// Takes up what there is now; the cursor stays with its checkpoint.
    pub fn learn(&mut self, run: &RunEntry) {
        let here = self.kept.get(self.cursor).map(|kept| kept.step);
        self.kept = run.checkpoints.clone();
        let place = self.kept.iter().position(|kept| Some(kept.step) == here);
        self.cursor = place.unwrap_or(self.cursor).min(self.kept.len().saturating_sub(1));
    }

    /// Takes up a key.
    pub fn key(&mut self, key: KeyEvent) -> Asked {
        let last = self.kept.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') => return Asked::Close,
            KeyCode::Up | KeyCode::Char('k') => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = last,
            KeyCode::Enter | KeyCode::Char('p' | ' ') => {
                if let Some(CheckpointSummary { step, pinned, .. }) = self.kept.get(self.cursor) {
                    let (run, step) = (self.run.clone(), *step);
                    let edit = if *pinned { RunEdit::Unpin { run, step } } else { RunEdit::Pin { run, step } };
                    return Asked::Change(edit);
                }
            }
            _ => {}
        }
        Asked::Stay
    }

    pub fn draw(&self, frame: &mut Frame, within: Rect, look: &Look) {
        let theme = &look.theme;
        let rows = u16::try_from(self.kept.len()).unwrap_or(u16::MAX).max(1);
        let area = middle(within, WIDTH.min(within.width), rows.saturating_add(2).min(within.height));
        let note = if self.kept.is_empty() { "esc closes" } else { "p pins, or takes the pin away  esc closes" };
        let name = plain(&self.name);
        let title = Title { note: note.into(), ..Title::named(&name) };
        let inner = window(frame, area, look, title);
        if self.kept.is_empty() {
            frame.render_widget(Line::styled(" no checkpoint was written yet", theme.style(theme.dim)), inner);
            return;
        }
        let first = (self.cursor + 1).saturating_sub(usize::from(inner.height));
        for ((place, kept), y) in self.kept.iter().enumerate().skip(first).zip(inner.top()..inner.bottom()) {
            let here = place == self.cursor;
            let style = if here { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let pin = if kept.pinned { "pinned" } else { "" };
            let line = Line::from(vec![
                Span::styled(if here { " > " } else { "   " }, theme.bold(theme.accent)),
                Span::styled(format!("step {:<12}", grouped(kept.step)), style),
                Span::styled(format!("{pin:<9}"), theme.bold(theme.selected)),
                Span::styled(if kept.best { "best" } else { "" }, theme.style(theme.score)),
            ]);
            let row = Rect { y, height: 1, ..inner };
            if here {
                frame.buffer_mut().set_style(row, theme.marked_line());
            }
            frame.render_widget(line, row);
        }
    }
}
