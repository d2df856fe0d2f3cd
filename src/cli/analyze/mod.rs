//! `finesift analyze`: analyses of a model on its data, on the screen of an analysis or as text.

#[cfg(feature = "torch")]
mod bound;
#[cfg(feature = "torch")]
mod gradients;
#[cfg(feature = "torch")]
mod landscape;
mod show;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::args::WorkbenchArgs;
use crate::analysis::files;
#[cfg(feature = "torch")]
pub(super) use gradients::gradients_of;

#[derive(Args)]
pub(super) struct Analyze {
    #[command(subcommand)]
    command: AnalyzeCommand,
}

#[derive(Subcommand)]
enum AnalyzeCommand {
    /// Analyze how the gradient is spread over the components, beside a random initialisation
    #[cfg(feature = "torch")]
    Gradients(gradients::Gradients),
    /// Analyze the loss around the weights: along random directions, the trained increment, and its sharpness
    #[cfg(feature = "torch")]
    Landscape(landscape::LandscapeCommand),
    /// Bound the error of a fine-tuned classifier (PAC-Bayes), beside its measured generalisation gap
    #[cfg(feature = "torch")]
    Bound(bound::Bound),
    /// Show the report of an earlier analysis
    Show(show::Show),
}

/// Where the files of an analysis go, and how it is shown.
#[derive(Args)]
pub(super) struct AnalyzeArgs {
    /// Folder for the report, its figures and tables; an earlier analysis there is replaced [default: analyses/ANALYSIS-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the findings and tables as text instead of opening the screen
    #[arg(long)]
    plain: bool,
    /// Print the report as JSON instead of opening the screen
    #[arg(long, conflicts_with = "plain")]
    json: bool,
    #[command(flatten)]
    pub(super) workbench: WorkbenchArgs,
}

impl Analyze {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.command {
            #[cfg(feature = "torch")]
            AnalyzeCommand::Gradients(gradients) => gradients.run(),
            #[cfg(feature = "torch")]
            AnalyzeCommand::Landscape(landscape) => landscape.run(),
            #[cfg(feature = "torch")]
            AnalyzeCommand::Bound(bound) => bound.run(),
            AnalyzeCommand::Show(show) => show.run(),
        }
    }
}

impl AnalyzeArgs {
    /// The folder for the files of an analysis, checked before anything is computed.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): it holds anything but an earlier analysis.
    pub(super) fn folder(&self, kind: &str, subject: &str) -> Result<PathBuf> {
        let folder = self.out.clone().unwrap_or_else(|| default_folder(kind, subject));
        files::check_folder(&folder)?;
        Ok(folder)
    }
}

/// `analyses/gradients-demo`.
pub(super) fn default_folder(kind: &str, subject: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = subject.chars().map(plain).collect();
    Path::new("analyses").join(format!("{kind}-{}", name.trim_matches(['-', '.'])))
}
