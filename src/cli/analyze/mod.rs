//! `finesift analyze`: analyses of a model on its data, on the screen of an analysis or as text.

#[cfg(feature = "torch")]
mod gradients;
#[cfg(feature = "torch")]
mod run;
mod show;
mod text;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

#[cfg(feature = "torch")]
pub(super) use gradients::gradients_of;
#[cfg(feature = "torch")]
use run::{AnalyzeArgs, default_folder};

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
    /// Show the report of an earlier analysis
    Show(show::Show),
}

impl Analyze {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.command {
            #[cfg(feature = "torch")]
            AnalyzeCommand::Gradients(gradients) => gradients.run(),
            AnalyzeCommand::Show(show) => show.run(),
        }
    }
}
