//! Creating, finding and naming the folder of a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::events::last_event;
use super::lock::RunLock;
use crate::Usage;
use crate::protocol::{Event, Finished, Reason};
use crate::suggest;

/// File of the preset. A folder with this file is a run.
const PRESET: &str = "preset.toml";

/// The folder of a run, locked for this process until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    name: String,
    _lock: Arc<RunLock>,
}

impl RunFolder {
    /// Creates `runs/NAME` and writes the preset into it. The default name is the preset's name with the time.
    ///
    /// # Errors
    /// An invalid name, a folder that exists, a disk that cannot be written.
    pub fn create(runs: &Path, name: Option<&str>, preset: &str, preset_toml: &str) -> Result<RunFolder> {
        fs::create_dir_all(runs).with_context(|| format!("{}: cannot create the folder of runs", runs.display()))?;
        let name = match name {
            Some(name) => plain(name)?.to_owned(),
            None => unused(runs, &format!("{}-{}", preset, jiff::Zoned::now().strftime("%Y%m%d-%H%M%S"))),
        };
        let path = runs.join(&name);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                bail!(Usage(format!("{}: a run of this name exists. Choose another name with --run", path.display())))
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{}: cannot create the folder of the run", path.display()));
            }
        }
        let folder = RunFolder { _lock: Arc::new(RunLock::take(&path)?), path, name };
        fs::write(folder.preset(), preset_toml)
            .with_context(|| format!("{}: cannot write", folder.preset().display()))?;
        Ok(folder)
    }

    /// Opens an existing run by its name below `runs`, or by the path of its folder.
    ///
    /// # Errors
    /// [`Usage`]: no such run, or another process holds its lock.
    pub fn open(runs: &Path, run: &str) -> Result<RunFolder> {
        let path = find(runs, run)?;
        let name = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(RunFolder { _lock: Arc::new(RunLock::take(&path)?), path, name })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// Whether the run took all its steps.
    pub fn completed(&self) -> bool {
        let last = last_event(&self.events());
        matches!(last, Ok(Some(Event::Finished(Finished { reason: Reason::Completed, .. }))))
    }

    pub fn preset(&self) -> PathBuf {
        self.path.join(PRESET)
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step:08}"))
    }
}

/// The folder of a run, by its name below `runs` or by its path.
///
/// # Errors
/// [`Usage`]: no such run.
pub fn find(runs: &Path, run: &str) -> Result<PathBuf> {
    let is_run = |path: &Path| path.join(PRESET).is_file();
    let below = runs.join(run);
    if !run.contains('/') && !run.starts_with('.') && is_run(&below) {
        return Ok(below);
    }
    if is_run(Path::new(run)) {
        return Ok(PathBuf::from(run));
    }
    let names: Vec<String> = fs::read_dir(runs)
        .map(|entries| {
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_run(path));
            paths.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
        })
        .unwrap_or_default();
    let meant = suggest::nearest(run, names.iter().map(String::as_str));
    let meant = meant.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    bail!(Usage(format!("{}: no run named \"{run}\"{meant}", runs.display())));
}

/// Checks the name of a run. It becomes a folder, which must stay inside the folder of runs.
pub(super) fn plain(name: &str) -> Result<&str> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || name.len() > 120 || !name.chars().all(allowed) {
        bail!(Usage(format!("{name:?}: a run's name has letters, digits, - _ . and must not start with \".\"")));
    }
    Ok(name)
}

pub(super) fn unused(runs: &Path, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2;
    while runs.join(&name).exists() {
        name = format!("{wanted}-{number}");
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder_of_runs() {
        let runs = tempfile::tempdir().unwrap();
        for name in ["../x", "/etc", "", ".hidden", "a/b", "a\nb"] {
            assert!(RunFolder::create(runs.path(), Some(name), "demo", "").is_err(), "{name:?}");
        }
        let first = RunFolder::create(runs.path(), Some("mine"), "demo", "about = \"x\"").unwrap();
        assert_eq!(fs::read_to_string(first.path().join("preset.toml")).unwrap(), "about = \"x\"");
        let again = RunFolder::create(runs.path(), Some("mine"), "demo", "").unwrap_err();
        assert!(again.to_string().contains("exists"), "{again}");
    }

    #[test]
    fn a_run_is_found_by_name_or_path_and_has_one_writer() {
        let runs = tempfile::tempdir().unwrap();
        let path = RunFolder::create(runs.path(), Some("mine"), "demo", "").unwrap().path().to_owned();
        for run in ["mine", path.to_str().unwrap()] {
            let folder = RunFolder::open(runs.path(), run).unwrap();
            assert_eq!((folder.path(), folder.name()), (path.as_path(), "mine"));
            let refused = RunFolder::open(runs.path(), "mine").unwrap_err();
            assert!(refused.to_string().contains("is writing this run"), "{refused}");
        }
        let missing = RunFolder::open(runs.path(), "mime").unwrap_err();
        assert!(missing.is::<Usage>() && missing.to_string().contains("did you mean \"mine\"?"), "{missing}");
    }
}
