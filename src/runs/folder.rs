//! Creating, finding and naming the folder of a run.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::events::last_event;
use super::lock::RunLock;
use crate::Usage;
use crate::protocol::{Event, Finished};
use crate::suggest;

/// File of the preset. A folder with this file is a run.
const PRESET: &str = "preset.toml";

/// The folder of a run, locked for this process until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    name: String,
    /// None of a folder that another process of the run has locked.
    _lock: Option<Arc<RunLock>>,
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
        let folder = RunFolder { _lock: Some(Arc::new(RunLock::take(&path)?)), path, name };
        fs::write(folder.preset(), preset_toml)
            .with_context(|| format!("{}: cannot write", folder.preset().display()))?;
        Ok(folder)
    }

    /// Opens an existing run by its name below `runs`, or by the path of its folder.
    ///
    /// # Errors
    /// [`Usage`]: no such run, or another process holds its lock.
    pub fn open(runs: &Path, run: &str) -> Result<RunFolder> {
        let folder = RunFolder::of_other_process(find(runs, run)?);
        Ok(RunFolder { _lock: Some(Arc::new(RunLock::take(&folder.path)?)), ..folder })
    }

    /// The folder of a run of another process, which writes it.
    pub fn of_other_process(path: PathBuf) -> RunFolder {
        let name = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        RunFolder { _lock: None, path, name }
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

    /// How the run ended, if its last event says so.
    pub fn finished(&self) -> Option<Finished> {
        match last_event(&self.events()) {
            Ok(Some(Event::Finished(finished))) => Some(finished),
            _ => None,
        }
    }

    pub fn preset(&self) -> PathBuf {
        self.path.join(PRESET)
    }

    /// Replaces the preset of a run that continues with another one from a step on, completely or not at all. The earlier one
    /// moves to `abandoned/`.
    ///
    /// # Errors
    /// The disk cannot be written. The preset is as it was then.
    pub fn replace_preset(&self, preset_toml: &str, step: u64) -> Result<()> {
        let path = self.preset();
        let failed = || format!("{}: cannot replace the preset", path.display());
        let before = fs::read_to_string(&path).with_context(failed)?;
        if before == preset_toml {
            return Ok(());
        }
        let abandoned = self.path.join("abandoned");
        fs::create_dir_all(&abandoned).with_context(failed)?;
        write_whole(&abandoned.join(format!("preset-{step:08}.toml")), &before).with_context(failed)?;
        write_whole(&path, preset_toml).with_context(failed)
    }

    /// Writes what was left open in the preset of a run that has taken no step, completely or not at all.
    ///
    /// # Errors
    /// The disk cannot be written. The preset is as it was then.
    #[cfg(feature = "torch")]
    pub(crate) fn settle_preset(&self, preset_toml: &str) -> Result<()> {
        let path = self.preset();
        write_whole(&path, preset_toml).with_context(|| format!("{}: cannot replace the preset", path.display()))
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step:08}"))
    }
}

/// Writes a file beside, syncs it and renames it, so that it is never there in part.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("toml.new");
    let mut file = File::create(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
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
pub fn plain(name: &str) -> Result<&str> {
    match name_error(name) {
        Some(error) => bail!(Usage(format!("{name:?}: {error}"))),
        None => Ok(name),
    }
}

/// What is wrong with a name for a run; `None` for a valid name.
pub fn name_error(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let valid = !name.is_empty() && !name.starts_with('.') && name.len() <= 120 && name.chars().all(allowed);
    (!valid).then(|| "a run's name has letters, digits, - _ . and must not start with \".\"".to_owned())
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

/// The preset in the default name of a run: `demo` in `demo-20270101-090000`. In names of presets `/` became `-`.
pub fn preset_in_name(run: &str) -> Option<&str> {
    let (rest, number) = run.rsplit_once('-')?;
    // A run of the same second has a number behind the time.
    let (rest, time) = if number.len() == 6 { (rest, number) } else { rest.rsplit_once('-')? };
    let (preset, date) = rest.rsplit_once('-')?;
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(date, 8) && digits(time, 6) && digits(number, number.len())).then_some(preset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_name_of_a_run_has_its_preset() {
        let names = ["demo-20270101-090000", "my-glue-20270101-090000-2", "demo", "a-b", "demo-2027-090000", "é-1-ü"];
        let presets = names.map(preset_in_name);
        assert_eq!(presets, [Some("demo"), Some("my-glue"), None, None, None, None]);
    }

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
    fn a_replaced_preset_is_kept_and_a_failure_changes_nothing() {
        let runs = tempfile::tempdir().unwrap();
        let run = RunFolder::create(runs.path(), Some("mine"), "demo", "about = \"x\"").unwrap();
        run.replace_preset("about = \"x\"", 3).unwrap();
        assert!(!run.path().join("abandoned").exists());
        run.replace_preset("about = \"y\"", 18).unwrap();
        let read = |file: &str| fs::read_to_string(run.path().join(file)).unwrap();
        assert_eq!([read("preset.toml"), read("abandoned/preset-00000018.toml")], ["about = \"y\"", "about = \"x\""]);
        fs::create_dir(run.path().join("preset.toml.new")).unwrap();
        let error = run.replace_preset("about = \"z\"", 20).unwrap_err();
        assert!(format!("{error:#}").contains("preset.toml: cannot replace the preset"), "{error:#}");
        assert_eq!(read("preset.toml"), "about = \"y\"");
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
