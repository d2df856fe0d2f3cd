//! `finesift analyze gradients`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{AnalyzeArgs, default_folder};
use crate::analysis::gradients::{self, GradientsSpec};
use crate::analysis::{Analysis, files};
use crate::cli::args::PresetArg;
use crate::device::DeviceChoice;
use crate::preset::Preset;

/// Batches to average over by default.
const BATCHES: u32 = 8;

#[derive(Args)]
#[command(after_help = "Examples:
  finesift analyze gradients demo
  finesift analyze gradients glue/mrpc --batches 16 --steps 200
  finesift analyze gradients demo --json > report.json")]
pub(super) struct Gradients {
    #[command(flatten)]
    preset: PresetArg,
    /// Batches of the training data to average over
    #[arg(long, value_name = "N", default_value_t = BATCHES, value_parser = clap::value_parser!(u32).range(1..))]
    batches: u32,
    /// Also train for N optimizer steps, and measure after each quarter
    #[arg(long, value_name = "N", default_value_t = 0)]
    steps: u64,
    /// Analyze all parameters of the model, not only the preset's targets
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    options: AnalyzeArgs,
}

impl Gradients {
    pub(super) fn run(self) -> Result<ExitCode> {
        let preset = self.preset.load()?;
        let title = format!("gradients of {}", preset.name);
        let folder = self.options.folder("gradients", &preset.name)?;
        let device = self.options.workbench.device.device.parse()?;
        let spec = GradientsSpec { preset, device, batches: self.batches as usize, steps: self.steps, all: self.all };
        self.options.show(Analysis { title, folder, run: Box::new(move |reporter| gradients::run(&spec, reporter)) })
    }
}

/// The analysis that Home starts: with the default options, on this device.
///
/// # Errors
/// [`Usage`](crate::Usage): its folder holds anything but an earlier analysis.
pub(in crate::cli) fn gradients_of(preset: Preset, device: DeviceChoice) -> Result<Analysis> {
    let folder = default_folder("gradients", &preset.name);
    files::check_folder(&folder)?;
    let title = format!("gradients of {}", preset.name);
    let spec = GradientsSpec { preset, device, batches: BATCHES as usize, steps: 0, all: false };
    Ok(Analysis { title, folder, run: Box::new(move |reporter| gradients::run(&spec, reporter)) })
}
