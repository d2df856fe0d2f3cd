//! `finesift attach`: watch and control a run of another process.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::args::{DeviceArg, RunsArg, ScreenArgs};
use super::backend::LocalBackend;
use super::watch::WatchArgs;
use crate::Usage;
use crate::runs::{Lister, RunState, find};
use crate::ui::backend::Backend;

#[derive(Args)]
#[command(after_help = "Examples:
  finesift attach                               attach to the only active run
  finesift attach RUN --json                    follow its events
  echo pause | finesift attach RUN --plain      send a command

Quitting leaves the run as it is.")]
pub(super) struct Attach {
    /// Name of the run, or path of its folder [default: the only active run]
    run: Option<String>,
    #[command(flatten)]
    runs: RunsArg,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    screen: ScreenArgs,
}

impl Attach {
    /// Watches the run until it ends or the viewer leaves.
    pub(super) fn run(self) -> Result<ExitCode> {
        let (config, options) = self.screen.settings()?;
        let backend = LocalBackend::new(self.runs.folder_with(&config), &self.device)?;
        let folder = match &self.run {
            Some(run) => find(backend.runs(), run)?,
            None => only_active(&backend)?,
        };
        let launched = backend.attach(&folder)?;
        self.watch.watch(launched, backend, options)
    }
}

/// The folder of the only active run.
fn only_active(backend: &LocalBackend) -> Result<PathBuf> {
    let runs = backend.runs();
    let listed = Lister::new(runs).refresh(SystemTime::now());
    let listed = listed.with_context(|| format!("{}: cannot read", runs.display()))?.unwrap_or_default();
    let mut active: Vec<_> = listed.into_iter().filter(|run| run.state == RunState::Running).collect();
    if active.len() > 1 {
        let names: Vec<&str> = active.iter().map(|run| run.name.as_str()).collect();
        bail!(Usage(format!("several active runs in {}; name one of {}", runs.display(), names.join(", "))));
    }
    match active.pop() {
        Some(run) => Ok(run.path),
        None => bail!(Usage(format!("no active run in {}; `finesift runs` lists all runs", runs.display()))),
    }
}
