//! The file of a queue: read and checked as a whole, written completely or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{EntryState, QueueEntry};
use super::lock;
use crate::Usage;
use crate::preset::Preset;

const FILE: &str = "queue.toml";

/// All entries, and the number of the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueFile {
    pub next: u64,
    #[serde(default)]
    pub entry: Vec<StoredEntry>,
}

/// An entry as it is stored. That it is starting is not: the system knows which process holds its claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredEntry {
    pub id: u64,
    pub preset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    pub queued: Timestamp,
    /// Why its run could not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub toml: String,
}

impl QueueFile {
    /// Reads the file of a queue's folder. Without one the queue is empty.
    pub(super) fn read(folder: &Path) -> Result<QueueFile> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(QueueFile { next: 1, entry: Vec::new() }),
            text => text.with_context(|| format!("{}: cannot read", path.display()))?,
        };
        toml::from_str(&text).map_err(|error| {
            let place = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            let line = place.map(|line| format!("{line}: ")).unwrap_or_default();
            let remedy = "correct it, or delete the file to empty the queue";
            Usage(format!("{}:{line}the queue cannot be read: {}; {remedy}", path.display(), error.message())).into()
        })
    }

    /// Replaces the file: written beside, synced, renamed.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let (path, new) = (folder.join(FILE), folder.join("queue.toml.new"));
        let text = toml::to_string(self).context("cannot write the queue as TOML")?;
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().with_context(|| format!("{}: cannot write", path.display()))
    }

    /// Adds a preset at the end.
    pub(super) fn add(&mut self, preset: &Preset, run: Option<&str>) -> StoredEntry {
        let entry = StoredEntry {
            id: self.next,
            preset: preset.name.clone(),
            run: run.map(str::to_owned),
            queued: now(),
            error: None,
            toml: preset.toml.clone(),
        };
        self.next = self.next.saturating_add(1);
        self.entry.push(entry.clone());
        entry
    }
}

impl StoredEntry {
    /// The entry with its state.
    pub(super) fn listed(self, folder: &Path) -> QueueEntry {
        let state = match self.error {
            Some(error) => EntryState::Failed { error },
            None if lock::is_claimed(folder, self.id) => EntryState::Starting,
            None => EntryState::Queued,
        };
        let StoredEntry { id, preset, run, queued, toml, .. } = self;
        QueueEntry { id, preset, toml, run, queued, state }
    }

    pub(super) fn name(&self) -> &str {
        self.run.as_deref().unwrap_or(&self.preset)
    }
}

/// The time in whole seconds.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
