//! Changes of the selected setting: its editor, the value after the current one, and undoing.

use super::Home;
use super::editor::{Editing, step};
use super::typing::Typing;
use crate::preset::{FieldOrigin, KeyKind};
use crate::ui::intent::Intent;

impl Home {
    /// Opens the editor of the selected setting; one that is true or false is switched at once.
    pub(super) fn begin_edit(&mut self) -> Option<Intent> {
        let field = self.field()?;
        if field.kind == KeyKind::Boolean {
            return self.step(true);
        }
        let entry = self.list.selected()?;
        let Ok(draft) = &entry.listed.draft else { return None };
        let known = entry.now.as_ref().ok().map(|preset| self.estimates.known(preset)).unwrap_or_default();
        let model = known.estimate.and_then(|estimate| estimate.model.as_ref());
        let layout = model.map(|model| model.layout.as_slice()).unwrap_or_default();
        self.typing = Some(Typing::Field(Box::new(Editing::new(&field, layout, draft))));
        None
    }

    /// Changes the selected setting to the value after the current one, in the direction of the key.
    pub(super) fn step(&mut self, up: bool) -> Option<Intent> {
        let field = self.field()?;
        let next = step(field.kind, field.value.as_deref(), up)?;
        let entry = self.list.selected_mut()?;
        let valid = entry.now.is_ok();
        entry.change(|draft| draft.set(field.key, &next));
        // A value that does not fit the others is not set.
        let error = entry.now.as_ref().err().filter(|_| valid)?.to_string();
        entry.change(|draft| match field.origin {
            FieldOrigin::Changed => draft.set(field.key, field.value.as_deref().unwrap_or_default()),
            FieldOrigin::Default | FieldOrigin::Preset => draft.reset(field.key),
        });
        Some(Intent::Refuse(error))
    }

    /// Whether there is a next value of the selected setting, or one before it.
    pub(super) fn can_step(&self, up: bool) -> bool {
        self.field().is_some_and(|field| step(field.kind, field.value.as_deref(), up).is_some())
    }

    pub(super) fn reset(&mut self) {
        if let Some((field, entry)) = self.field().zip(self.list.selected_mut()) {
            entry.change(|draft| draft.reset(field.key));
        }
    }
}
