//! `finesift presets`: list the presets, or print one.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::preset::{Library, Preset, PresetEntry, cache_folder};

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
            None => Ok(Library::from_env().list().into_iter().map(line).collect()),
            Some(Subcommands::Show { name }) => {
                Preset::load(name, &[], &cache_folder())?;
                Library::from_env().text(name)
            }
        }
    }
}

fn line(entry: PresetEntry) -> String {
    match entry.draft.and_then(|draft| draft.preset()) {
        Ok(preset) => format!("{:<12}  {}\n", entry.name, preset.about),
        Err(error) => format!("{:<12}  {error}\n", entry.name),
    }
}
