//! What leaving would lose: presets that were changed and not saved, and how each of them can be saved without being asked about.

use std::collections::BTreeSet;

use super::list::{Entry, List};
use super::typing::{Naming, taken};
use crate::ui::app::Saving;

/// A preset that was changed and not saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaved {
    /// Its name.
    pub preset: String,
    /// How it is saved where nothing else is said, or why that cannot be.
    pub saving: Result<Saving, String>,
}

/// Those of a list, in its order.
pub fn of(list: &List) -> Vec<Unsaved> {
    let mut names = BTreeSet::new();
    let mut unsaved = |entry: &Entry| {
        let saving = saving(entry, list).and_then(|saving| {
            let first = names.insert(saving.name.clone());
            if first { Ok(saving) } else { Err(taken(&saving.name)) }
        });
        Unsaved { preset: entry.listed.name.clone(), saving }
    };
    list.changed().map(&mut unsaved).collect()
}

fn saving(entry: &Entry, list: &List) -> Result<Saving, String> {
    Naming::new(entry, list).saving(entry.listed.draft.as_ref().map_err(ToString::to_string)?)
}
