//! `finesift analyze show`: an earlier report on the screen or as text.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::text;
use crate::analysis::files;
use crate::cli::args::WorkbenchArgs;
use crate::cli::backend::LocalBackend;
use crate::cli::watch::detached_note;
use crate::cli::{is_dumb, on_terminal, print, report};
use crate::ui::{self, AnalysisStart};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift analyze show analyses/gradients-demo
  finesift analyze show analyses/gradients-demo --plain")]
pub(super) struct Show {
    /// Folder of the analysis
    folder: PathBuf,
    /// Print the findings and tables as text instead of opening the screen
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    workbench: WorkbenchArgs,
}

impl Show {
    pub(super) fn run(self) -> Result<ExitCode> {
        let found = files::read(&self.folder)?;
        if self.plain || !on_terminal() || is_dumb() {
            print(&text::report(&found))?;
            return Ok(ExitCode::SUCCESS);
        }
        open(&self.workbench, AnalysisStart::Earlier { report: Box::new(found), folder: self.folder })
    }
}

/// Opens the screen of an analysis.
pub(super) fn open(workbench: &WorkbenchArgs, start: AnalysisStart) -> Result<ExitCode> {
    let (config, options) = workbench.screen.settings()?;
    let backend = LocalBackend::new(workbench.runs.folder_with(&config), &workbench.device)?;
    let outcome = ui::open_analysis(backend, start, options)?;
    report(&outcome, &detached_note(&outcome))
}
