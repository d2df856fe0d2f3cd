//! The queue above the list of runs: which presets wait, and the keys that reorder and remove them.

use ratatui::layout::{Constraint, Layout, Margin, Position, Rect};

use crate::queue::{EntryState, QueueEntry, QueueMove, settings_apart};
use crate::ui::intent::Intent;
use crate::ui::keymap::Action;
use crate::ui::queue_edit::QueueEdit;

/// The most entries that are shown at a time.
const MOST: u16 = 6;

/// The queue, as it was listed last, and whether this workbench starts its runs.
#[derive(Default)]
pub struct QueuePanel {
    pub(super) entries: Vec<QueueEntry>,
    /// For each entry, the settings that set it apart from others of its preset.
    pub(super) apart: Vec<String>,
    /// Index of the selected entry.
    pub(super) cursor: usize,
    focused: bool,
    /// The entry that the next press of the same key removes.
    pub(super) removing: Option<u64>,
    /// Whether a run was started or queued here.
    active: bool,
    /// Whether the user has put the queue on hold.
    held: bool,
}

impl QueuePanel {
    /// Shows a new listing. The cursor stays on its entry.
    pub fn on_listed(&mut self, entries: Vec<QueueEntry>) {
        let here = self.entries.get(self.cursor).map(|entry| entry.id);
        let place = entries.iter().position(|entry| Some(entry.id) == here);
        self.cursor = place.unwrap_or(self.cursor).min(entries.len().saturating_sub(1));
        if entries != self.entries {
            self.apart = settings_apart(&entries);
            self.entries = entries;
        }
    }

    /// The number of entries that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.entries.iter().filter(|entry| entry.state == EntryState::Queued).count()
    }

    /// Whether this workbench starts queued runs.
    pub fn works(&self) -> bool {
        self.active && !self.held
    }

    /// Notes that a run trains in this process: queued runs follow it.
    pub fn on_own_run(&mut self) {
        self.active = true;
    }

    /// Starts queued runs from now on.
    pub fn release(&mut self) {
        (self.active, self.held) = (true, false);
    }

    /// Starts no queued runs until the user says so.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Whether the queue has the keys.
    pub(super) fn focused(&self) -> bool {
        self.focused && !self.entries.is_empty()
    }

    /// Whether there is anything in the queue.
    pub(super) fn any(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Takes the keys, if there is anything in the queue.
    pub(super) fn focus(&mut self) {
        self.focused = true;
    }

    /// Whether an action would do something while the queue has the keys.
    pub(super) fn applies(&self, action: Action) -> bool {
        match action {
            Action::QueueUp => self.cursor > 0,
            Action::QueueDown => self.cursor + 1 < self.entries.len(),
            Action::App(_)
            | Action::Up
            | Action::Down
            | Action::First
            | Action::Last
            | Action::Delete
            | Action::Enter
            | Action::FocusNext
            | Action::FocusPrevious
            | Action::Back => true,
            _ => false,
        }
    }

    /// The actions that come first in the footer while the queue has the keys, with their words.
    pub(super) fn first(&self) -> Vec<(Action, &'static str)> {
        vec![
            (Action::Enter, if self.works() { "hold" } else { "start" }),
            (Action::QueueUp, "earlier"),
            (Action::QueueDown, "later"),
            (Action::Delete, if self.removing.is_some() { "remove now" } else { "remove" }),
            (Action::Back, "runs"),
        ]
    }

    pub(super) fn act(&mut self, action: Action) -> Option<Intent> {
        if !self.applies(action) {
            return None;
        }
        let removing = self.removing.take();
        let entry = self.entries.get(self.cursor)?;
        let last = self.entries.len() - 1;
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Up => self.cursor = self.cursor.saturating_sub(1),
            Action::Down => self.cursor = (self.cursor + 1).min(last),
            Action::First => self.cursor = 0,
            Action::Last => self.cursor = last,
            Action::QueueUp => return Some(Intent::Queue(QueueEdit::Move(entry.id, QueueMove::Up))),
            Action::QueueDown => return Some(Intent::Queue(QueueEdit::Move(entry.id, QueueMove::Down))),
            Action::Delete if removing == Some(entry.id) => return Some(Intent::Queue(QueueEdit::Remove(entry.id))),
            Action::Delete => self.removing = Some(entry.id),
            Action::Enter if self.works() => self.hold(),
            Action::Enter => {
                self.release();
                return Some(Intent::StartNext);
            }
            Action::FocusNext | Action::FocusPrevious | Action::Back => self.focused = false,
            _ => {}
        }
        None
    }

    /// A click on an entry selects it. Whether the panel was hit.
    pub(super) fn click(&mut self, at: Position, area: Rect) -> bool {
        let hit = area.contains(at);
        if hit {
            self.focus();
            let inner = area.inner(Margin::new(1, 1));
            if inner.contains(at) {
                let place = self.first_visible(inner.height) + usize::from(at.y - inner.y);
                self.cursor = place.min(self.entries.len().saturating_sub(1));
            }
        } else {
            self.focused = false;
        }
        hit
    }

    /// The panel at the top of an area, and the rest. Without entries, the panel has no height.
    pub(super) fn split(&self, area: Rect) -> [Rect; 2] {
        let rows = u16::try_from(self.entries.len()).unwrap_or(u16::MAX).min(MOST).min(area.height / 6);
        let height = if rows == 0 { 0 } else { rows + 2 };
        Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area)
    }

    /// Index of the first entry in so many rows.
    pub(super) fn first_visible(&self, rows: u16) -> usize {
        (self.cursor + 1).saturating_sub(usize::from(rows.max(1)))
    }
}
