//! `finesift resume`: continue a run from one of its checkpoints.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::backend::ResumeRequest;
use super::watch::LaunchArgs;

#[derive(Args)]
#[command(after_help = "Examples:
  finesift resume RUN                resume from the latest checkpoint
  finesift resume RUN --from best    go back to the best evaluation
  finesift resume RUN --from 140     go back to the checkpoint of step 140
  finesift resume RUN --set train.epochs=6    train for longer, also a run that is completed")]
pub(super) struct Resume {
    /// Name of the run, or path of its folder
    run: String,
    /// Checkpoint to resume from [default: the latest]
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Change a key of the preset for the steps to come, such as train.epochs=6 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Resume even if the preset, the data or config.json changed; losses then differ from an uninterrupted run's
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    launch: LaunchArgs,
}

impl Resume {
    /// Resumes the run and watches it to its end.
    pub(super) fn run(self) -> Result<ExitCode> {
        // The screens chart the whole run. Lines were printed when they happened.
        let history = self.launch.shows_screens();
        let request =
            ResumeRequest { run: &self.run, from: self.from.as_deref(), set: &self.set, force: self.force, history };
        self.launch.launch(|backend| backend.resume(&request))
    }
}
