//! Reads the marked runs on a thread of its own: their curves as their events come, and the settings in which they differ.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant, SystemTime};

use super::curves::RunCurves;
use crate::runs::{History, HistoryReader, SettingDifference, setting_differences};

/// Time between two looks at files that were read to their ends.
const EVERY: Duration = Duration::from_millis(500);

/// Time for which one run is read before the next one gets its turn and the screen its curves.
const SLICE: Duration = Duration::from_millis(100);

/// What was read.
pub enum ComparisonUpdate {
    /// The curves of the run in this folder.
    Curves(PathBuf, Arc<RunCurves>),
    /// The settings in which these runs differ, or why they are not known.
    Settings(Vec<PathBuf>, Result<Vec<SettingDifference>, String>),
    /// The events of a run cannot be read.
    Unreadable(String),
}

/// The thread that follows runs. It ends with its owner.
#[derive(Default)]
pub struct CurveReader {
    shared: Arc<Shared>,
    started: bool,
}

#[derive(Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Clone, Default, PartialEq)]
struct Wanted {
    runs: Vec<PathBuf>,
    closed: bool,
}

impl CurveReader {
    /// Follows these runs from now on, and no others. The first call decides who receives what is read; reading stops when
    /// it returns `false`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn follow(
        &mut self,
        runs: Vec<PathBuf>,
        deliver: impl Fn(ComparisonUpdate) -> bool + Send + 'static,
    ) -> std::io::Result<()> {
        self.shared.set(Wanted { runs, closed: false });
        if !self.started {
            let shared = self.shared.clone();
            Builder::new().name("compare".into()).spawn(move || read(&shared, deliver))?;
            self.started = true;
        }
        Ok(())
    }
}

impl Drop for CurveReader {
    fn drop(&mut self) {
        self.shared.set(Wanted { runs: Vec::new(), closed: true });
    }
}

impl Shared {
    fn set(&self, wanted: Wanted) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        self.changed.notify_all();
    }

    fn wanted(&self) -> Wanted {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until other runs are wanted than these; if there are some, for a limited time.
    fn wait(&self, now: &Wanted) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |wanted: &mut Wanted| wanted == now;
        if now.runs.is_empty() {
            drop(self.changed.wait_while(wanted, same));
        } else {
            drop(self.changed.wait_timeout_while(wanted, EVERY, same));
        }
    }
}

fn read(shared: &Shared, deliver: impl Fn(ComparisonUpdate) -> bool) {
    let mut followed: BTreeMap<PathBuf, FollowedRun> = BTreeMap::new();
    let mut settings = Settings::default();
    loop {
        let wanted = shared.wanted();
        followed.retain(|run, _| wanted.runs.contains(run));
        let received = settings.update(&wanted.runs).is_none_or(&deliver);
        if wanted.closed || !received {
            return;
        }
        let mut behind = false;
        for run in &wanted.runs {
            let followed = followed.entry(run.clone()).or_default();
            if !followed.update(run).is_none_or(&deliver) {
                return;
            }
            behind |= followed.behind;
            // Another choice of runs does not wait for the rest of these.
            if shared.wanted() != wanted {
                behind = true;
                break;
            }
        }
        if !behind {
            shared.wait(&wanted);
        }
    }
}

/// When a file was written last, and its length.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

/// A run that is followed.
struct FollowedRun {
    reader: HistoryReader,
    /// The file when it was read last; `None` before.
    seen: Option<Stamp>,
    /// Whether there is more to read.
    behind: bool,
    failed: bool,
}

impl Default for FollowedRun {
    fn default() -> FollowedRun {
        FollowedRun { reader: HistoryReader::new(History::default()), seen: None, behind: false, failed: false }
    }
}

impl FollowedRun {
    /// Reads on for a while if the file has grown.
    fn update(&mut self, run: &Path) -> Option<ComparisonUpdate> {
        let path = run.join("events.jsonl");
        let now = stamp(&path);
        if self.seen == Some(now) && !self.behind {
            return None;
        }
        self.seen = Some(now);
        let start = Instant::now();
        let read = self.reader.read_until(&path, || start.elapsed() > SLICE);
        self.behind = matches!(read, Ok(false));
        let failed = std::mem::replace(&mut self.failed, false);
        match read {
            // A run that has not begun yet has no file.
            Err(error) if error.kind() != ErrorKind::NotFound => {
                self.failed = true;
                (!failed).then(|| ComparisonUpdate::Unreadable(format!("{}: cannot read: {error}", path.display())))
            }
            _ => Some(ComparisonUpdate::Curves(run.to_owned(), Arc::new(RunCurves::of(self.reader.history())))),
        }
    }
}

/// The presets of the followed runs.
#[derive(Default)]
struct Settings {
    seen: Vec<(PathBuf, Stamp)>,
}

impl Settings {
    /// Reads the presets if other runs are followed, or if one of them was resumed with another preset.
    fn update(&mut self, runs: &[PathBuf]) -> Option<ComparisonUpdate> {
        let now: Vec<(PathBuf, Stamp)> =
            runs.iter().map(|run| (run.clone(), stamp(&run.join("preset.toml")))).collect();
        if now == self.seen {
            return None;
        }
        self.seen = now;
        let paths: Vec<&Path> = runs.iter().map(PathBuf::as_path).collect();
        let differences = setting_differences(&paths).map_err(|error| format!("{error:#}"));
        Some(ComparisonUpdate::Settings(runs.to_vec(), differences))
    }
}
