//! `finesift analyze bound`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::AnalyzeArgs;
use crate::Usage;
use crate::analysis::Analysis;
use crate::analysis::bound::{self, BoundSpec};
use crate::runs::{self, checkpoint};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift analyze bound RUN
  finesift analyze bound RUN --delta 0.01 --from 120
  finesift analyze bound RUN --json > report.json")]
pub(super) struct Bound {
    /// Name or path of a run of a classifier
    run: String,
    /// Probability with which a bound may fail, between 0 and 1
    #[arg(long, value_name = "P", default_value_t = 0.05, value_parser = probability)]
    delta: f64,
    /// Draws of weights to estimate the training error from; more make the bound a little smaller
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    draws: u64,
    /// Checkpoint of the run [default: the best]
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    #[command(flatten)]
    options: AnalyzeArgs,
}

impl Bound {
    pub(super) fn run(self) -> Result<ExitCode> {
        let workbench = &self.options.workbench;
        let run = runs::find(&workbench.runs.folder()?, &self.run)?;
        let from = self.from.as_deref().map(str::parse).transpose()?;
        // Before the screen opens.
        checkpoint::select(&run, from)?;
        let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let title = format!("bound of {name}");
        let folder = self.options.folder("bound", &name)?;
        let device = workbench.device.device.parse()?;
        let spec = BoundSpec { run, from, delta: self.delta, draws: self.draws, device };
        self.options.show(Analysis { title, folder, run: Box::new(move |reporter| bound::run(&spec, reporter)) })
    }
}

/// A number between 0 and 1, without them.
fn probability(text: &str) -> Result<f64, Usage> {
    let number = text.parse().ok().filter(|number| *number > 0.0 && *number < 1.0);
    number.ok_or_else(|| Usage("expected a number above 0 and below 1, such as 0.05".into()))
}
