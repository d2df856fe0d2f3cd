//! A run in formats of other software: a model, its changed parameters, an adapter, or its metrics.
//!
//! ```text
//! request      what the user requests, and dispatch to the formats
//! cancel       progress and cancellation
//! delta        the changes as one file, and back
//! merged companions
//!              a Hugging Face folder with the changes applied, and the files that go with it
//! adapter shira lora
//!              the changes as a PEFT adapter: sparse differences, or the adapters of a LoRA run
//! csv          the metrics of every step
//! tensorboard  the metrics as an event file
//! report       the metrics as a page with charts
//! size         the size of a delta before it is exported
//! ```

#[cfg(feature = "torch")]
mod adapter;
mod cancel;
#[cfg(feature = "torch")]
mod companions;
mod csv;
#[cfg(feature = "torch")]
mod delta;
#[cfg(feature = "torch")]
mod lora;
#[cfg(feature = "torch")]
mod merged;
mod report;
mod request;
#[cfg(feature = "torch")]
mod shira;
mod size;
mod tensorboard;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;

pub use cancel::{CancelToken, Cancelled, ExportControl};
pub use csv::csv;
#[cfg(feature = "torch")]
pub use lora::lora;
#[cfg(feature = "torch")]
pub use merged::merged;
pub use report::report;
pub use request::{ExportFormat, ExportRequest};
#[cfg(feature = "torch")]
pub use shira::shira;
pub use size::delta_bytes;
pub use tensorboard::tensorboard;

/// Why a SHiRA adapter was not written: the run changed biases, which an adapter cannot hold. They can be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedBiases {
    /// Number of changed biases.
    pub count: usize,
    /// Name of the first one.
    pub first: String,
}

impl fmt::Display for ChangedBiases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChangedBiases { count, first } = self;
        write!(
            f,
            "the run trained components of {count} biases, such as {first}, which a SHiRA adapter cannot hold; \
             sift.biases = false trains none"
        )
    }
}

impl Error for ChangedBiases {}

/// A folder or file that gets its name only when it is complete.
pub(crate) struct Unfinished {
    /// Temporary path to write to.
    pub path: PathBuf,
    target: PathBuf,
    /// Parent folders that were created for it, the outermost first.
    created: Vec<PathBuf>,
}

impl Unfinished {
    /// Prepares a new folder or file at `target`.
    ///
    /// # Errors
    /// [`Usage`] if `target` exists.
    pub fn at(target: &Path) -> Result<Unfinished> {
        if target.symlink_metadata().is_ok() {
            bail!(Usage(format!("{}: exists already. Choose another path", target.display())));
        }
        let name = target.file_name().with_context(|| format!("{}: not a name", target.display()))?.to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let mut unfinished = Unfinished { path, target: target.to_owned(), created: Vec::new() };
        if let Some(parent) = target.parent() {
            create_dirs(parent, &mut unfinished.created)
                .with_context(|| format!("{}: cannot create the folder", parent.display()))?;
        }
        Ok(unfinished)
    }

    /// Renames it to its target.
    pub fn finish(mut self) -> Result<()> {
        let target = &self.target;
        std::fs::rename(&self.path, target).with_context(|| format!("{}: cannot write", target.display()))?;
        self.created.clear();
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Does nothing after `finish`.
        let _ = std::fs::remove_dir_all(&self.path).or_else(|_| std::fs::remove_file(&self.path));
        for folder in self.created.iter().rev() {
            // A folder with files of others stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Creates a folder and its parents, and adds those that did not exist to `created`.
fn create_dirs(folder: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_dirs(parent, created)?;
    }
    match std::fs::create_dir(folder) {
        Ok(()) => created.push(folder.to_owned()),
        // Another process has created it meanwhile.
        Err(_) if folder.is_dir() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_unfinished_export_removes_the_folders_that_were_created_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("exports");
        fs::create_dir(&there).unwrap();
        let place = there.join("step-9/whole/model");
        let start = || {
            let unfinished = Unfinished::at(&place).unwrap();
            fs::create_dir(&unfinished.path).unwrap();
            fs::write(unfinished.path.join("config.json"), "{}").unwrap();
            unfinished
        };
        drop(start());
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0, "the existing folder stays empty");
        // A file of another process stays, and its folder with it.
        let unfinished = start();
        fs::write(there.join("step-9/note"), "").unwrap();
        drop(unfinished);
        assert!(there.join("step-9/note").is_file() && !there.join("step-9/whole").exists());
        start().finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("config.json")).unwrap(), "{}");
        // An existing folder stays even if it is empty.
        let empty = there.join("empty");
        fs::create_dir(&empty).unwrap();
        drop(Unfinished::at(&empty.join("model")).unwrap());
        assert!(empty.is_dir());
        // If one of the folders cannot be created, those before it are removed, also along a path with `..`.
        fs::write(there.join("file"), "").unwrap();
        Unfinished::at(&there.join("new/../file/model")).err().unwrap();
        assert!(!there.join("new").exists());
        drop(Unfinished::at(&there.join("new/../../way/model")).unwrap());
        assert!(!there.join("new").exists() && !folder.path().join("way").exists());
    }

    #[test]
    fn a_failed_export_leaves_no_folder() {
        let run = tempfile::tempdir().unwrap();
        fs::write(run.path().join("events.jsonl"), "").unwrap();
        let out = run.path().join("exports/run/report.html");
        let order = ExportRequest {
            run: run.path().to_owned(),
            format: ExportFormat::Html,
            from: None,
            out,
            without_biases: false,
        };
        // The report needs preset.toml, which is missing.
        let (on_progress, cancel) = (|_| {}, CancelToken::default());
        let error = order.write(ExportControl { on_progress: &on_progress, cancel: &cancel }).unwrap_err();
        assert!(format!("{error:#}").contains("preset.toml"), "{error:#}");
        assert!(!run.path().join("exports").exists());
    }
}
