//! The presets: which are shown, which is marked, and the table of them.

use super::layout::window;
use crate::data::Source;
use crate::preset::{DataSource, Draft, InstructionPlace, Preset, PresetEntry};
use crate::ui::format::plain;
use crate::ui::saving::SavedPreset;
use crate::ui::widgets::input::Input;

/// The presets.
pub struct List {
    pub(super) entries: Vec<Entry>,
    /// What their names and descriptions must contain, word by word.
    pub filter: Input,
    pub(super) marked: usize,
}

/// A preset in the list.
pub struct Entry {
    /// As it was found, with the changes made since.
    pub listed: PresetEntry,
    /// The preset as it is now, or why it cannot be.
    pub now: Result<Preset, String>,
}

impl Entry {
    fn new(listed: PresetEntry) -> Entry {
        let now = match &listed.draft {
            Ok(draft) => draft.preset().map_err(|error| format!("{error:#}")),
            Err(error) => Err(error.clone()),
        };
        Entry { listed, now }
    }

    /// Changes it.
    pub fn change(&mut self, change: impl FnOnce(&mut Draft)) {
        if let Ok(draft) = &mut self.listed.draft {
            change(draft);
            self.now = draft.preset().map_err(|error| format!("{error:#}"));
        }
    }

    /// How many of its keys were changed.
    pub fn changes(&self) -> usize {
        self.listed.draft.as_ref().map_or(0, Draft::changes)
    }

    fn contains(&self, word: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(word);
        has(&self.listed.name)
            || self.now.as_ref().is_ok_and(|preset| has(&preset.about) || has(&preset.model.id) || has(&task(preset)))
    }
}

impl List {
    /// With the first one marked.
    pub fn new(listed: Vec<PresetEntry>) -> List {
        List { entries: listed.into_iter().map(Entry::new).collect(), filter: Input::default(), marked: 0 }
    }

    /// The entries that the filter lets through, by their number.
    pub fn shown(&self) -> Vec<usize> {
        let filter = self.filter.text().to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let through = |number: &usize| words.iter().all(|word| self.entries[*number].contains(word));
        (0..self.entries.len()).filter(through).collect()
    }

    /// The marked preset; none where the filter lets none through.
    pub fn marked(&self) -> Option<&Entry> {
        self.shown().contains(&self.marked).then(|| &self.entries[self.marked])
    }

    /// The marked preset, to be changed.
    pub fn marked_mut(&mut self) -> Option<&mut Entry> {
        self.shown().contains(&self.marked).then(|| &mut self.entries[self.marked])
    }

    /// Marks another one of those shown, so many further.
    pub fn go(&mut self, by: isize) {
        let shown = self.shown();
        let place = shown.iter().position(|number| *number == self.marked).unwrap_or(0);
        if let Some(last) = shown.len().checked_sub(1) {
            self.marked = shown[place.saturating_add_signed(by).min(last)];
        }
    }

    /// Marks the first shown if the one that is marked is not.
    pub fn settle(&mut self) {
        if self.marked().is_none() {
            self.go(0);
        }
    }

    /// Marks the one in a row of the table; whether there is one.
    pub fn mark_row(&mut self, row: usize, rows: usize) -> bool {
        let shown = self.shown();
        let place = shown.iter().position(|number| *number == self.marked).unwrap_or(0);
        match shown.get(window(place, rows, shown.len()) + row).filter(|_| row < rows) {
            Some(number) => {
                self.marked = *number;
                true
            }
            None => false,
        }
    }

    /// Those that were changed and not saved, also where the filter lets them not through.
    pub fn changed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.changes() > 0)
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.listed.name == name)
    }

    /// Takes up the presets anew after some were saved. Changes of others stay; what was saved of the marked one is marked.
    pub fn renew(&mut self, listed: Vec<PresetEntry>, saved: &[SavedPreset]) {
        let of = |entry: &Entry| saved.iter().find(|saved| saved.from == entry.listed.name);
        let marked = self.entries.get(self.marked);
        let marked =
            marked.map(|entry| of(entry).map_or_else(|| entry.listed.name.clone(), |saved| saved.name.clone()));
        let before: Vec<Entry> = self.entries.drain(..).collect();
        self.entries = listed.into_iter().map(Entry::new).collect();
        for old in before.into_iter().filter(|old| of(old).is_none() && old.changes() > 0) {
            match self.entries.iter_mut().find(|entry| entry.listed.name == old.listed.name) {
                Some(kept) => *kept = old,
                // Its file is gone; what was changed is not.
                None => self.entries.push(old),
            }
        }
        self.marked = self.entries.iter().position(|entry| Some(&entry.listed.name) == marked.as_ref()).unwrap_or(0);
        if self.marked().is_none() {
            self.filter = Input::default();
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The model without its owner or its folder.
pub fn model(preset: &Preset) -> String {
    plain(preset.model.id.trim_end_matches('/').rsplit('/').next().unwrap_or_default())
}

/// The task, or the name of the file that is trained on.
pub fn task(preset: &Preset) -> String {
    match &preset.data.source {
        DataSource::Hub(task) | DataSource::Local(Source::Glue { task, .. }) => task.title().to_owned(),
        DataSource::Local(Source::Table { train, .. }) => {
            plain(&train.file_stem().unwrap_or_default().to_string_lossy())
        }
        DataSource::Instructions(data) => match &data.place {
            InstructionPlace::Hub { id, .. } => plain(id.rsplit('/').next().unwrap_or_default()),
            InstructionPlace::Files(files) => {
                let first = files.first().and_then(|file| file.file_stem()).unwrap_or_default();
                plain(&first.to_string_lossy())
            }
        },
    }
}
