//! `finesift train`: start a run from a preset and watch it.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::args::PresetArgs;
use super::watch::LaunchArgs;

#[derive(Args)]
#[command(after_help = "Examples:
  finesift train demo
  finesift train glue/mrpc --set train.epochs=3 --set sift.rate=0.02 --run mrpc-2
  finesift train mine.toml --device cuda:0 --background
  finesift train demo --json > events.jsonl")]
pub(super) struct Train {
    #[command(flatten)]
    preset: PresetArgs,
    #[command(flatten)]
    launch: LaunchArgs,
}

impl Train {
    /// Starts the run and watches it to its end.
    pub(super) fn run(self) -> Result<ExitCode> {
        self.launch.launch(|backend| backend.start(self.preset.load()?, self.preset.run.as_deref()))
    }
}
