//! What the screens ask of the rest of the program. They know no trainer: whoever joins them with one answers.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::attach::Link;
pub use crate::estimate::Estimate;
use crate::export::{ExportControl, ExportRequest};
use crate::preset::Preset;

/// The rest of the program, as the screens see it.
pub trait Backend: Send + Sync {
    /// Starts a run of a preset.
    ///
    /// # Errors
    /// A run's folder that cannot be made.
    fn launch(&self, preset: Preset) -> Result<Launched>;

    /// Takes a run up again where it stood.
    ///
    /// # Errors
    /// A run that is complete, or under way, or that has no checkpoint.
    fn resume(&self, run: &Path) -> Result<Launched>;

    /// Attaches to a run that goes elsewhere.
    ///
    /// # Errors
    /// A run that does not go, or does not answer.
    fn attach(&self, run: &Path) -> Result<Launched>;

    /// Has a run that was stopped with a checkpoint go on without a screen, when this process has ended too.
    ///
    /// # Errors
    /// A process that cannot be started, or that cannot take up the run.
    fn detach(&self, run: &Path) -> Result<()>;

    /// The folder of all runs.
    fn runs(&self) -> &Path;

    /// finesift's own cache, which `cache:` stands for in presets.
    fn cache(&self) -> &Path;

    /// What a run of a preset would take, and its first examples. It may read files for seconds and downloads nothing.
    ///
    /// # Errors
    /// Model or data are not as the preset says.
    fn estimate(&self, preset: &Preset) -> Result<Estimate>;

    /// Writes what a run came to for other software, whole or not at all. It may take minutes.
    ///
    /// # Errors
    /// As [`ExportRequest::write`].
    fn export(&self, order: &ExportRequest, control: ExportControl) -> Result<()>;
}

/// A run that was started, or attached to.
pub struct Launched {
    /// The way to its trainer.
    pub link: Link,
    /// The run's folder.
    pub folder: PathBuf,
    /// Whether the folder is new, so that a run that could not begin leaves none behind.
    pub fresh: bool,
}
