//! What the palette offers of Home: its presets, and the settings of the selected one.

use super::Home;
use super::layout::HomePart;
use crate::preset::{Draft, Field, KeyKind};
use crate::ui::intent::Intent;
use crate::ui::widgets::input::Input;

/// A preset to choose.
pub struct PresetChoice<'a> {
    pub name: &'a str,
    pub about: &'a str,
    /// Whether it can be launched.
    pub valid: bool,
}

impl Home {
    /// All presets, hidden ones too.
    pub fn presets(&self) -> impl Iterator<Item = PresetChoice<'_>> {
        self.list.entries.iter().map(|entry| PresetChoice {
            name: &entry.listed.name,
            about: entry.now.as_ref().map_or("invalid", |preset| &preset.about),
            valid: entry.now.is_ok(),
        })
    }

    /// The settings of the selected preset.
    pub fn settings(&self) -> Vec<Field> {
        self.list.selected().and_then(|entry| entry.listed.draft.as_ref().ok()).map(Draft::fields).unwrap_or_default()
    }

    /// Selects the preset of this name. A filter that hides it is cleared.
    pub fn open_preset(&mut self, name: &str) {
        self.keep_typed();
        if let Some(index) = self.list.entries.iter().position(|entry| entry.listed.name == name) {
            if !self.list.shown().contains(&index) {
                self.list.filter = Input::default();
            }
            self.list.selected = index;
            self.scrolled = 0;
        }
        self.focus = HomePart::List;
        self.note_subject();
    }

    /// The request to launch the preset of this name, with its changes.
    pub fn launch_preset(&self, name: &str) -> Option<Intent> {
        let entry = self.list.entries.iter().find(|entry| entry.listed.name == name)?;
        Some(Intent::Launch(Box::new(entry.now.as_ref().ok()?.clone())))
    }

    /// Begins to edit a setting of the selected preset. One that is on or off is only selected.
    pub fn edit_setting(&mut self, key: &str) {
        self.keep_typed();
        self.select_setting(key);
        if self.focus == HomePart::Settings && self.field().is_some_and(|field| field.kind != KeyKind::Boolean) {
            self.begin_edit();
        }
        self.note_subject();
    }
}
