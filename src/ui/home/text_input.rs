//! Keys that are text or an answer at Home: they go into a filter, the value of a setting, a name, or a question.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Home;
use super::deletion::DeletionAnswer;
use super::editor::{EditOutcome, Editing};
use super::naming::Naming;
use super::typing::Typing;
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
            Typing::SettingsFilter => {
                self.filter_settings(key, cancels);
                None
            }
            Typing::Field(editing) => {
                self.edit(editing, key, cancels);
                None
            }
            Typing::Name(naming) => self.name(naming, key, cancels),
            Typing::Delete(_) if cancels => None,
            Typing::Delete(deletion) => match deletion.key(key.code) {
                DeletionAnswer::Yes(intent) => Some(intent),
                DeletionAnswer::No => None,
                DeletionAnswer::Open => {
                    self.typing = Some(Typing::Delete(deletion));
                    None
                }
            },
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
            Some(Typing::SettingsFilter) => {
                if let Some(entry) = self.list.selected() {
                    self.settings.set_filter(entry, |filter| {
                        filter.insert(text);
                    });
                }
            }
            Some(Typing::Field(editing)) => {
                if let Some(Ok(draft)) = self.list.selected().map(|entry| &entry.listed.draft) {
                    editing.paste(text, draft);
                }
            }
            Some(Typing::Name(naming)) => {
                naming.input.insert(text);
                naming.check(&self.list);
            }
            Some(Typing::Delete(_)) | None => {}
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

    fn filter_settings(&mut self, key: KeyEvent, cancels: bool) {
        let Some(entry) = self.list.selected() else { return };
        match key.code {
            _ if cancels => self.settings.set_filter(entry, |filter| *filter = Input::default()),
            KeyCode::Enter => {}
            KeyCode::Up | KeyCode::Down => {
                self.settings.go(entry, if key.code == KeyCode::Up { -1 } else { 1 });
                self.typing = Some(Typing::SettingsFilter);
            }
            _ => {
                self.settings.set_filter(entry, |filter| {
                    filter.key(key);
                });
                self.typing = Some(Typing::SettingsFilter);
            }
        }
    }

    fn edit(&mut self, mut editing: Box<Editing>, key: KeyEvent, cancels: bool) {
        let Some(entry) = self.list.selected_mut().filter(|_| !cancels) else { return };
        let Ok(draft) = &entry.listed.draft else { return };
        match editing.key(key, draft) {
            EditOutcome::Submitted => entry.change(|draft| *draft = editing.applied(draft)),
            EditOutcome::Editing => self.typing = Some(Typing::Field(editing)),
        }
    }

    fn name(&mut self, mut naming: Naming, key: KeyEvent, cancels: bool) -> Option<Intent> {
        if cancels {
            return None;
        }
        if key.code == KeyCode::Enter && naming.complaint.is_none() {
            let Ok(draft) = &self.list.selected()?.listed.draft else { return None };
            let intent = naming.intent(draft);
            self.submitted = intent.is_some().then_some(naming);
            return intent;
        }
        naming.input.key(key);
        naming.check(&self.list);
        self.typing = Some(Typing::Name(naming));
        None
    }
}
