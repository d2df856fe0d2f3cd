//! `finesift queue run`: trains the queued presets one after the other, without screens.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::args::{DeviceArg, RunsArg, config};
use super::backend::LocalBackend;
use super::watch::{continue_after_hangup, remove_unstarted};
use super::{detach, exit_code, print};
use crate::alerts::Rule;
use crate::config::OnHangup;
use crate::headless::{self, HeadlessOptions, OutputFormat};
use crate::outcome::Outcome;
use crate::preset::cache_folder;
use crate::queue::{Next, Queue, Taken};
use crate::signals::NotedSignal;
use crate::ui::backend::{Backend, Launched};

/// Time between two looks at runs that the queue waits for, and at signals meanwhile.
const LOOK: Duration = Duration::from_millis(200);

/// Looks at signals between two looks at runs.
const SIGNALS_PER_LOOK: u32 = 5;

#[derive(Args)]
#[command(after_help = "Examples:
  finesift queue run
  finesift queue run --device cuda:1 --runs runs-1

It waits while another run of the folder is active, and ends when nothing is queued. A signal stops the current run with a
checkpoint; the others stay queued.")]
pub(super) struct QueueRun {
    #[command(flatten)]
    runs: RunsArg,
    #[command(flatten)]
    device: DeviceArg,
    /// Without a terminal: each run's output goes to its folder.
    #[arg(long, hide = true)]
    detached: bool,
}

/// Works through a queue.
struct Worker {
    backend: Arc<LocalBackend>,
    queue: Queue,
    detached: bool,
    on_hangup: OnHangup,
    alerts: Vec<Rule>,
    /// What to report at the end: a line per run.
    lines: String,
    failures: usize,
}

impl QueueRun {
    /// Trains what is queued. The exit status is 1 if a run failed.
    pub(super) fn run(self) -> Result<ExitCode> {
        let config = config()?;
        let backend = LocalBackend::new(self.runs.folder_with(&config), &self.device)?;
        let on_hangup = match !self.detached && io::stderr().is_terminal() {
            true => config.on_hangup,
            false => OnHangup::Checkpoint,
        };
        let queue = Queue::of(backend.runs());
        let mut worker = Worker {
            backend,
            queue,
            detached: self.detached,
            on_hangup,
            alerts: config.alert,
            lines: String::new(),
            failures: 0,
        };
        let signalled = worker.work()?;
        if worker.lines.is_empty() && signalled.is_none() {
            worker.lines = format!("no queued runs in {}\n", worker.backend.runs().display());
        }
        let printed = print(&worker.lines);
        if let Some(outcome) = signalled {
            return Ok(exit_code(&outcome));
        }
        printed?;
        Ok(if worker.failures > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl Worker {
    /// Works until nothing is queued, or until a signal comes.
    fn work(&mut self) -> Result<Option<Outcome>> {
        let signals = NotedSignal::listen()?;
        let mut waited = Vec::new();
        loop {
            if let Some(signal) = signals.get() {
                return Ok(Some(Outcome { signal: Some(signal), ..Outcome::default() }));
            }
            match self.queue.take_next()? {
                Next::Empty => return Ok(None),
                Next::Wait(active) => {
                    if active != waited {
                        say(&format!("waiting for active runs: {}", active.join(", ")));
                        waited = active;
                    }
                    for _ in 0..SIGNALS_PER_LOOK {
                        if signals.get().is_none() {
                            thread::sleep(LOOK);
                        }
                    }
                }
                Next::Take(taken) => {
                    let name = taken.entry.name().to_owned();
                    match self.train(*taken) {
                        Ok(outcome) if outcome.signal.is_some() => return Ok(Some(outcome)),
                        Ok(_) => {}
                        Err(error) => {
                            say(&format!("{name}: {error:#}"));
                            self.failures += 1;
                            self.lines += &format!("{name}: failed: {error:#}\n");
                        }
                    }
                }
            }
        }
    }

    /// Trains the run of an entry. If it cannot start, the entry stays in the queue with the error.
    fn train(&mut self, taken: Taken) -> Result<Outcome> {
        let entry = taken.entry.clone();
        say(&format!("starting {} (entry {} of the queue)", entry.name(), entry.id));
        let launched =
            entry.preset(&cache_folder()).and_then(|preset| self.backend.start(preset, entry.run.as_deref()));
        let Launched { link, folder, fresh } = match launched {
            Ok(launched) => launched,
            Err(error) => {
                taken.failed(&format!("{error:#}"))?;
                return Err(error);
            }
        };
        if self.detached {
            detach::leave_terminal(&folder)?;
        }
        // Still there when the run has ended: it never started.
        let taken = Rc::new(RefCell::new(Some(taken)));
        let on_started: headless::OnStarted = {
            let taken = taken.clone();
            Box::new(move || {
                // A run is worth more than its entry.
                if let Some(Err(error)) = taken.borrow_mut().take().map(Taken::started) {
                    say(&format!("the entry stays in the queue: {error:#}"));
                }
                Ok(())
            })
        };
        let shown =
            HeadlessOptions { format: OutputFormat::Bar, on_hangup: self.on_hangup, alerts: self.alerts.clone() };
        let outcome = headless::run(link, shown, Some(on_started));
        let outcome = remove_unstarted(outcome, fresh, &folder);
        if let (Some(taken), Err(error)) = (taken.borrow_mut().take(), &outcome) {
            taken.failed(&format!("{error:#}"))?;
        }
        let mut outcome = outcome?;
        if self.on_hangup == OnHangup::Detach {
            outcome = continue_after_hangup(outcome, &self.backend, &folder)?;
        }
        if let Some(finished) = &outcome.finished {
            self.lines += &format!("{}: {} after {} steps\n", folder.display(), finished.reason.name(), finished.step);
        }
        Ok(outcome)
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
