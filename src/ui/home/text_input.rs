//! Keys that are text at Home: they go into the filter, the value of a field, or the name to save under.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Home;
use super::typing::{Editing, Naming, Typing};
use crate::ui::intent::Intent;
use crate::ui::widgets::input::Input;

impl Home {
    pub(super) fn type_key(&mut self, key: KeyEvent) -> Option<Intent> {
        let cancels =
            key.code == KeyCode::Esc || key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match self.typing.take()? {
            Typing::Filter => {
                self.filter(key, cancels);
                None
            }
            Typing::Field(editing) => {
                self.edit(editing, key, cancels);
                None
            }
            Typing::Name(naming) => self.name(naming, key, cancels),
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        // A copied line may bring blanks at its ends along.
        let text = text.trim();
        match &mut self.typing {
            Some(Typing::Filter) => {
                self.list.filter.insert(text);
                self.list.settle();
            }
            Some(Typing::Field(editing)) => {
                editing.input.insert(text);
                if let Some(Ok(draft)) = self.list.selected().map(|entry| &entry.listed.draft) {
                    editing.check(draft);
                }
            }
            Some(Typing::Name(naming)) => {
                naming.input.insert(text);
                naming.check(&self.list);
            }
            None => {}
        }
    }

    /// Ends typing. A value that is valid is kept.
    pub fn keep_typed(&mut self) {
        if let Some(Typing::Field(editing)) = self.typing.take()
            && editing.outcome.is_ok()
            && let Some(entry) = self.list.selected_mut()
        {
            entry.change(|draft| *draft = editing.applied(draft));
        }
        self.note_subject();
    }

    fn filter(&mut self, key: KeyEvent, cancels: bool) {
        match key.code {
            _ if cancels => self.list.filter = Input::default(),
            KeyCode::Enter => {}
            KeyCode::Up | KeyCode::Down => {
                self.list.go(if key.code == KeyCode::Up { -1 } else { 1 });
                self.typing = Some(Typing::Filter);
            }
            _ => {
                self.list.filter.key(key);
                self.typing = Some(Typing::Filter);
            }
        }
        self.list.settle();
    }

    fn edit(&mut self, mut editing: Box<Editing>, key: KeyEvent, cancels: bool) {
        let Some(entry) = self.list.selected_mut().filter(|_| !cancels) else { return };
        if key.code == KeyCode::Enter {
            // An invalid value stays in the field with its error.
            match &editing.outcome {
                Ok(_) => entry.change(|draft| *draft = editing.applied(draft)),
                Err(_) => self.typing = Some(Typing::Field(editing)),
            }
            return;
        }
        if editing.input.key(key)
            && let Ok(draft) = &entry.listed.draft
        {
            editing.check(draft);
        }
        self.typing = Some(Typing::Field(editing));
    }

    fn name(&mut self, mut naming: Naming, key: KeyEvent, cancels: bool) -> Option<Intent> {
        if cancels {
            return None;
        }
        if key.code == KeyCode::Enter && naming.complaint.is_none() {
            let Ok(draft) = &self.list.selected()?.listed.draft else { return None };
            return naming.request(draft).ok().map(Intent::SavePreset);
        }
        naming.input.key(key);
        naming.check(&self.list);
        self.typing = Some(Typing::Name(naming));
        None
    }
}
