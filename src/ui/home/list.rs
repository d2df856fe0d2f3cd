//! The list of presets: the user's own before the built-in ones, which pass the filter, and which is selected.

use super::layout::window;
use crate::Usage;
use crate::data::{LabelledSource, dataset_name};
use crate::preset::{DataSource, Draft, InstructionFiles, Preset, PresetEntry};
use crate::ui::format::plain;
use crate::ui::saving::{EditedPreset, SavedPreset};
use crate::ui::widgets::input::Input;

/// The list of presets.
pub struct List {
    pub(super) entries: Vec<Entry>,
    /// Words that a preset must contain to be shown.
    pub filter: Input,
    /// Index into `entries`.
    pub(super) selected: usize,
}

/// A preset in the list.
pub struct Entry {
    /// The preset as it was listed, and the draft with its changes.
    pub listed: PresetEntry,
    /// The preset with its changes, or why it is invalid.
    pub now: Result<Preset, Usage>,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Heading(&'static str),
    /// Index of a preset.
    Preset(usize),
}

impl Entry {
    fn new(listed: PresetEntry) -> Entry {
        let now = match &listed.draft {
            Ok(draft) => draft.preset(),
            Err(error) => Err(error.clone()),
        };
        Entry { listed, now }
    }

    pub fn change(&mut self, change: impl FnOnce(&mut Draft)) {
        if let Ok(draft) = &mut self.listed.draft {
            change(draft);
            self.now = draft.preset();
        }
    }

    /// The number of changed keys.
    pub fn changes(&self) -> usize {
        self.listed.draft.as_ref().map_or(0, Draft::changes)
    }

    /// Whether it is one of the user's own.
    pub fn is_own(&self) -> bool {
        self.listed.path.is_some()
    }

    fn contains(&self, word: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(word);
        has(&self.listed.name)
            || self.now.as_ref().is_ok_and(|preset| has(&preset.about) || has(&preset.model.id) || has(&task(preset)))
    }
}

impl List {
    /// Selects the first preset that can be read.
    pub fn new(listed: Vec<PresetEntry>) -> List {
        let entries = sorted(listed);
        let selected = entries.iter().position(|entry| entry.now.is_ok()).unwrap_or(0);
        List { entries, filter: Input::default(), selected }
    }

    /// The rows of the table: the presets that pass the filter, with headings if some are the user's own.
    pub fn rows(&self) -> Vec<Row> {
        let shown = self.shown();
        let is_own = |number: &usize| self.entries[*number].is_own();
        let own = shown.iter().take_while(|number| is_own(number)).count();
        let presets = |numbers: &[usize]| numbers.iter().copied().map(Row::Preset).collect::<Vec<_>>();
        let (own, built_in) = (presets(&shown[..own]), presets(&shown[own..]));
        if !self.entries.first().is_some_and(Entry::is_own) {
            return built_in;
        }
        let headed = |name, rows: Vec<Row>| (!rows.is_empty()).then(|| [vec![Row::Heading(name)], rows].concat());
        [headed("yours", own), headed("built-in", built_in)].into_iter().flatten().flatten().collect()
    }

    /// The rows without a filter.
    pub fn all_rows(&self) -> usize {
        let own = self.entries.iter().filter(|entry| entry.is_own()).count();
        let headings = match own {
            0 => 0,
            own => 1 + usize::from(own < self.entries.len()),
        };
        self.entries.len() + headings
    }

    /// Index of the first row in view.
    pub fn first_row(&self, rows: &[Row], height: usize) -> usize {
        let place = rows.iter().position(|row| *row == Row::Preset(self.selected)).unwrap_or(0);
        window(place, height, rows.len())
    }

    /// Indices of the entries that pass the filter.
    pub fn shown(&self) -> Vec<usize> {
        let filter = self.filter.text().to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let passes = |number: &usize| words.iter().all(|word| self.entries[*number].contains(word));
        (0..self.entries.len()).filter(passes).collect()
    }

    /// The selected preset; `None` if it does not pass the filter.
    pub fn selected(&self) -> Option<&Entry> {
        self.shown().contains(&self.selected).then(|| &self.entries[self.selected])
    }

    pub fn selected_mut(&mut self) -> Option<&mut Entry> {
        self.shown().contains(&self.selected).then(|| &mut self.entries[self.selected])
    }

    /// Moves the selection by this many shown presets.
    pub fn go(&mut self, by: isize) {
        let shown = self.shown();
        let place = shown.iter().position(|number| *number == self.selected).unwrap_or(0);
        if let Some(last) = shown.len().checked_sub(1) {
            self.selected = shown[place.saturating_add_signed(by).min(last)];
        }
    }

    /// Selects the first shown preset if the filter hides the selected one.
    pub fn settle(&mut self) {
        if self.selected().is_none() {
            self.go(0);
        }
    }

    /// Selects the preset in a row of the table.
    pub fn select_row(&mut self, row: usize, height: usize) {
        let rows = self.rows();
        let at = self.first_row(&rows, height) + row;
        if let Some(Row::Preset(number)) = rows.get(at).filter(|_| row < height) {
            self.selected = *number;
        }
    }

    /// The presets with unsaved changes, hidden ones too.
    pub fn changed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.changes() > 0)
    }

    /// Whether there is a preset of this name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.listed.name == name)
    }

    /// Lists the presets again after one was renamed or deleted.
    pub fn edited(&mut self, edited: &EditedPreset, listed: Vec<PresetEntry>) {
        let here = self.entries.get(self.selected).is_some_and(|entry| entry.listed.name == edited.from);
        let place = self.selected;
        self.entries.retain(|entry| entry.listed.name != edited.from);
        self.renew(listed, &[]);
        if here {
            let renamed = self.entries.iter().position(|entry| Some(&entry.listed.name) == edited.name.as_ref());
            self.selected = renamed.unwrap_or(place).min(self.entries.len().saturating_sub(1));
            self.settle();
        }
    }

    /// Lists the presets again after some were saved. Changes of others stay. If the selected one was saved, the result is
    /// selected.
    pub fn renew(&mut self, listed: Vec<PresetEntry>, saved: &[SavedPreset]) {
        let of = |entry: &Entry| saved.iter().find(|saved| saved.from == entry.listed.name);
        let selected = self.entries.get(self.selected);
        let selected =
            selected.map(|entry| of(entry).map_or_else(|| entry.listed.name.clone(), |saved| saved.name.clone()));
        let before: Vec<Entry> = self.entries.drain(..).collect();
        self.entries = sorted(listed);
        for old in before.into_iter().filter(|old| of(old).is_none() && old.changes() > 0) {
            match self.entries.iter_mut().find(|entry| entry.listed.name == old.listed.name) {
                Some(kept) => *kept = old,
                // Its file was deleted, but its changes are not lost.
                None => self.entries.insert(0, old),
            }
        }
        self.selected =
            self.entries.iter().position(|entry| Some(&entry.listed.name) == selected.as_ref()).unwrap_or(0);
        if self.selected().is_none() {
            self.filter = Input::default();
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The user's own presets first.
fn sorted(listed: Vec<PresetEntry>) -> Vec<Entry> {
    let (own, built_in): (Vec<Entry>, Vec<Entry>) = listed.into_iter().map(Entry::new).partition(Entry::is_own);
    own.into_iter().chain(built_in).collect()
}

/// The name of the model without its owner or folder.
pub fn model(preset: &Preset) -> String {
    plain(preset.model.name())
}

/// The task, or the name of the training file.
pub fn task(preset: &Preset) -> String {
    match &preset.data.source {
        DataSource::Hub(task) | DataSource::Local(LabelledSource::Glue { task, .. }) => task.title().to_owned(),
        DataSource::Local(LabelledSource::Table { train, .. }) => plain(&dataset_name(train)),
        DataSource::HubTable(table) => plain(table.dataset.name()),
        DataSource::Instructions(data) => match &data.files {
            InstructionFiles::Hub(dataset) => plain(dataset.name()),
            InstructionFiles::Local(files) => plain(&dataset_name(files)),
        },
    }
}
