//! The queue of a folder of runs: presets that train one after the other.
//!
//! ```text
//! runs/.queue/queue.toml    the entries in order, each with its whole preset
//!             lock          held while queue.toml is changed
//!             3.claim       held by the process that starts entry 3
//! ```
//!
//! A process takes the first queued entry only while no run of the folder is active and no other process starts one, so
//! runs of a queue never train side by side. An entry leaves the queue once its run has started; if the run cannot start,
//! the entry stays with its error, and the next one is taken.

mod apart;
mod entry;
mod file;
mod lock;
mod take;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;
use crate::preset::Preset;
use crate::runs::check_run_name;
pub use apart::settings_apart;
pub use entry::{EntryState, QueueEntry};
use file::QueueFile;
pub use take::{Next, Taken, Turn};

/// Folder of the queue in the folder of runs.
const FOLDER: &str = ".queue";

/// The queue of a folder of runs. Every call reads its file again, so that several processes share one queue.
#[derive(Clone, Debug)]
pub struct Queue {
    runs: PathBuf,
    folder: PathBuf,
}

/// Where an entry moves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueMove {
    Up,
    Down,
    /// To this place, from 1; beyond the end it becomes the last.
    To(usize),
}

impl Queue {
    /// The queue of this folder of runs. Nothing is created until an entry is added.
    pub fn of(runs: &Path) -> Queue {
        Queue { runs: runs.to_owned(), folder: runs.join(FOLDER) }
    }

    /// All entries in order.
    ///
    /// # Errors
    /// [`Usage`]: the file of the queue is damaged. Otherwise it cannot be read.
    pub fn list(&self) -> Result<Vec<QueueEntry>> {
        let entries = QueueFile::read(&self.folder)?.entry;
        Ok(entries.into_iter().map(|entry| entry.listed(&self.folder)).collect())
    }

    /// Adds a preset at the end. Its paths become absolute, and later changes of its file do not matter. Without a name,
    /// the run is named after the preset and the time it starts.
    ///
    /// # Errors
    /// [`Usage`]: an invalid name, or one that a run or an entry has. Otherwise the disk cannot be written.
    pub fn add(&self, preset: &Preset, run: Option<&str>, cache: &Path) -> Result<QueueEntry> {
        let here = std::env::current_dir().context("cannot find the current folder")?;
        let preset = preset.anchored(&here, cache)?;
        if let Some(run) = run {
            check_run_name(run)?;
            if self.runs.join(run).exists() {
                bail!(Usage(format!("{}: a run of this name exists", self.runs.join(run).display())));
            }
        }
        self.change(|file| {
            if let Some(entry) = file.entry.iter().find(|entry| run.is_some() && entry.run.as_deref() == run) {
                bail!(Usage(format!("run {} is queued already, as {}", entry.name(), entry.id)));
            }
            Ok(file.add(&preset, run).listed(&self.folder))
        })
    }

    /// Moves an entry. Returns its new place, from 1.
    ///
    /// # Errors
    /// [`Usage`]: no entry of this number.
    pub fn move_entry(&self, id: u64, to: QueueMove) -> Result<usize> {
        self.change(|file| {
            let place = self.place(file, id)?;
            let to = match to {
                QueueMove::Up => place.saturating_sub(1),
                QueueMove::Down => place + 1,
                QueueMove::To(place) => place.saturating_sub(1),
            };
            let entry = file.entry.remove(place);
            let to = to.min(file.entry.len());
            file.entry.insert(to, entry);
            Ok(to + 1)
        })
    }

    /// Removes an entry. Returns it.
    ///
    /// # Errors
    /// [`Usage`]: no entry of this number, or its run is starting.
    pub fn remove(&self, id: u64) -> Result<QueueEntry> {
        self.change(|file| {
            let place = self.place(file, id)?;
            let entry = file.entry[place].clone().listed(&self.folder);
            if entry.state == EntryState::Starting {
                bail!(Usage(format!(
                    "run {} is starting and cannot be removed from the queue; stop the run",
                    entry.name()
                )));
            }
            file.entry.remove(place);
            Ok(entry)
        })
    }

    /// Changes the file while no other process does.
    fn change<T>(&self, change: impl FnOnce(&mut QueueFile) -> Result<T>) -> Result<T> {
        let _lock = lock::queue(&self.folder)?;
        let before = QueueFile::read(&self.folder)?;
        let mut file = before.clone();
        let changed = change(&mut file)?;
        if file != before {
            file.write(&self.folder)?;
        }
        Ok(changed)
    }

    fn place(&self, file: &QueueFile, id: u64) -> Result<usize, Usage> {
        let place = file.entry.iter().position(|entry| entry.id == id);
        let queue = self.folder.display();
        place.ok_or_else(|| Usage(format!("{queue}: no entry {id}; `finesift queue` lists the entries")))
    }
}

#[cfg(test)]
mod tests;
