//! An entry of the queue: a preset that waits to be trained.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;

use crate::preset::Preset;

/// An entry of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueEntry {
    /// Its number, which no other entry of this queue gets.
    pub id: u64,
    /// Name of the preset.
    pub preset: String,
    /// The whole preset, overrides included.
    pub toml: String,
    /// Name of the run; `None` names it after the preset and the time it starts.
    pub run: Option<String>,
    /// When it was queued.
    pub queued: Timestamp,
    pub state: EntryState,
}

/// The state of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryState {
    Queued,
    /// A process prepares its run.
    Starting,
    /// Its run could not start.
    Failed {
        error: String,
    },
}

impl EntryState {
    pub fn name(&self) -> &'static str {
        match self {
            EntryState::Queued => "queued",
            EntryState::Starting => "starting",
            EntryState::Failed { .. } => "failed",
        }
    }
}

impl QueueEntry {
    /// Name of the run, or of the preset that it will be named after.
    pub fn name(&self) -> &str {
        self.run.as_deref().unwrap_or(&self.preset)
    }

    /// The preset. `cache` is finesift's cache folder.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): the text is not a preset of this version of finesift.
    pub fn preset(&self, cache: &Path) -> Result<Preset> {
        Preset::parse_stored(&self.preset, &format!("preset of queue entry {}", self.id), &self.toml, &[], cache)
    }
}
