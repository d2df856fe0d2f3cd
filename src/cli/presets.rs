//! `finesift presets`: list the presets, or print one.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::preset::{Library, Preset, PresetEntry, cache_folder};
use crate::text::{padded, width};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift presets
  finesift presets show glue/mrpc > mine.toml    start a preset of your own")]
pub(super) struct PresetsCommand {
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Print a preset as TOML, with its comments
    Show {
        /// Name of the preset
        name: String,
    },
}

impl PresetsCommand {
    /// The list, a line each, or one preset's text.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): no such preset, or one that is not valid.
    pub(super) fn run(&self) -> Result<String> {
        match &self.command {
            None => {
                let entries = Library::from_env().list();
                let names = entries.iter().map(|entry| width(&entry.name)).max().unwrap_or(0);
                Ok(entries.into_iter().map(|entry| line(entry, names)).collect())
            }
            Some(Subcommands::Show { name }) => {
                Preset::load(name, &[], &cache_folder())?;
                Library::from_env().text(name)
            }
        }
    }
}

/// The name in a column of this width, and the description or what is wrong.
fn line(entry: PresetEntry, names: usize) -> String {
    let name = padded(&entry.name, names);
    match entry.draft.and_then(|draft| draft.preset()) {
        Ok(preset) => format!("{name}  {}\n", preset.about),
        Err(error) => format!("{name}  {error}\n"),
    }
}
