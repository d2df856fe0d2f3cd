//! The new name of a run while it is typed.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::line_input::InputOutcome;
use super::list::RunList;
use crate::runs::{RunEdit, RunEntry, RunState, name_error};
use crate::ui::format::{plain, wrapped};
use crate::ui::theme::Look;
use crate::ui::widgets::input::Input;
use crate::ui::widgets::popup::{PopupHit, PopupLayout, popup};

/// Columns of the dialog.
const WIDTH: u16 = 60;

/// A run and its new name.
#[derive(Clone, Debug, PartialEq)]
pub struct Renaming {
    run: PathBuf,
    /// The name before.
    before: String,
    input: Input,
    /// Why the run cannot be renamed to what is typed.
    complaint: Option<String>,
}

impl Renaming {
    pub fn new(run: &RunEntry) -> Renaming {
        let input = Input::new(&run.name);
        Renaming { run: run.path.clone(), before: run.name.clone(), input, complaint: None }
    }

    /// Asks for the name again that a run was not renamed to.
    pub fn again(run: PathBuf, name: &str, why: &str) -> Renaming {
        let before = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Renaming { run, before, input: Input::new(name), complaint: Some(why.to_owned()) }
    }

    /// Handles a key. A name that is not allowed is not submitted.
    pub fn key(&mut self, key: KeyEvent, list: &RunList) -> InputOutcome {
        match key.code {
            KeyCode::Esc => return InputOutcome::Cancelled,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return InputOutcome::Cancelled,
            KeyCode::Enter => {
                self.check(list);
                return match self.complaint {
                    Some(_) => InputOutcome::Editing,
                    None if self.name() == self.before => InputOutcome::Cancelled,
                    None => InputOutcome::Submitted,
                };
            }
            _ => {}
        }
        if self.input.key(key) {
            self.check(list);
        }
        InputOutcome::Editing
    }

    pub fn paste(&mut self, text: &str, list: &RunList) {
        self.input.insert(text.trim());
        self.check(list);
    }

    pub fn edit(&self) -> RunEdit {
        RunEdit::Rename { run: self.run.clone(), name: self.name() }
    }

    fn name(&self) -> String {
        self.input.text().trim().to_owned()
    }

    fn check(&mut self, list: &RunList) {
        let name = self.name();
        let entries = list.entries.as_deref().unwrap_or_default();
        let taken = name != self.before && entries.iter().any(|run| run.name == name);
        let active = entries.iter().any(|run| run.path == self.run && run.state == RunState::Running);
        self.complaint = match (name_error(&name), taken, active) {
            (Some(error), ..) => Some(error),
            (None, true, _) => Some(format!("a run \"{name}\" exists already")),
            (None, false, true) => Some("the run is active; stop it before renaming it".into()),
            (None, false, false) => None,
        };
    }

    /// The key that a click stands for: esc beside the dialog.
    pub fn click(&self, at: Position, area: Rect) -> Option<KeyCode> {
        let lines = self.lines(area).into_iter().map(|(line, _)| line);
        (PopupLayout::new(area, lines, WIDTH).hit(at) == PopupHit::Outside).then_some(KeyCode::Esc)
    }

    /// The lines of the dialog, and whether each is a complaint. The first is for the name.
    fn lines(&self, area: Rect) -> Vec<(String, bool)> {
        let room = usize::from(WIDTH.min(area.width)).saturating_sub(4);
        let said = self.complaint.as_ref().map(|complaint| wrapped(&plain(complaint), room)).unwrap_or_default();
        let said = said.into_iter().map(|line| (format!(" {line}"), true));
        let (name, blank, hint) = (String::new(), String::new(), " enter rename  esc cancel".to_owned());
        std::iter::once((name, false)).chain(said).chain([(blank, false), (hint, false)]).collect()
    }

    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        let style = |complaint| theme.style(if complaint { theme.error } else { theme.dim });
        let lines =
            self.lines(area).into_iter().map(|(line, complaint)| Line::styled(line, style(complaint))).collect();
        let inner = popup(frame, area, look, "Rename run", lines, WIDTH);
        let field = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), height: 1.min(inner.height), ..inner };
        let hue = if self.complaint.is_some() { theme.error } else { theme.text };
        self.input.draw(frame, field, theme.bold(hue));
    }
}
