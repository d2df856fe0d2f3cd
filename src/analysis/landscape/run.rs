//! The analysis as a front end runs it: opens a preset or a run, measures, reports.

use anyhow::{Result, bail};

use super::measure::measure;
use super::options::{HessianScope, LandscapeOptions};
use super::subject::Subject;
use crate::Usage;
use crate::analysis::{Report, Reporter};
use crate::device::DeviceChoice;
use crate::hub::Hub;
use crate::inputs::{Access, Downloads};
use crate::preset::{Preset, cache_folder};
use crate::protocol::{Event, Progress};
use crate::runs::checkpoint::StoredCheckpoint;

/// What to analyze.
pub struct LandscapeSpec {
    /// The preset, or that of the run.
    pub preset: Preset,
    /// The run's checkpoint.
    pub checkpoint: Option<StoredCheckpoint>,
    /// What to compute on.
    pub device: DeviceChoice,
    /// What to measure.
    pub options: LandscapeOptions,
}

impl LandscapeSpec {
    /// Checks what can be known before anything is opened.
    ///
    /// # Errors
    /// [`Usage`]: a preset has no selection, or a run trains adapters and not the model's own weights.
    pub fn check(&self) -> Result<()> {
        match &self.checkpoint {
            None if self.options.hessian == HessianScope::Selected => {
                bail!(Usage(
                    "--hessian selected needs a run: a preset has no selection yet; use targets or none".into()
                ))
            }
            Some(stored) if stored.manifest.lora.is_some() => bail!(Usage(format!(
                "{}: the run trains LoRA adapters beside the weights, and the landscape is that of the model's own weights; name another \
                 run, or a preset",
                stored.path.display()
            ))),
            _ => Ok(()),
        }
    }
}

/// Analyzes the loss around the weights.
///
/// # Errors
/// [`Usage`]: a preset or checkpoint that cannot be used. [`Cancelled`](crate::analysis::Cancelled).
pub fn run(spec: &LandscapeSpec, reporter: &Reporter) -> Result<Report> {
    spec.check()?;
    let LandscapeSpec { preset, checkpoint, device, options } = spec;
    let (hub, cache) = (Hub::from_env(), cache_folder());
    let access = Access { hub: &hub, cache: &cache, downloads: Downloads::Allowed };
    let report = |event: Event| {
        if let Event::Progress(progress) = event {
            reporter.progress(progress);
        }
    };
    let device = device.enter()?.device;
    let (subject, facts) = Subject::open(preset, checkpoint.as_ref(), &access, device, options, &report)?;
    let observe = |progress: Progress| {
        reporter.progress(progress);
        Ok(reporter.check()?)
    };
    Ok(measure(subject, options, &observe)?.report(&facts, options))
}
