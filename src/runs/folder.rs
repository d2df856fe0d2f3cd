//! Making and naming a run's folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    name: String,
}

impl RunFolder {
    /// Makes `runs/NAME` and writes the preset into it. Without a name it is made of the preset's and the time.
    ///
    /// # Errors
    /// A name that is not a plain folder name, a folder that exists already, a disk that cannot be written.
    pub fn create(runs: &Path, name: Option<&str>, preset: &str, preset_toml: &str) -> Result<RunFolder> {
        fs::create_dir_all(runs).with_context(|| format!("{}: cannot make the folder of runs", runs.display()))?;
        let name = match name {
            Some(name) => plain(name)?.to_owned(),
            None => unused(runs, &format!("{}-{}", preset, jiff::Zoned::now().strftime("%Y%m%d-%H%M%S"))),
        };
        let path = runs.join(&name);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                bail!(Usage(format!("{}: a run of that name exists; choose another with --run", path.display())))
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{}: cannot make the run's folder", path.display()));
            }
        }
        let folder = RunFolder { path, name };
        fs::write(folder.path.join("preset.toml"), preset_toml)
            .with_context(|| format!("{}: cannot write", folder.path.join("preset.toml").display()))?;
        Ok(folder)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its events are.
    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// Where the checkpoint of a step is.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.path.join("checkpoints").join(format!("step-{step:08}"))
    }

    /// Where the checkpoint of the best evaluation is.
    pub fn best(&self) -> PathBuf {
        self.path.join("best")
    }
}

/// A run's name becomes a folder's name, so it must not climb out of the folder of runs.
pub(super) fn plain(name: &str) -> Result<&str> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || name.len() > 120 || !name.chars().all(allowed) {
        bail!(Usage(format!("{name:?}: a run's name is made of letters, digits, '-', '_' and '.', not first")));
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
}
