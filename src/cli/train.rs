//! `train` and `resume`: a run is begun or taken up again, and watched until it ends.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::backend::LocalBackend;
use super::detach::{self, Detach};
use super::{Screens, ended, is_dumb, on_terminal, print};
use crate::headless::OutputFormat;
use crate::outcome::Outcome;
use crate::preset::{Preset, cache_folder};
use crate::protocol::{Finished, Reason};
use crate::ui::backend::Launched;
use crate::{Usage, headless, ui};

#[derive(Args)]
pub(super) struct Train {
    /// Name of a preset, or path of a .toml file
    preset: String,
    /// Change a key of the preset, such as train.epochs=3; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Name of the run; by default made of the preset's and the time
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

#[derive(Args)]
pub(super) struct Resume {
    /// Name of the run, or path of its folder
    run: String,
    /// Go back to the best evaluation, or to the checkpoint of a step; by default the newest
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Go on also where preset, data or config.json have changed, so that the numbers will be others
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

/// Whether a run stays in the terminal it is started from.
#[derive(Args)]
struct Whereabouts {
    /// Leave the terminal as soon as it is known what is trained on what: `attach` shows the run
    #[arg(long, conflicts_with_all = ["headless", "json", "plain"])]
    background: bool,
    /// What --background starts
    #[arg(long, hide = true)]
    detach: Option<Detach>,
}

/// How a run is watched.
#[derive(Args)]
pub(super) struct How {
    /// Show no screen, also on a terminal
    #[arg(long)]
    headless: bool,
    /// Write each event as a line of JSON on stdout; shows no screen
    #[arg(long)]
    json: bool,
}

impl Train {
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        if self.whereabouts.background {
            return in_background();
        }
        let (config, options) = screens.settings()?;
        let trainers = LocalBackend::new(screens, &config)?;
        let preset = Preset::load(&self.preset, &self.set, &cache_folder())?;
        let launched = trainers.start(preset, self.run.as_deref())?;
        match self.whereabouts.detach {
            None => self.how.watch(launched, trainers, screens, options),
            Some(when) => watch_detached(launched, when),
        }
    }
}

impl Resume {
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        if self.whereabouts.background {
            return in_background();
        }
        let (config, options) = screens.settings()?;
        let trainers = LocalBackend::new(screens, &config)?;
        // A screen shows all of the run; who reads lines has read the earlier ones.
        let history = self.whereabouts.detach.is_none() && self.how.form(screens).is_none();
        let launched = trainers.resume(&self.run, self.from.as_deref(), self.force, history)?;
        match self.whereabouts.detach {
            None => self.how.watch(launched, trainers, screens, options),
            Some(when) => watch_detached(launched, when),
        }
    }
}

impl How {
    /// Whether there is a screen, and in which form things are told where there is none.
    fn form(&self, screens: &Screens) -> Option<OutputFormat> {
        match (self.json, screens.plain || is_dumb() && on_terminal()) {
            (true, _) => Some(OutputFormat::Json),
            (false, true) => Some(OutputFormat::Plain),
            (false, false) if self.headless || !on_terminal() => Some(OutputFormat::Bar),
            (false, false) => None,
        }
    }

    /// Shows a run until it ends, and says how it did.
    pub fn watch(
        &self,
        launched: Launched,
        trainers: Arc<LocalBackend>,
        screens: &Screens,
        options: ui::Options,
    ) -> Result<ExitCode> {
        let (folder, fresh) = (launched.folder.clone(), launched.fresh);
        let outcome = match self.form(screens) {
            None => ui::open(trainers, Some(launched), options),
            Some(form) => swept(headless::run(launched.link, form, None), fresh, &folder),
        }?;
        self.close(&outcome, &folder);
        Ok(ended(&outcome))
    }

    fn close(&self, outcome: &Outcome, folder: &Path) {
        if self.json {
            return;
        }
        match &outcome.finished {
            _ if outcome.detached.is_some() => print(&going_on(outcome)),
            Some(finished) => print(&summary(finished, folder)),
            None => {}
        }
    }
}

/// Starts this very command again, in the background.
fn in_background() -> Result<ExitCode> {
    let instead = |argument: OsString| if argument == "--background" { "--detach=prepared".into() } else { argument };
    Ok(match detach::start(std::env::args_os().skip(1).map(instead))? {
        Ok(folder) => {
            print(&going_on(&Outcome { detached: Some(folder), ..Outcome::default() }));
            ExitCode::SUCCESS
        }
        Err(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
    })
}

/// Watches a run from the background.
fn watch_detached(launched: Launched, when: Detach) -> Result<ExitCode> {
    let Launched { link, folder, fresh } = launched;
    let leave = {
        let folder = folder.clone();
        move || detach::leave_terminal(&folder)
    };
    let begun: Option<headless::OnStarted> = match when {
        Detach::Prepared => Some(Box::new(leave)),
        Detach::AtOnce => {
            leave()?;
            None
        }
    };
    Ok(ended(&swept(headless::run(link, OutputFormat::Bar, begun), fresh, &folder)?))
}

/// What could not begin for a mistake leaves nothing behind.
fn swept(outcome: Result<Outcome>, fresh: bool, folder: &Path) -> Result<Outcome> {
    if fresh && outcome.as_ref().is_err_and(|error| error.is::<Usage>()) {
        let _ = std::fs::remove_dir_all(folder);
    }
    outcome
}

/// A word on a run that goes on without this terminal.
pub(super) fn going_on(outcome: &Outcome) -> String {
    let folder = outcome.detached.as_ref().map(|folder| folder.display());
    folder
        .map(|folder| format!("the run goes on in the background\n`finesift attach {folder}` shows it\n"))
        .unwrap_or_default()
}

/// What a run came to, in a few lines.
fn summary(finished: &Finished, folder: &Path) -> String {
    let how = match finished.reason {
        Reason::Completed => "completed",
        Reason::Stopped => "stopped",
    };
    let mut text = format!("{how} after {} steps and {:.1} s of work\n", finished.step, finished.elapsed);
    if let Some(best) = &finished.best {
        let scores: Vec<String> = best.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
        text += &format!("best at step {}: {}, loss {:.4}\n", best.step, scores.join(", "), best.loss);
    }
    text += &format!("{}\n", folder.display());
    if finished.reason == Reason::Stopped {
        text += &format!("`finesift resume {}` goes on\n", folder.display());
    }
    text
}
