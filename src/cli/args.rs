//! Options that several commands share, each in a group of its own so that a command lists only what it uses.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::{Config, config_folder};
use crate::preset::{Preset, cache_folder};
use crate::ui;

/// Where runs are kept.
#[derive(Args)]
pub(super) struct RunsArg {
    /// Folder of all runs [default: `runs` of config.toml, or ./runs]
    #[arg(long, value_name = "DIR", env = "FINESIFT_RUNS", hide_env_values = true)]
    runs: Option<PathBuf>,
}

impl RunsArg {
    /// The folder of all runs, with the user's settings read for it.
    ///
    /// # Errors
    /// A config.toml that cannot be read.
    pub(super) fn folder(&self) -> Result<PathBuf> {
        Ok(self.folder_with(&config()?))
    }

    /// The folder of all runs under settings that are read already.
    pub(super) fn folder_with(&self, config: &Config) -> PathBuf {
        self.runs.clone().or_else(|| config.runs.clone()).unwrap_or_else(|| "runs".into())
    }
}

/// What to compute on.
#[derive(Args)]
pub(super) struct DeviceArg {
    /// Device to compute on: auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
}

#[cfg(feature = "torch")]
impl DeviceArg {
    /// The device, for this thread to compute on.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): not a device name, or no such GPU.
    pub(super) fn enter(&self) -> Result<crate::device::Chosen> {
        self.device.parse::<crate::device::DeviceChoice>()?.enter()
    }
}

/// How screens are drawn.
#[derive(Args)]
pub(super) struct ScreenArgs {
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
}

impl ScreenArgs {
    /// The user's settings, and the screens' options under them: an error in either shows before anything starts.
    ///
    /// # Errors
    /// A config.toml or theme that cannot be read.
    pub(super) fn settings(&self) -> Result<(Config, ui::Options)> {
        let config = config()?;
        let options = ui::Options::of(&config, self.ascii)?;
        Ok((config, options))
    }
}

/// What the screens need that open without a run of their own.
#[derive(Args)]
pub(super) struct WorkbenchArgs {
    #[command(flatten)]
    pub(super) runs: RunsArg,
    #[command(flatten)]
    pub(super) device: DeviceArg,
    #[command(flatten)]
    pub(super) screen: ScreenArgs,
}

/// A preset with changed keys.
#[derive(Args)]
pub(super) struct PresetArg {
    /// Name of a preset, or path of a .toml file
    preset: String,
    /// Override a key of the preset, such as train.epochs=3 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl PresetArg {
    /// The preset with its overrides.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): a preset or an override that cannot be read.
    pub(super) fn load(&self) -> Result<Preset> {
        Preset::load(&self.preset, &self.set, &cache_folder())
    }
}

/// A preset to train, and the name of its run.
#[derive(Args)]
pub(super) struct PresetArgs {
    #[command(flatten)]
    preset: PresetArg,
    /// Name of the run [default: the preset's name and the time]
    #[arg(long, value_name = "NAME")]
    pub(super) run: Option<String>,
}

impl PresetArgs {
    /// The preset with its overrides.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): a preset or an override that cannot be read.
    pub(super) fn load(&self) -> Result<Preset> {
        self.preset.load()
    }
}

/// The user's settings.
///
/// # Errors
/// A config.toml that cannot be read.
pub(super) fn config() -> Result<Config> {
    Config::load(&config_folder())
}
