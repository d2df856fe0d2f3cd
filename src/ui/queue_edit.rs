//! Changes to the queue of runs, as the screens ask for them.

use std::path::Path;

use anyhow::Result;

use crate::preset::Preset;
use crate::queue::{Queue, QueueMove};

/// A change to the queue.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueEdit {
    Add(Box<Preset>),
    /// Move the entry of this number.
    Move(u64, QueueMove),
    /// Remove the entry of this number.
    Remove(u64),
}

impl QueueEdit {
    /// Makes the change. Returns what to show about it, if it does not show by itself.
    ///
    /// # Errors
    /// Those of [`Queue`].
    pub fn apply(&self, queue: &Queue, cache: &Path) -> Result<Option<String>> {
        match self {
            QueueEdit::Add(preset) => {
                let entry = queue.add(preset, None, cache)?;
                let before = queue.waiting()?.saturating_sub(1);
                let place = if before == 0 { "it is next".to_owned() } else { format!("{before} before it") };
                Ok(Some(format!("queued {}; {place}", entry.name())))
            }
            QueueEdit::Move(id, to) => queue.move_entry(*id, *to).map(|_| None),
            QueueEdit::Remove(id) => {
                queue.remove(*id).map(|entry| Some(format!("removed {} from the queue", entry.name())))
            }
        }
    }
}
