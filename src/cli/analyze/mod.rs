//! `finesift analyze`: analyses of a model on its data, on the screen of an analysis or as text.

#[cfg(feature = "torch")]
mod bound;
#[cfg(feature = "torch")]
mod gradients;
#[cfg(feature = "torch")]
mod landscape;
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
    /// Analyze the loss around the weights: along random directions, the trained increment, and its sharpness
    #[cfg(feature = "torch")]
    Landscape(landscape::LandscapeCommand),
    /// Bound the error of a fine-tuned classifier (PAC-Bayes), beside its measured generalisation gap
    #[cfg(feature = "torch")]
    Bound(bound::Bound),
    /// Show the report of an earlier analysis
    Show(show::Show),
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
