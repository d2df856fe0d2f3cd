//! `attach`: a run that goes elsewhere, on this terminal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::Screens;
use super::backend::LocalBackend;
use super::train::How;
use crate::Usage;
use crate::runs::{Lister, RunState, find};
use crate::ui::backend::Backend;

#[derive(Args)]
pub(super) struct Attach {
    /// Name of the run, or path of its folder; not needed where only one goes
    run: Option<String>,
    #[command(flatten)]
    how: How,
}

impl Attach {
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        let (config, options) = screens.settings()?;
        let trainers = LocalBackend::new(screens, &config)?;
        let folder = match &self.run {
            Some(run) => find(trainers.runs(), run)?,
            None => only(&trainers)?,
        };
        let launched = trainers.attach(&folder)?;
        self.how.watch(launched, trainers, screens, options)
    }
}

/// The folder of the one run that goes.
fn only(trainers: &LocalBackend) -> Result<PathBuf> {
    let runs = trainers.runs();
    let listed = Lister::new(runs).refresh(SystemTime::now());
    let listed = listed.with_context(|| format!("{}: cannot read", runs.display()))?.unwrap_or_default();
    let mut going: Vec<_> = listed.into_iter().filter(|run| run.state == RunState::Running).collect();
    if going.len() > 1 {
        let names: Vec<&str> = going.iter().map(|run| run.name.as_str()).collect();
        bail!(Usage(format!("several runs go in {}; name one of {}", runs.display(), names.join(", "))));
    }
    match going.pop() {
        Some(run) => Ok(run.path),
        None => bail!(Usage(format!("no run goes in {}; `finesift runs` lists all", runs.display()))),
    }
}
