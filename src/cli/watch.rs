//! How a run is launched and watched from the command line: in the screens, as lines, or from a background process.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::args::{DeviceArg, RunsArg, ScreenArgs};
use super::backend::LocalBackend;
use super::detach::{self, Detach};
#[cfg(feature = "torch")]
use super::ranks::{Part, RanksArgs};
use super::{exit_code, is_dumb, on_terminal, print, report};
use crate::alerts::Rule;
#[cfg(feature = "torch")]
use crate::attach::Link;
use crate::config::OnHangup;
use crate::headless::{HeadlessOptions, OutputFormat};
use crate::outcome::Outcome;
use crate::protocol::{Finished, Reason};
use crate::signals::Signal;
use crate::ui::backend::{Backend, Launched};
use crate::{Usage, headless, ui};

/// How events are shown.
#[derive(Args)]
pub(super) struct WatchArgs {
    /// Show a progress bar instead of the screens
    #[arg(long)]
    headless: bool,
    /// Print each event as a line of JSON
    #[arg(long)]
    json: bool,
    /// Print lines of text and read commands from stdin: for screen readers and simple terminals
    #[arg(long)]
    plain: bool,
}

/// Whether training moves to a process of its own.
#[derive(Args)]
struct BackgroundArgs {
    /// Detach from the terminal once the model and data are loaded; `finesift attach` watches the run
    #[arg(long, conflicts_with_all = ["headless", "json", "plain"])]
    background: bool,
    /// What --background starts.
    #[arg(long, hide = true)]
    detach: Option<Detach>,
}

/// Where a launched run is stored, computed and watched.
#[derive(Args)]
pub(super) struct LaunchArgs {
    #[command(flatten)]
    runs: RunsArg,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    background: BackgroundArgs,
    #[cfg(feature = "torch")]
    #[command(flatten)]
    ranks: RanksArgs,
    #[command(flatten)]
    screen: ScreenArgs,
}

impl WatchArgs {
    /// The format of lines, or none for the screens.
    pub(super) fn format(&self) -> Option<OutputFormat> {
        match (self.json, self.plain || is_dumb() && on_terminal()) {
            (true, _) => Some(OutputFormat::Json),
            (false, true) => Some(OutputFormat::Plain),
            (false, false) if self.headless || !on_terminal() => Some(OutputFormat::Bar),
            (false, false) => None,
        }
    }

    /// What a hang-up does to a run that is shown as lines. A program that reads them, or a supervisor without a terminal,
    /// means the end of the run by it, as by any other signal.
    fn on_hangup(&self, setting: OnHangup) -> OnHangup {
        if self.json || !io::stderr().is_terminal() { OnHangup::Checkpoint } else { setting }
    }

    /// Shows a run until it ends, then prints its summary.
    pub(super) fn watch(
        &self,
        launched: Launched,
        backend: Arc<LocalBackend>,
        options: ui::Options,
    ) -> Result<ExitCode> {
        let (folder, fresh) = (launched.folder.clone(), launched.fresh);
        let on_hangup = self.on_hangup(options.on_hangup);
        let outcome = match self.format() {
            None => ui::open(backend, Some(launched), options),
            Some(format) => {
                let own = launched.link.is_own();
                let shown = HeadlessOptions { format, on_hangup, alerts: options.alerts };
                let outcome = headless::run(launched.link, shown, None);
                remove_unstarted(outcome, fresh, &folder).and_then(|outcome| match on_hangup {
                    OnHangup::Detach if own => continue_after_hangup(outcome, &backend, &folder),
                    _ => Ok(outcome),
                })
            }
        }?;
        let text = match &outcome.finished {
            _ if self.json => String::new(),
            Some(finished) if outcome.detached.is_none() => {
                summary(finished, outcome.folder.as_deref().unwrap_or(&folder))
            }
            _ => detached_note(&outcome),
        };
        report(&outcome, &text)
    }
}

impl LaunchArgs {
    /// Launches a run and watches it to its end.
    pub(super) fn launch(self, launch: impl FnOnce(&LocalBackend) -> Result<Launched>) -> Result<ExitCode> {
        #[cfg(feature = "torch")]
        let part = match self.ranks.part()? {
            Part::Other(rank) => {
                let (config, _) = self.screen.settings()?;
                let backend = LocalBackend::of_rank(self.runs.folder_with(&config), &self.device, Part::Other(rank))?;
                return finish_other(launch(&backend));
            }
            part => part,
        };
        if self.background.background {
            return start_in_background();
        }
        let (config, options) = self.screen.settings()?;
        let runs = self.runs.folder_with(&config);
        #[cfg(feature = "torch")]
        let backend = LocalBackend::of_rank(runs, &self.device, part)?;
        #[cfg(not(feature = "torch"))]
        let backend = LocalBackend::new(runs, &self.device)?;
        let launched = launch(&backend)?;
        match self.background.detach {
            None => self.watch.watch(launched, backend, options),
            Some(when) => watch_detached(launched, when, &backend, config.alert),
        }
    }

    /// Whether the run is watched in the screens.
    pub(super) fn shows_screens(&self) -> bool {
        self.background.detach.is_none() && self.watch.format().is_none()
    }
}

/// Waits for the end of a rank that shows nothing. What it has to say is in its log.
#[cfg(feature = "torch")]
fn finish_other(launched: Result<Launched>) -> Result<ExitCode> {
    let Link::Own(mut session) = launched?.link else { return Ok(ExitCode::SUCCESS) };
    while session.blocking_next().is_some() {}
    session.join().map(|()| ExitCode::SUCCESS)
}

/// Starts this command again as a background process.
fn start_in_background() -> Result<ExitCode> {
    let arguments = std::env::args_os().skip(1);
    let arguments =
        arguments.map(|argument| if argument == "--background" { "--detach=prepared".into() } else { argument });
    Ok(match detach::start(arguments, Detach::Prepared)? {
        Ok(folder) => {
            print(&detached_note(&Outcome { detached: Some(folder), ..Outcome::default() }))?;
            ExitCode::SUCCESS
        }
        Err(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
    })
}

/// After a hang-up, starts the process that continues the run; other outcomes stay as they are.
pub(super) fn continue_after_hangup(mut outcome: Outcome, backend: &LocalBackend, folder: &Path) -> Result<Outcome> {
    let stopped = outcome.finished.as_ref().is_some_and(|finished| finished.reason == Reason::Stopped);
    if outcome.signal == Some(Signal::Hangup) && stopped {
        backend.detach(folder)?;
        outcome.detached = Some(folder.to_owned());
    }
    Ok(outcome)
}

/// Watches a run from the background process, and then works through the queue.
fn watch_detached(launched: Launched, when: Detach, backend: &LocalBackend, alerts: Vec<Rule>) -> Result<ExitCode> {
    let Launched { link, folder, fresh } = launched;
    let detached = Rc::new(Cell::new(false));
    let leave = {
        let (folder, detached) = (folder.clone(), detached.clone());
        move || {
            detach::leave_terminal(&folder)?;
            detached.set(true);
            Ok(())
        }
    };
    let on_started: Option<headless::OnStarted> = match when {
        Detach::Prepared => Some(Box::new(leave)),
        Detach::AtOnce => {
            leave()?;
            None
        }
    };
    let shown = HeadlessOptions { format: OutputFormat::Bar, on_hangup: OnHangup::Checkpoint, alerts };
    let outcome = headless::run(link, shown, on_started);
    let outcome = remove_unstarted(outcome, fresh, &folder);
    let signalled = outcome.as_ref().is_ok_and(|outcome| outcome.signal.is_some());
    if detached.get() && !signalled {
        if let Err(error) = &outcome {
            let _ = writeln!(io::stderr(), "finesift: {error:#}");
        }
        detach::continue_with_queue(backend)?;
    }
    Ok(exit_code(&outcome?))
}

/// Removes the folder of a new run that a usage error kept from starting.
pub(super) fn remove_unstarted(outcome: Result<Outcome>, fresh: bool, folder: &Path) -> Result<Outcome> {
    if fresh && outcome.as_ref().is_err_and(|error| error.is::<Usage>()) {
        let _ = std::fs::remove_dir_all(folder);
    }
    outcome
}

/// Two lines about a run that continues without this terminal; empty if none does.
pub(super) fn detached_note(outcome: &Outcome) -> String {
    let folder = outcome.detached.as_ref().map(|folder| folder.display());
    folder
        .map(|folder| format!("training continues in the background\nwatch it: finesift attach {folder}\n"))
        .unwrap_or_default()
}

/// A finished run in a few lines.
fn summary(finished: &Finished, folder: &Path) -> String {
    let mut text =
        format!("{} after {} steps, {:.1} s training time\n", finished.reason.name(), finished.step, finished.elapsed);
    if let Some(best) = &finished.best {
        let scores: Vec<String> = best.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
        text += &format!("best at step {}: {}, loss {:.4}\n", best.step, scores.join(", "), best.loss);
    }
    text += &format!("{}\n", folder.display());
    if finished.reason == Reason::Stopped {
        text += &format!("resume it: finesift resume {}\n", folder.display());
    }
    text
}
