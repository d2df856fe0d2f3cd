//! What a run leaves for other software: a model, what has changed in it, an adapter, or its numbers.
//!
//! ```text
//! order        what is asked for, and has the rest carry it out
//! watch        who waits for it, and may call it off
//! changes      a run's checkpoint becomes what it changes in its base model
//! delta        those changes as one file, and back
//! merged       a Hugging Face folder with the changes made
//! shira        a PEFT adapter of them
//! csv          the numbers of every step
//! tensorboard  the same as an event file
//! report       the same as a page with charts
//! ```

#[cfg(feature = "torch")]
mod changes;
mod csv;
#[cfg(feature = "torch")]
mod delta;
#[cfg(feature = "torch")]
mod merged;
mod order;
mod report;
#[cfg(feature = "torch")]
mod shira;
mod tensorboard;
mod watch;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;

#[cfg(feature = "torch")]
pub use changes::{Changes, Facts, Full, Sparse};
pub use csv::csv;
#[cfg(feature = "torch")]
pub use merged::merged;
pub use order::{Form, Order};
pub use report::report;
#[cfg(feature = "torch")]
pub use shira::shira;
pub use tensorboard::tensorboard;
pub use watch::{CalledOff, Stop, Watch};

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
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("{}: cannot make it", parent.display()))?;
        }
        Ok(Unfinished { path, place: place.to_owned() })
    }

    /// Puts it in its place.
    pub fn finish(self) -> Result<()> {
        std::fs::rename(&self.path, &self.place).with_context(|| format!("{}: cannot write", self.place.display()))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After `finish` there is nothing of that name.
        let _ = std::fs::remove_dir_all(&self.path).or_else(|_| std::fs::remove_file(&self.path));
    }
}
