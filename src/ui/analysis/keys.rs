//! What keys and the mouse do on the screen of an analysis.

use ratatui::layout::Rect;

use super::{AnalysisScreen, Part};
use crate::ui::input::UserInput;
use crate::ui::intent::Intent;
use crate::ui::keymap::{Action, Context, Keymap};
use crate::ui::theme::Look;

/// How far a key moves the cursor of a figure, as a share of its width.
const STEP: f64 = 0.02;

/// Rows of a page, and of the wheel.
const PAGE: isize = 10;
const WHEEL: isize = 3;

impl AnalysisScreen {
    /// Handles an input. `area` is the one that [`AnalysisScreen::draw`] draws on.
    pub fn handle(&mut self, input: &UserInput, area: Rect, keymap: &Keymap, look: &Look) -> Option<Intent> {
        match input {
            UserInput::Key(key) => return self.act(keymap.action(Context::Analysis, key)?, area, look),
            UserInput::ScrollUp(_) => self.scroll(-WHEEL, area, look),
            UserInput::ScrollDown(_) => self.scroll(WHEEL, area, look),
            UserInput::Paste(_) | UserInput::Click(_) | UserInput::Drag(_) => {}
        }
        None
    }

    /// Performs an action, as its key does.
    pub fn act(&mut self, action: Action, area: Rect, look: &Look) -> Option<Intent> {
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Back if self.full => self.full = false,
            Action::Back => return Some(Intent::LeaveAnalysis),
            Action::Enter if self.shown().is_some() => self.full = !self.full,
            Action::FocusNext => self.turn(1),
            Action::FocusPrevious => self.turn(-1),
            Action::Left => self.move_by(-1),
            Action::Right => self.move_by(1),
            Action::Up => self.scroll(-1, area, look),
            Action::Down => self.scroll(1, area, look),
            Action::PageUp => self.scroll(-PAGE, area, look),
            Action::PageDown => self.scroll(PAGE, area, look),
            Action::First => self.scrolled = 0,
            Action::Last => self.scroll(isize::MAX, area, look),
            Action::CancelAnalysis if self.applies(action) => {
                self.cancelling();
                return Some(Intent::CancelAnalysis);
            }
            Action::OpenFolder if self.applies(action) => return Some(Intent::OpenFolder(self.folder.clone())),
            Action::CopyPath if self.applies(action) => return Some(Intent::Copy(self.folder.display().to_string())),
            _ => {}
        }
        None
    }

    /// Goes to another part.
    fn turn(&mut self, by: isize) {
        let Some(report) = &self.report else { return };
        let count = Part::all(report).len() as isize;
        if count > 0 {
            self.part = (self.part as isize + by).rem_euclid(count) as usize;
            (self.scrolled, self.column, self.cursor) = (0, 0, None);
        }
    }

    /// Moves the cursor of a figure, or the columns of a table.
    fn move_by(&mut self, by: i8) {
        match self.shown() {
            Some(Part::Figure(_)) => {
                let from = self.cursor.unwrap_or(0.5);
                self.cursor = Some((from + f64::from(by) * STEP).clamp(0.0, 1.0));
            }
            Some(Part::Table(number)) => {
                let columns = self.report.as_ref().and_then(|report| report.tables.get(number));
                // The first column stays, and one more.
                let most = columns.map_or(0, |table| table.columns.len().saturating_sub(2));
                self.column = self.column.saturating_add_signed(isize::from(by)).min(most);
            }
            Some(Part::Findings | Part::Notes) | None => {}
        }
    }

    fn scroll(&mut self, by: isize, area: Rect, look: &Look) {
        let most = self.rows(area, look).saturating_sub(1);
        self.scrolled = self.scrolled.saturating_add_signed(by).min(most);
    }
}
