//! All runs of a folder with their summaries. Listing again is cheap: only appended events are read.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::checkpoint;
use super::history::{History, HistoryReader, RunEnd};
use super::summary::Summary;
use super::tags::read_tags;
use crate::protocol::Reason;

/// A run without a lock counts as running while its events are no older than this. It writes at least one a second.
const FRESH: Duration = Duration::from_secs(15);

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEntry {
    /// Name of the run's folder.
    pub name: String,
    pub path: PathBuf,
    pub state: RunState,
    /// Time of the latest event.
    pub updated: Option<SystemTime>,
    pub tags: Vec<String>,
    /// The newest first.
    pub checkpoints: Vec<CheckpointSummary>,
    pub summary: Summary,
}

/// A checkpoint in a list of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointSummary {
    /// Optimizer steps taken.
    pub step: u64,
    /// Whether it belongs to the best evaluation.
    pub best: bool,
    /// Whether it is never pruned.
    pub pinned: bool,
}

/// Whether a run is under way, and how it ended otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunState {
    Running,
    /// Ended without a last event: the process was killed, or the machine went down.
    Interrupted,
    Failed,
    Stopped,
    /// Ended by early stopping.
    EarlyStopped,
    Completed,
}

/// Lists a folder of runs repeatedly.
pub struct Lister {
    runs: PathBuf,
    known: BTreeMap<String, Known>,
    listed: Option<Vec<RunEntry>>,
}

/// A run as it was listed last.
struct Known {
    events: Option<FileStamp>,
    reader: HistoryReader,
    summary: Summary,
}

/// Tells whether a file has changed.
#[derive(Clone, Copy, PartialEq)]
struct FileStamp {
    modified: SystemTime,
    length: u64,
}

impl RunState {
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Interrupted => "interrupted",
            RunState::Failed => "failed",
            RunState::Stopped => Reason::Stopped.name(),
            RunState::EarlyStopped => Reason::EarlyStopped.name(),
            RunState::Completed => Reason::Completed.name(),
        }
    }
}

impl Lister {
    pub fn new(runs: &Path) -> Lister {
        Lister { runs: runs.to_owned(), known: BTreeMap::new(), listed: None }
    }

    /// The state of one run.
    pub fn state_of(run: &Path) -> RunState {
        let mut known = Known::default();
        known.refresh(&run.join("events.jsonl"));
        state(run, &known, SystemTime::now())
    }

    /// All runs by name, or `None` if nothing has changed since the last call. A missing folder has no runs.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn refresh(&mut self, now: SystemTime) -> io::Result<Option<Vec<RunEntry>>> {
        let entries = match fs::read_dir(&self.runs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => Some(entries?),
        };
        let mut known = std::mem::take(&mut self.known);
        let mut listed = Vec::new();
        for entry in entries.into_iter().flatten().flatten() {
            let (path, Ok(name)) = (entry.path(), entry.file_name().into_string()) else { continue };
            let events = path.join("events.jsonl");
            // Hidden folders, such as the trash, are not runs.
            if name.starts_with('.') || !(events.is_file() || path.join("preset.toml").is_file()) {
                continue;
            }
            let mut seen = known.remove(&name).unwrap_or_default();
            seen.refresh(&events);
            listed.push(RunEntry {
                name: name.clone(),
                state: state(&path, &seen, now),
                updated: seen.updated(),
                tags: read_tags(&path),
                checkpoints: checkpoint_summaries(&path),
                summary: seen.summary.clone(),
                path,
            });
            self.known.insert(name, seen);
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        if self.listed.as_ref() == Some(&listed) {
            return Ok(None);
        }
        self.listed = Some(listed.clone());
        Ok(Some(listed))
    }
}

impl Default for Known {
    fn default() -> Known {
        Known { events: None, reader: HistoryReader::new(History::summary()), summary: Summary::default() }
    }
}

impl Known {
    /// Reads the events if the file has changed. A file that cannot be read changes nothing.
    fn refresh(&mut self, events: &Path) {
        let stamp = |data: fs::Metadata| Ok(FileStamp { modified: data.modified()?, length: data.len() });
        let stamp = events.metadata().and_then(stamp).ok();
        if stamp != self.events {
            self.events = stamp;
            let _ = self.reader.skim_on(events);
            self.summary = Summary::of(self.reader.history());
            self.summary.max_steps = max_steps(&events.with_file_name("preset.toml"));
        }
    }

    fn updated(&self) -> Option<SystemTime> {
        self.events.map(|events| events.modified)
    }
}

/// `train.max_steps` of a preset; 0 where it is not set or cannot be read.
fn max_steps(preset: &Path) -> u64 {
    let text = fs::read_to_string(preset).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let steps = table.get("train").and_then(|train| train.get("max_steps")?.as_integer());
    steps.and_then(|steps| u64::try_from(steps).ok()).unwrap_or(0)
}

/// The checkpoints of a run, the newest first; none where they cannot be read.
pub fn checkpoint_summaries(run: &Path) -> Vec<CheckpointSummary> {
    let listed = checkpoint::list(&run.join("checkpoints")).unwrap_or_default();
    let best = checkpoint::best(run);
    let summary = |listed: checkpoint::CheckpointEntry| {
        let best = best.as_ref() == Some(&listed.path);
        CheckpointSummary { step: listed.step, best, pinned: listed.pinned }
    };
    listed.into_iter().map(summary).collect()
}

fn state(run: &Path, known: &Known, now: SystemTime) -> RunState {
    let lock = lock_state(run);
    let end = match &known.summary.end {
        Some(RunEnd::Finished(finished)) => match finished.reason {
            Reason::Completed => Some(RunState::Completed),
            Reason::EarlyStopped => Some(RunState::EarlyStopped),
            Reason::Stopped => Some(RunState::Stopped),
        },
        Some(RunEnd::Failed { .. }) => Some(RunState::Failed),
        None => None,
    };
    match (lock, end) {
        // The process of a run that has taken its last step still holds the lock for a moment.
        (LockState::Held { since }, Some(RunState::Completed | RunState::EarlyStopped)) if since <= known.updated() => {
            end.unwrap_or(RunState::Completed)
        }
        // A run that ended and is being resumed: its earlier end is not cut off yet.
        (LockState::Held { .. }, _) => RunState::Running,
        (_, Some(end)) => end,
        (LockState::Missing, None) if known.updated().is_some_and(|updated| is_fresh(updated, now)) => {
            RunState::Running
        }
        (_, None) => RunState::Interrupted,
    }
}

/// The lock of a run, which the process that writes the run holds.
enum LockState {
    /// There is no lock file.
    Missing,
    Free,
    Held {
        /// When it was taken.
        since: Option<SystemTime>,
    },
}

fn lock_state(run: &Path) -> LockState {
    let Ok(lock) = File::open(run.join("lock")) else { return LockState::Missing };
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            LockState::Held { since: lock.metadata().and_then(|lock| lock.modified()).ok() }
        }
        _ => LockState::Free,
    }
}

fn is_fresh(updated: SystemTime, now: SystemTime) -> bool {
    now.duration_since(updated).is_ok_and(|age| age < FRESH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listed: &[RunEntry]) -> Vec<(&str, RunState)> {
        listed.iter().map(|run| (run.name.as_str(), run.state)).collect()
    }

    #[test]
    fn runs_are_listed_with_their_states_and_again_only_after_a_change() {
        let runs = tempfile::tempdir().unwrap();
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/demo.jsonl");
        let text = fs::read_to_string(demo).unwrap();
        let (cut, _) = text.split_at(text.len() / 2);
        let failed = r#"{"event":"failed","error":"the loss is NaN"}"#;
        for (name, events) in
            [("a", text.clone()), ("b", cut.to_owned()), ("c", format!("{cut}\n{failed}\n")), (".trash", text.clone())]
        {
            fs::create_dir(runs.path().join(name)).unwrap();
            fs::write(runs.path().join(name).join("events.jsonl"), events).unwrap();
        }
        fs::create_dir(runs.path().join("d")).unwrap();
        fs::write(runs.path().join("d/preset.toml"), "").unwrap();
        fs::create_dir(runs.path().join("no run")).unwrap();

        let later = SystemTime::now() + 2 * FRESH;
        let mut lister = Lister::new(runs.path());
        let listed = lister.refresh(later).unwrap().unwrap();
        use RunState::{Completed, Failed, Interrupted, Running};
        assert_eq!(names(&listed), [("a", Completed), ("b", Interrupted), ("c", Failed), ("d", Interrupted)]);
        assert_eq!(lister.refresh(later).unwrap(), None);

        // A locked run is running, whatever its age.
        let lock = File::create(runs.path().join("b/lock")).unwrap();
        lock.lock().unwrap();
        let listed = lister.refresh(later).unwrap().unwrap();
        assert_eq!(listed[1].state, Running);
        drop(lock);
        // So is a failed run that is being resumed.
        let lock = File::create(runs.path().join("c/lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(lister.refresh(later).unwrap().unwrap()[2].state, Running);
        drop(lock);
        // A completed run is running once it is locked again to train it for longer.
        let lock = File::create(runs.path().join("a/lock")).unwrap();
        lock.lock().unwrap();
        let ended = fs::metadata(runs.path().join("a/events.jsonl")).unwrap().modified().unwrap();
        lock.set_modified(ended).unwrap();
        assert_eq!(lister.refresh(later).unwrap().unwrap()[0].state, Completed);
        lock.set_modified(ended + FRESH).unwrap();
        assert_eq!(lister.refresh(later).unwrap().unwrap()[0].state, Running);
        drop(lock);
        fs::remove_dir_all(runs.path().join("d")).unwrap();
        let listed = lister.refresh(later).unwrap().unwrap();
        assert_eq!(names(&listed), [("a", Completed), ("b", Interrupted), ("c", Failed)]);
    }

    #[test]
    fn a_missing_folder_has_no_runs() {
        let runs = tempfile::tempdir().unwrap();
        let mut lister = Lister::new(&runs.path().join("none"));
        assert_eq!(lister.refresh(SystemTime::now()).unwrap(), Some(Vec::new()));
    }
}
