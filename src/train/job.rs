//! A training run to start or resume.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tch::Device;

use crate::device::DeviceChoice;
use crate::distributed::Ranks;
use crate::estimate::RunShape;
use crate::estimate::advice::Settings;
use crate::estimate::oom::MemoryContext;
use crate::hub::Hub;
use crate::preset::Preset;
use crate::runs::checkpoint::CheckpointSelector;
use crate::runs::{Disk, RunFolder};

/// A training run to start or resume.
pub struct Job {
    pub preset: Preset,
    /// The run's folder.
    pub folder: RunFolder,
    pub device: DeviceChoice,
    /// Models and datasets.
    pub hub: Hub,
    /// finesift's own cache.
    pub cache: PathBuf,
    /// Writes checkpoints.
    pub disk: Arc<dyn Disk>,
    /// The other processes of the run.
    pub ranks: Ranks,
    /// `None` starts a new run.
    pub resume: Option<ResumeOptions>,
    /// How often to read step results from the device; by default as it suits the device.
    pub read_every: Option<Duration>,
}

impl Job {
    /// For the error when memory runs out in this run, of this shape and on this device.
    pub(super) fn memory(&self, shape: &RunShape, device: Device) -> MemoryContext {
        let folder = self.folder.path().display().to_string();
        let settings = Settings::Run { folder, splits: self.preset.train.global_batch.is_some() };
        MemoryContext { shape: shape.clone(), device, settings }
    }
}

/// How to resume a run.
#[derive(Clone, Debug)]
pub struct ResumeOptions {
    pub from: CheckpointSelector,
    /// Whether to accept changes after which the results differ from those of the original run.
    pub force: bool,
    /// Keys of the preset that the user sets for the steps to come.
    pub set: Vec<String>,
}
