//! Clicks and the wheel at Home.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Margin, Position, Rect};

use super::Home;
use super::layout::{HomeLayout, HomePart};
use super::settings;
use super::typing::Typing;
use crate::ui::intent::Intent;
use crate::ui::theme::Look;

impl Home {
    /// A click focuses a panel and selects what it hits; one on the selected setting edits it.
    pub(super) fn click(&mut self, at: Position, area: Rect, look: &Look) -> Option<Intent> {
        if let Some(Typing::Name(_) | Typing::Delete(_)) = &self.typing {
            return self.click_dialog(at, area, look);
        }
        self.keep_typed();
        let layout = HomeLayout::of(area, self.list.all_rows());
        let part = layout.part(at)?;
        let mut intent = None;
        match part {
            HomePart::List => {
                let inner = layout.list.inner(Margin::new(1, 1));
                let rows = usize::from(inner.height).saturating_sub(1);
                if let Some(row) = at.y.checked_sub(inner.y + 1) {
                    self.list.select_row(usize::from(row), rows);
                }
            }
            HomePart::Settings => {
                let inner = layout.settings.inner(Margin::new(1, 1));
                let focused = self.focus == HomePart::Settings;
                let entry = self.list.selected()?;
                let noted = settings::noted(entry, focused, self.error());
                let fields = self.settings.shown(entry);
                if let Some(field) = settings::field_at(&fields, self.settings.field, inner, noted, at.y) {
                    if focused && self.settings.field == field {
                        intent = self.begin_edit();
                    }
                    self.settings.field = field;
                }
            }
            HomePart::Preview => {}
        }
        self.focus = part;
        intent
    }

    /// A click beside a dialog closes it, as esc does, and does nothing else; one on an answer gives it.
    fn click_dialog(&mut self, at: Position, area: Rect, look: &Look) -> Option<Intent> {
        let key = match self.typing.as_ref()? {
            Typing::Name(naming) => (!naming.contains(at, area, look)).then_some(KeyCode::Esc),
            Typing::Delete(deletion) => deletion.key_at(at, area, look),
            Typing::Filter | Typing::SettingsFilter | Typing::Field(_) => None,
        };
        self.type_key(KeyEvent::new(key?, KeyModifiers::NONE))
    }

    pub(super) fn scroll(&mut self, at: Position, area: Rect, by: isize) {
        if let (None, Some(part)) = (&self.typing, HomeLayout::of(area, self.list.all_rows()).part(at)) {
            self.focus = part;
            self.go(by);
        }
    }
}
