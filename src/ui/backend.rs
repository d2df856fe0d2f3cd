//! What the workbench needs of the rest of the program, as a trait: `ui` knows no trainer, and `cli` implements it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::analysis::Analysis;
use crate::attach::Link;
use crate::chat::ChatLink;
pub use crate::estimate::{DownloadSize, Estimate};
use crate::export::{ExportControl, ExportRequest};
use crate::preset::Preset;

/// The rest of the program, as the workbench sees it.
pub trait Backend: Send + Sync {
    /// Starts a run of a preset. Without a name, it is named after the preset and the time.
    ///
    /// # Errors
    /// The run folder cannot be created.
    fn launch(&self, preset: Preset, name: Option<&str>) -> Result<Launched>;

    /// Resumes a run from its latest checkpoint, with these `key=value` of the preset changed for the steps to come.
    ///
    /// # Errors
    /// The run is still training, or has nothing left to train.
    fn resume(&self, run: &Path, set: &[String]) -> Result<Launched>;

    /// Attaches to a run in another process.
    ///
    /// # Errors
    /// The run is not training, or does not answer.
    fn attach(&self, run: &Path) -> Result<Launched>;

    /// Resumes a stopped run in a process of its own, which outlives this one.
    ///
    /// # Errors
    /// The process cannot be started, or cannot resume the run.
    fn detach(&self, run: &Path) -> Result<()>;

    /// Opens a language model to chat with, on a thread of its own: a run folder, a model folder or a hub id. The model is
    /// loaded afterwards.
    ///
    /// # Errors
    /// The run is one of a classifier, or has no checkpoint.
    fn chat(&self, model: &Path) -> Result<ChatLink>;

    /// An analysis of the gradients of a preset, which has not started.
    ///
    /// # Errors
    /// Its folder holds something else, or the program was built without libtorch.
    fn analyze(&self, _preset: &Preset) -> Result<Analysis> {
        anyhow::bail!("this program computes no analyses")
    }

    /// The folder of all run folders.
    fn runs(&self) -> &Path;

    /// finesift's cache folder, which presets write as `cache:`.
    fn cache(&self) -> &Path;

    /// Estimates a run of a preset, and reads its first batch. It downloads nothing, and may read files for seconds.
    ///
    /// # Errors
    /// Why the preset cannot be trained.
    fn estimate(&self, preset: &Preset) -> Result<Estimate>;

    /// The sizes of what launching a preset would download first. It asks the hub, and may take a minute.
    ///
    /// # Errors
    /// Why the preset cannot be trained.
    fn download_sizes(&self, _preset: &Preset) -> Result<Vec<DownloadSize>> {
        Ok(Vec::new())
    }

    /// Exports a run, completely or not at all. It may take minutes.
    ///
    /// # Errors
    /// Those of [`ExportRequest::carry_out`].
    fn export(&self, order: &ExportRequest, watch: ExportControl) -> Result<()>;
}

/// A run that was started or attached to.
pub struct Launched {
    /// The connection to its trainer.
    pub link: Link,
    /// The run folder.
    pub folder: PathBuf,
    /// Whether the folder is new, and is removed if the run cannot start.
    pub fresh: bool,
}
