//! A run in formats of other software: a model, its changed parameters, an adapter, or its metrics.
//!
//! ```text
//! request      what the user requests, and dispatch to the formats
//! cancel       progress and cancellation
//! changes      a checkpoint as changes to its base model
//! delta        the changes as one file, and back
//! merged       a Hugging Face folder with the changes applied
//! shira        the changes as a PEFT adapter
//! csv          the metrics of every step
//! tensorboard  the metrics as an event file
//! report       the metrics as a page with charts
//! ```

mod cancel;
#[cfg(feature = "torch")]
mod changes;
mod csv;
#[cfg(feature = "torch")]
mod delta;
#[cfg(feature = "torch")]
mod merged;
mod report;
mod request;
#[cfg(feature = "torch")]
mod shira;
mod tensorboard;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;

pub use cancel::{CancelToken, Cancelled, ExportControl};
#[cfg(feature = "torch")]
pub use changes::{Changes, DeltaInfo, DenseChange, SparseChange};
pub use csv::csv;
#[cfg(feature = "torch")]
pub use merged::merged;
pub use report::report;
pub use request::{ExportFormat, ExportRequest};
#[cfg(feature = "torch")]
pub use shira::shira;
pub use tensorboard::tensorboard;

/// Why a SHiRA adapter was not written: the run changed biases, which it has no place for. It can be had without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedBiases {
    /// Biases that were changed.
    pub count: usize,
    /// The first of them.
    pub first: String,
}

impl fmt::Display for ChangedBiases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChangedBiases { count, first } = self;
        write!(
            f,
            "the run trained components of {count} biases, such as {first}, which a SHiRA adapter has no place for; \
             sift.biases = false trains none"
        )
    }
}

impl Error for ChangedBiases {}

/// A folder or a file that takes its name only when it is whole.
pub(crate) struct Unfinished {
    /// Where to write.
    pub path: PathBuf,
    place: PathBuf,
    /// Folders that were made for it, the outermost first.
    made: Vec<PathBuf>,
}

impl Unfinished {
    /// Room for something new at a place.
    ///
    /// # Errors
    /// [`Usage`] if something is there.
    pub fn at(place: &Path) -> Result<Unfinished> {
        if place.symlink_metadata().is_ok() {
            bail!(Usage(format!("{}: is there already; choose another place", place.display())));
        }
        let name = place.file_name().with_context(|| format!("{}: not a name", place.display()))?.to_string_lossy();
        let path = place.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let mut unfinished = Unfinished { path, place: place.to_owned(), made: Vec::new() };
        if let Some(parent) = place.parent() {
            make(parent, &mut unfinished.made).with_context(|| format!("{}: cannot make it", parent.display()))?;
        }
        Ok(unfinished)
    }

    /// Puts it in its place.
    pub fn finish(mut self) -> Result<()> {
        let place = &self.place;
        std::fs::rename(&self.path, place).with_context(|| format!("{}: cannot write", place.display()))?;
        self.made.clear();
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After `finish` there is nothing of that name.
        let _ = std::fs::remove_dir_all(&self.path).or_else(|_| std::fs::remove_file(&self.path));
        for folder in self.made.iter().rev() {
            // One that others have put something into meanwhile stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Makes a folder and those it lies in, and notes which of them were not there.
fn make(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make(parent, made)?;
    }
    match std::fs::create_dir(folder) {
        Ok(()) => made.push(folder.to_owned()),
        // Somebody else has made it meanwhile.
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
    fn what_does_not_come_to_an_end_takes_the_folders_along_that_were_made_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("exports");
        fs::create_dir(&there).unwrap();
        let place = there.join("step-9/whole/model");
        let begun = || {
            let unfinished = Unfinished::at(&place).unwrap();
            fs::create_dir(&unfinished.path).unwrap();
            fs::write(unfinished.path.join("config.json"), "{}").unwrap();
            unfinished
        };
        drop(begun());
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0, "the folder that was there stays, and nothing in it");
        // What another has put beside it stays, and its folder with it.
        let unfinished = begun();
        fs::write(there.join("step-9/note"), "").unwrap();
        drop(unfinished);
        assert!(there.join("step-9/note").is_file() && !there.join("step-9/whole").exists());
        begun().finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("config.json")).unwrap(), "{}");
        // A folder that was there is no less there for being empty.
        let empty = there.join("empty");
        fs::create_dir(&empty).unwrap();
        drop(Unfinished::at(&empty.join("model")).unwrap());
        assert!(empty.is_dir());
        // Where one of them cannot be made, those before it go too; nor is it another's if two go by different ways.
        fs::write(there.join("file"), "").unwrap();
        Unfinished::at(&there.join("new/../file/model")).err().unwrap();
        assert!(!there.join("new").exists());
        drop(Unfinished::at(&there.join("new/../../way/model")).unwrap());
        assert!(!there.join("new").exists() && !folder.path().join("way").exists());
    }

    #[test]
    fn an_export_that_fails_leaves_no_folder() {
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
        // There is no preset.toml, which a page shows.
        let (told, stop) = (|_| {}, CancelToken::default());
        let error = order.write(ExportControl { on_progress: &told, cancel: &stop }).unwrap_err();
        assert!(format!("{error:#}").contains("preset.toml"), "{error:#}");
        assert!(!run.path().join("exports").exists());
    }
}
