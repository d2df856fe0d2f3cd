//! The dialog that lists a run's checkpoints and pins them.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::{Margin, Position, Rect};
use ratatui::text::{Line, Span};

use crate::runs::{CheckpointSummary, RunEdit, RunEntry};
use crate::ui::format::{grouped, plain};

use crate::ui::theme::Look;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

const WIDTH: u16 = 56;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PinDialog {
    pub(super) run: PathBuf,
    name: String,
    kept: Vec<CheckpointSummary>,
    cursor: usize,
}

/// The outcome of a key.
pub(super) enum PinOutcome {
    Open,
    /// Pin or unpin the checkpoint under the cursor.
    Change(RunEdit),
    Close,
}

impl PinDialog {
    pub(super) fn new(run: &RunEntry) -> PinDialog {
        PinDialog { run: run.path.clone(), name: run.name.clone(), kept: run.checkpoints.clone(), cursor: 0 }
    }

    /// Updates the checkpoints; the cursor stays on its checkpoint.
    pub(super) fn refresh(&mut self, run: &RunEntry) {
        let current = self.kept.get(self.cursor).map(|kept| kept.step);
        self.kept = run.checkpoints.clone();
        let index = self.kept.iter().position(|kept| Some(kept.step) == current);
        self.cursor = index.unwrap_or(self.cursor).min(self.kept.len().saturating_sub(1));
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> PinOutcome {
        let last = self.kept.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') => return PinOutcome::Close,
            KeyCode::Up | KeyCode::Char('k') => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = last,
            KeyCode::Enter | KeyCode::Char('p' | ' ') => {
                if let Some(CheckpointSummary { step, pinned, .. }) = self.kept.get(self.cursor) {
                    let (run, step) = (self.run.clone(), *step);
                    let edit = if *pinned { RunEdit::Unpin { run, step } } else { RunEdit::Pin { run, step } };
                    return PinOutcome::Change(edit);
                }
            }
            _ => {}
        }
        PinOutcome::Open
    }

    /// The key that a click stands for: esc beside the dialog, enter on the checkpoint under the cursor. One on another
    /// checkpoint moves the cursor there.
    pub(super) fn click(&mut self, at: Position, within: Rect) -> Option<KeyCode> {
        let area = self.area(within);
        let inner = area.inner(Margin::new(1, 1));
        if !area.contains(at) {
            return Some(KeyCode::Esc);
        }
        let row = self.first(inner.height) + usize::from(at.y.checked_sub(inner.y)?);
        if !inner.contains(at) || row >= self.kept.len() {
            return None;
        }
        if row == self.cursor {
            return Some(KeyCode::Enter);
        }
        self.cursor = row;
        None
    }

    /// The area of the dialog. Drawing and clicks read the same.
    fn area(&self, within: Rect) -> Rect {
        let rows = u16::try_from(self.kept.len()).unwrap_or(u16::MAX).max(1);
        middle(within, WIDTH.min(within.width), rows.saturating_add(2).min(within.height))
    }

    /// The first checkpoint in view.
    fn first(&self, rows: u16) -> usize {
        (self.cursor + 1).saturating_sub(usize::from(rows))
    }

    pub(super) fn draw(&self, frame: &mut Frame, within: Rect, look: &Look) {
        let theme = &look.theme;
        let area = self.area(within);
        let note = if self.kept.is_empty() { "esc close" } else { "p pin/unpin  esc close" };
        let name = plain(&self.name);
        let values = vec![Span::styled(name, theme.bold(theme.text))];
        let title = Title { name: "Checkpoints", values, note: note.into() };
        let inner = window(frame, area, look, title);
        if self.kept.is_empty() {
            frame.render_widget(Line::styled(" no checkpoints yet", theme.style(theme.dim)), inner);
            return;
        }
        let first = self.first(inner.height);
        for ((index, kept), y) in self.kept.iter().enumerate().skip(first).zip(inner.top()..inner.bottom()) {
            let current = index == self.cursor;
            let style = if current { theme.bold(theme.text) } else { theme.style(theme.dim) };
            let pin = if kept.pinned { "pinned" } else { "" };
            let line = Line::from(vec![
                Span::styled(if current { " > " } else { "   " }, theme.bold(theme.accent)),
                Span::styled(format!("step {:<12}", grouped(kept.step)), style),
                Span::styled(format!("{pin:<9}"), theme.bold(theme.selected)),
                Span::styled(if kept.best { "best" } else { "" }, theme.style(theme.score)),
            ]);
            let row = Rect { y, height: 1, ..inner };
            if current {
                frame.buffer_mut().set_style(row, theme.marked_line());
            }
            frame.render_widget(line, row);
        }
    }
}
