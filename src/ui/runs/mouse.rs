//! The mouse on the list of runs and on its dialogs.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};

use super::mode::Mode;
use super::{Runs, dialog, table};
use crate::ui::intent::Intent;
use crate::ui::keymap::Action;

impl Runs {
    /// A click on a dialog is one of its keys. Otherwise one on a column's name sorts by it, one on a run selects it, and
    /// one on the selected run opens it.
    pub(super) fn click(&mut self, at: Position, area: Rect) -> Option<Intent> {
        let key = match &mut self.mode {
            Mode::List => return self.click_table(at, area),
            Mode::Filter { .. } => {
                self.mode = Mode::List;
                return self.click_table(at, area);
            }
            Mode::Export(form) => form.click(at, area),
            Mode::Pins(pins) => pins.click(at, area),
            Mode::Rename(renaming) => renaming.click(at, area),
            mode => dialog::key_at(mode, area, at),
        };
        self.type_key(KeyEvent::new(key?, KeyModifiers::NONE))
    }

    /// The wheel moves in the list of the dialog, or else in the table if the pointer is over it.
    pub(super) fn scroll(&mut self, at: Position, area: Rect, up: bool) -> Option<Intent> {
        match self.mode {
            Mode::Pins(_) | Mode::Export(_) => {
                let key = if up { KeyCode::Up } else { KeyCode::Down };
                self.type_key(KeyEvent::new(key, KeyModifiers::NONE))
            }
            Mode::List | Mode::Filter { .. } if self.parts(self.queue.split(area)[1])[0].contains(at) => {
                self.act(if up { Action::Up } else { Action::Down }, area)
            }
            _ => None,
        }
    }

    fn click_table(&mut self, at: Position, area: Rect) -> Option<Intent> {
        let [queue, area] = self.queue.split(area);
        if self.queue.click(at, queue) {
            return None;
        }
        let [table, below] = self.parts(area);
        if below.contains(at) {
            self.click_on_comparison(at, below);
            return None;
        }
        match table::hit(&self.list, table, at)? {
            table::Hit::Column(column) => self.list.sort_by(column),
            table::Hit::Run(place) if place == self.list.cursor => return self.act(Action::Enter, area),
            table::Hit::Run(place) => self.list.cursor = place,
        }
        None
    }
}
