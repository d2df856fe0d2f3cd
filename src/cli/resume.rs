//! `finesift resume`: continue a run from one of its checkpoints.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::args::{DeviceArg, RunsArg, ScreenArgs};
use super::backend::LocalBackend;
use super::watch::{BackgroundArgs, WatchArgs, start_in_background, watch_detached};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift resume RUN                resume from the latest checkpoint
  finesift resume RUN --from best    go back to the best evaluation
  finesift resume RUN --from 140     go back to the checkpoint of step 140")]
pub(super) struct Resume {
    /// Name of the run, or path of its folder
    run: String,
    /// Checkpoint to resume from [default: the latest]
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Resume even if the preset, the data or config.json changed; losses then differ from an uninterrupted run's
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    runs: RunsArg,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    background: BackgroundArgs,
    #[command(flatten)]
    screen: ScreenArgs,
}

impl Resume {
    /// Resumes the run and watches it to its end.
    pub(super) fn run(self) -> Result<ExitCode> {
        if self.background.starts_process() {
            return start_in_background();
        }
        let (config, options) = self.screen.settings()?;
        let backend = LocalBackend::new(self.runs.folder_with(&config), &self.device)?;
        // The screens chart the whole run. Lines were printed when they happened.
        let history = self.background.detach().is_none() && self.watch.format().is_none();
        let launched = backend.resume(&self.run, self.from.as_deref(), self.force, history)?;
        match self.background.detach() {
            None => self.watch.watch(launched, backend, options),
            Some(when) => watch_detached(launched, when),
        }
    }
}
