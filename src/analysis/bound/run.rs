//! The analysis as `finesift analyze bound` starts it.

use std::path::PathBuf;

use anyhow::Result;

use super::analyze::{BoundOptions, analyze};
use crate::analysis::link::Reporter;
use crate::analysis::report::Report;
use crate::device::DeviceChoice;
use crate::hub::Hub;
use crate::inputs::{Access, Downloads};
use crate::preset::cache_folder;
use crate::runs::checkpoint::CheckpointSelector;

/// The run to bound the error of.
pub struct BoundSpec {
    /// The run's folder.
    pub run: PathBuf,
    /// The checkpoint, by default the best.
    pub from: Option<CheckpointSelector>,
    /// The probability with which a bound may fail, between 0 and 1.
    pub delta: f64,
    /// Draws of weights behind a bound, at least 1.
    pub draws: u64,
    pub device: DeviceChoice,
}

/// Bounds the error of a run's checkpoint.
///
/// # Errors
/// As [`analyze`]; [`Cancelled`](crate::analysis::Cancelled).
pub fn run(spec: &BoundSpec, reporter: &Reporter) -> Result<Report> {
    let &BoundSpec { delta, from, draws, device, .. } = spec;
    let options = BoundOptions { delta, from, draws, device: device.enter()?.device };
    let hub = Hub::from_env();
    let access = Access { hub: &hub, cache: &cache_folder(), downloads: Downloads::Allowed };
    let check = || Ok(reporter.check()?);
    analyze(&spec.run, options, &access, &|progress| reporter.progress(progress), &check)
}
