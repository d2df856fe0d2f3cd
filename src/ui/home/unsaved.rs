//! What leaving would lose: the presets that were changed and not saved, and how each of them can be saved without asking.

use std::collections::BTreeSet;

use super::list::{Entry, List};
use super::naming::{Naming, taken};
use crate::Usage;
use crate::ui::saving::SaveRequest;

/// A preset that was changed and not saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaved {
    /// The preset's name.
    pub preset: String,
    /// How it is saved under the default name, or why it cannot be.
    pub request: Result<SaveRequest, Usage>,
}

/// The unsaved presets of a list, in its order.
pub fn of(list: &List) -> Vec<Unsaved> {
    let mut names = BTreeSet::new();
    let mut unsaved = |entry: &Entry| {
        let request = request(entry, list).and_then(|request| {
            let first = names.insert(request.name.clone());
            if first { Ok(request) } else { Err(Usage(taken(&request.name))) }
        });
        Unsaved { preset: entry.listed.name.clone(), request }
    };
    list.changed().map(&mut unsaved).collect()
}

fn request(entry: &Entry, list: &List) -> Result<SaveRequest, Usage> {
    Naming::save(entry, list).request(entry.listed.draft.as_ref().map_err(Clone::clone)?)
}
