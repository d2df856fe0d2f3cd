//! All runs of a folder with what they came to. Looking again costs little: only what has grown is read.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::checkpoint;
use super::summary::{End, Summary};
use super::tags::read_tags;
use crate::protocol::Reason;

/// A run without a lock counts as running while its events are no older than this: it writes one a second at least.
const FRESH: Duration = Duration::from_secs(15);

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEntry {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it goes, and how it ended otherwise.
    pub state: RunState,
    /// When it last told something.
    pub told: Option<SystemTime>,
    /// The user's own words for it.
    pub tags: Vec<String>,
    /// Its checkpoints, the newest first.
    pub kept: Vec<Kept>,
    /// What it came to.
    pub summary: Summary,
}

/// A checkpoint in a list of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Optimizer steps it holds.
    pub step: u64,
    /// Whether it is that of the best evaluation.
    pub best: bool,
    /// Whether it is kept whatever comes.
    pub pinned: bool,
}

/// Whether a run goes, and how it ended otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RunState {
    Running,
    /// It ended without a word: its process was killed, or the machine went down.
    Interrupted,
    Failed,
    Stopped,
    Completed,
}

/// Looks through the folder of runs, again and again.
pub struct Lister {
    runs: PathBuf,
    known: BTreeMap<String, Known>,
    listed: Option<Vec<RunEntry>>,
}

#[derive(Default)]
struct Known {
    /// Time and length of the events' file when it was read.
    stamp: Option<(SystemTime, u64)>,
    summary: Summary,
}

impl RunState {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Interrupted => "interrupted",
            RunState::Failed => "failed",
            RunState::Stopped => "stopped",
            RunState::Completed => "completed",
        }
    }
}

impl Lister {
    /// For the folder of all runs.
    pub fn new(runs: &Path) -> Lister {
        Lister { runs: runs.to_owned(), known: BTreeMap::new(), listed: None }
    }

    /// The state of one run.
    pub fn state_of(run: &Path) -> RunState {
        let mut known = Known::default();
        known.look(&run.join("events.jsonl"));
        state(run, &known.summary, known.stamp.map(|(told, _)| told), SystemTime::now())
    }

    /// All runs, by name; `None` if nothing has changed since it was asked last. A folder of runs that is not there yet
    /// has none.
    ///
    /// # Errors
    /// A folder of runs that cannot be read.
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
            // Hidden folders hold what is no run, such as the trash.
            if name.starts_with('.') || !(events.is_file() || path.join("preset.toml").is_file()) {
                continue;
            }
            let mut seen = known.remove(&name).unwrap_or_default();
            seen.look(&events);
            let told = seen.stamp.map(|(told, _)| told);
            let state = state(&path, &seen.summary, told, now);
            let (tags, kept, summary) = (read_tags(&path), kept(&path), seen.summary.clone());
            listed.push(RunEntry { name: name.clone(), path, state, told, tags, kept, summary });
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

impl Known {
    /// Reads the events if they have grown. A file that cannot be read leaves what is known.
    fn look(&mut self, events: &Path) {
        let stamp = events.metadata().and_then(|data| Ok((data.modified()?, data.len()))).ok();
        if stamp != self.stamp {
            self.stamp = stamp;
            let _ = self.summary.read_on(events);
        }
    }
}

/// The checkpoints of a run, the newest first; none where they cannot be read.
pub fn kept(run: &Path) -> Vec<Kept> {
    let listed = checkpoint::list(&run.join("checkpoints")).unwrap_or_default();
    let best = checkpoint::best(run);
    let kept = |listed: checkpoint::CheckpointEntry| {
        let best = best.as_ref() == Some(&listed.path);
        Kept { step: listed.step, best, pinned: listed.pinned }
    };
    listed.into_iter().map(kept).collect()
}

fn state(run: &Path, summary: &Summary, told: Option<SystemTime>, now: SystemTime) -> RunState {
    let locked = locked(run);
    match &summary.end {
        Some(End::Finished(Reason::Completed)) => RunState::Completed,
        // Taken up again, and its earlier end not yet cut off.
        _ if locked == Some(true) => RunState::Running,
        Some(End::Finished(Reason::Stopped)) => RunState::Stopped,
        Some(End::Failed(_)) => RunState::Failed,
        None if locked.is_none() && told.is_some_and(|told| is_fresh(told, now)) => RunState::Running,
        None => RunState::Interrupted,
    }
}

/// Whether a process writes a run: it holds the lock in its folder, where there is one.
fn locked(run: &Path) -> Option<bool> {
    let lock = File::open(run.join("lock")).ok()?;
    Some(matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn is_fresh(told: SystemTime, now: SystemTime) -> bool {
    now.duration_since(told).is_ok_and(|age| age < FRESH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listed: &[RunEntry]) -> Vec<(&str, RunState)> {
        listed.iter().map(|run| (run.name.as_str(), run.state)).collect()
    }

    #[test]
    fn runs_are_listed_with_their_states_and_again_only_when_changed() {
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

        // A lock tells that a run goes, whatever its age.
        let lock = File::create(runs.path().join("b/lock")).unwrap();
        lock.lock().unwrap();
        let listed = lister.refresh(later).unwrap().unwrap();
        assert_eq!(listed[1].state, Running);
        drop(lock);
        // So does one of a run that failed and is being taken up again.
        let lock = File::create(runs.path().join("c/lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(lister.refresh(later).unwrap().unwrap()[2].state, Running);
        drop(lock);
        fs::remove_dir_all(runs.path().join("d")).unwrap();
        let listed = lister.refresh(later).unwrap().unwrap();
        assert_eq!(names(&listed), [("a", Completed), ("b", Interrupted), ("c", Failed)]);
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_runs() {
        let runs = tempfile::tempdir().unwrap();
        let mut lister = Lister::new(&runs.path().join("none"));
        assert_eq!(lister.refresh(SystemTime::now()).unwrap(), Some(Vec::new()));
    }
}
