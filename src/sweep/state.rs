//! The folder of a sweep: its runs, what the sweep was when it ran last, and its results.
//!
//! ```text
//! runs/NAME/sweep.json      the plan, and why runs could not start
//!           lock            held by the process that works on the sweep
//!           results.md, results.csv, results.json, results.svg
//!           ROW-sSEED-ID/   an ordinary run
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::plan::SweepPlan;
use crate::Usage;
use crate::runs::check_run_name;

/// The file that makes a folder one of a sweep.
const FILE: &str = "sweep.json";

/// The folder of a sweep in the folder of runs.
#[derive(Clone, Debug)]
pub struct SweepFolder {
    runs: PathBuf,
    name: String,
}

/// What is stored of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepState {
    /// The sweep file.
    pub file: PathBuf,
    pub plan: SweepPlan,
    /// Why runs could not start when they were last tried, by identity. A run that has started says itself how it ended.
    #[serde(default)]
    pub unstarted: BTreeMap<String, String>,
}

impl SweepFolder {
    /// The folder of the sweep of this name.
    ///
    /// # Errors
    /// [`Usage`]: an invalid name, or that of a run.
    pub fn new(runs: &Path, name: &str) -> Result<SweepFolder> {
        check_run_name(name)?;
        let folder = SweepFolder { runs: runs.to_owned(), name: name.to_owned() };
        if folder.path().join("preset.toml").exists() {
            bail!(Usage(format!(
                "{}: a run of this name exists. Choose another name with --name",
                folder.path().display()
            )));
        }
        Ok(folder)
    }

    /// The folder of the sweep that is named after its file.
    ///
    /// # Errors
    /// As for [`SweepFolder::new`].
    pub fn of_file(runs: &Path, file: &Path) -> Result<SweepFolder> {
        SweepFolder::new(runs, &file.file_stem().unwrap_or_default().to_string_lossy())
    }

    /// The folder of a sweep by its path.
    pub fn at(path: &Path) -> SweepFolder {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        SweepFolder { runs: path.parent().unwrap_or(Path::new("")).to_owned(), name }
    }

    /// The folder of all runs.
    pub fn runs(&self) -> &Path {
        &self.runs
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> PathBuf {
        self.runs.join(&self.name)
    }

    /// What was stored; `None` before the sweep has run.
    ///
    /// # Errors
    /// [`Usage`]: the file is damaged. Otherwise it cannot be read.
    pub fn read(&self) -> Result<Option<SweepState>> {
        let path = self.path().join(FILE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("{}: cannot read", path.display()))?,
        };
        let state = serde_json::from_slice(&text);
        Ok(Some(
            state.map_err(|error| Usage(format!("{}: {error}; delete it and run the sweep again", path.display())))?,
        ))
    }

    /// Stores the state.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn write(&self, state: &SweepState) -> Result<()> {
        self.write_file(FILE, &(serde_json::to_string_pretty(state)? + "\n"))
    }

    /// Replaces a file of the folder: written beside, synced, renamed.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn write_file(&self, name: &str, text: &str) -> Result<()> {
        // Another process may wait for its turn on the same sweep.
        let (path, new) = (self.path().join(name), self.path().join(format!("{name}.{}.new", std::process::id())));
        let write = || {
            fs::create_dir_all(self.path())?;
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().with_context(|| format!("{}: cannot write", path.display()))
    }
}
