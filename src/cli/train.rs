//! `finesift train`: start a run from a preset and watch it.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::watch::LaunchArgs;
use crate::preset::{Preset, cache_folder};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift train demo
  finesift train glue/mrpc --set train.epochs=3 --set sift.rate=0.02 --run mrpc-2
  finesift train mine.toml --device cuda:0 --background
  finesift train demo --json > events.jsonl")]
pub(super) struct Train {
    /// Name of a preset, or path of a .toml file
    preset: String,
    /// Override a key of the preset, such as train.epochs=3 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Name of the run [default: the preset's name and the time]
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    #[command(flatten)]
    launch: LaunchArgs,
}

impl Train {
    /// Starts the run and watches it to its end.
    pub(super) fn run(self) -> Result<ExitCode> {
        self.launch.launch(|backend| {
            let preset = Preset::load(&self.preset, &self.set, &cache_folder())?;
            backend.start(preset, self.run.as_deref())
        })
    }
}
