//! Which settings of the selected preset are shown, and which is selected.

use super::list::Entry;
use crate::preset::Field;
use crate::ui::widgets::input::Input;

/// The settings as they are looked at.
#[derive(Default)]
pub struct Settings {
    /// Index of the selected one among those that are shown.
    pub field: usize,
    /// Words that a key, its help or its value must contain to be shown.
    pub filter: Input,
}

impl Settings {
    /// The settings of a preset that pass the filter.
    pub fn shown(&self, entry: &Entry) -> Vec<Field> {
        let filter = self.filter.text().to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let passes = |field: &Field| {
            let value = field.value.as_deref().unwrap_or_default();
            let text = format!("{} {} {value}", field.key, field.help).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        let fields = entry.listed.draft.as_ref().map(|draft| draft.fields()).unwrap_or_default();
        fields.into_iter().filter(passes).collect()
    }

    /// The selected setting.
    pub fn selected(&self, entry: &Entry) -> Option<Field> {
        self.shown(entry).into_iter().nth(self.field)
    }

    /// Selects the setting of a key, without a filter that hides it. Whether the preset has it.
    pub fn select(&mut self, entry: &Entry, key: &str) -> bool {
        let place = |settings: &Settings| settings.shown(entry).iter().position(|field| field.key == key);
        let found = place(self).or_else(|| {
            self.filter = Input::default();
            place(self)
        });
        self.field = found.unwrap_or(self.field);
        found.is_some()
    }

    /// Changes the filter. The selected setting stays selected if it is still shown.
    pub fn set_filter(&mut self, entry: &Entry, change: impl FnOnce(&mut Input)) {
        let here = self.selected(entry).map(|field| field.key);
        change(&mut self.filter);
        let place = self.shown(entry).iter().position(|field| Some(field.key) == here);
        self.field = place.unwrap_or(0);
    }

    pub fn go(&mut self, entry: &Entry, by: isize) {
        let last = self.shown(entry).len().saturating_sub(1);
        self.field = self.field.saturating_add_signed(by).min(last);
    }
}
