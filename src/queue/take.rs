//! Taking the next entry of the queue, by one process at a time and only while no run is active.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};

use super::entry::{EntryState, QueueEntry};
use super::file::QueueFile;
use super::{Queue, lock};
use crate::runs::RunLock;

/// What there is to do next.
#[derive(Debug)]
pub enum Next {
    /// Start this entry's run.
    Take(Box<Taken>),
    /// Wait: these runs are active or starting.
    Wait(Vec<String>),
    /// Nothing is queued.
    Empty,
}

/// An entry whose run this process starts. Dropped without an outcome, also because the process ends, it is queued again.
#[derive(Debug)]
pub struct Taken {
    pub entry: QueueEntry,
    queue: Queue,
    claim: File,
}

/// Whether it is a sweep's turn.
#[derive(Debug)]
pub enum Turn {
    /// No other run of the folder starts while this is held.
    Taken(RunLock),
    /// These runs are active or starting.
    Wait(Vec<String>),
}

impl Queue {
    /// Takes the turn of a sweep, whose folder is one of the folder of runs and counts as an active run from then on.
    ///
    /// # Errors
    /// The file of the queue is damaged, or cannot be read or locked.
    pub fn take_turn(&self, sweep: &Path) -> Result<Turn> {
        fs::create_dir_all(sweep).with_context(|| format!("{}: cannot create the folder", sweep.display()))?;
        let _lock = lock::queue(&self.folder)?;
        let active = self.active_or_starting(&self.list()?);
        Ok(if active.is_empty() { Turn::Taken(RunLock::take(sweep)?) } else { Turn::Wait(active) })
    }

    /// Takes the first queued entry, unless a run of the folder is active or starting.
    ///
    /// # Errors
    /// The file of the queue is damaged, or cannot be read or locked.
    pub fn take_next(&self) -> Result<Next> {
        // Without a folder there is nothing to lock.
        if !self.list()?.iter().any(|entry| entry.state == EntryState::Queued) {
            return Ok(Next::Empty);
        }
        let _lock = lock::queue(&self.folder)?;
        let entries = self.list()?;
        let Some(first) = entries.iter().find(|entry| entry.state == EntryState::Queued) else {
            return Ok(Next::Empty);
        };
        let active = self.active_or_starting(&entries);
        if !active.is_empty() {
            return Ok(Next::Wait(active));
        }
        let claim = lock::claim(&self.folder, first.id)?;
        let entry = QueueEntry { state: EntryState::Starting, ..first.clone() };
        Ok(Next::Take(Box::new(Taken { entry, queue: self.clone(), claim })))
    }

    /// The number of queued entries, those without an error.
    ///
    /// # Errors
    /// As for [`Queue::list`].
    pub fn waiting(&self) -> Result<usize> {
        Ok(self.list()?.iter().filter(|entry| entry.state == EntryState::Queued).count())
    }

    /// Names of the runs in this folder that a process trains, by name. A folder that cannot be read has none. A sweep is active
    /// as a whole; of one that has ended, a run may still be stopping or was resumed: it is named `SWEEP/RUN`.
    pub fn active_runs(&self) -> Vec<String> {
        let mut active = Vec::new();
        for name in folders(&self.runs) {
            let folder = self.runs.join(&name);
            if RunLock::holder(&folder).is_some() {
                active.push(name);
            } else if !folder.join("preset.toml").exists() {
                let held = |run: &String| RunLock::holder(&folder.join(run)).is_some();
                active.extend(folders(&folder).into_iter().filter(held).map(|run| format!("{name}/{run}")));
            }
        }
        active.sort();
        active
    }

    fn active_or_starting(&self, entries: &[QueueEntry]) -> Vec<String> {
        let starting = entries.iter().filter(|entry| entry.state == EntryState::Starting);
        starting.map(|entry| entry.name().to_owned()).chain(self.active_runs()).collect()
    }
}

/// Names of the folders in a folder that are not hidden. One that cannot be read has none.
fn folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('.')).collect()
}

impl Taken {
    /// The run has started: the entry leaves the queue.
    ///
    /// # Errors
    /// The file of the queue cannot be changed; the entry is queued again.
    pub fn started(self) -> Result<()> {
        self.end(|file, place| {
            file.entry.remove(place);
        })
    }

    /// The run could not start: the entry stays, with the error.
    ///
    /// # Errors
    /// As for [`Taken::started`].
    pub fn failed(self, error: &str) -> Result<()> {
        self.end(|file, place| file.entry[place].error = Some(error.to_owned()))
    }

    fn end(self, change: impl FnOnce(&mut QueueFile, usize)) -> Result<()> {
        let Taken { entry, queue, claim } = self;
        queue.change(|file| {
            // Someone may have edited the file.
            if let Some(place) = file.entry.iter().position(|stored| stored.id == entry.id) {
                change(file, place);
            }
            Ok(())
        })?;
        drop(claim);
        lock::remove_claim(&queue.folder, entry.id);
        Ok(())
    }
}
