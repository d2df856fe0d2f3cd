//! `finesift sweep worker`: the process that a sweep starts for a run. It reads which one from stdin, and stops with a checkpoint
//! when stdin ends: then the sweep was stopped, or its process is gone.

use std::fs;
use std::io::{self, BufRead, Read};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::{Signal, getpid, kill_process};

use super::args::DeviceArg;
use super::backend::{LocalBackend, ResumeRequest};
use super::exit_code;
use super::watch::remove_unstarted;
use crate::config::OnHangup;
use crate::headless::{self, HeadlessOptions, OutputFormat};
use crate::preset::{Preset, cache_folder};
use crate::protocol::Event;
use crate::runs::{EventRange, RunLock};
use crate::sweep::WorkerJob;
use crate::ui::backend::Launched;

#[derive(Args)]
pub(super) struct SweepWorker {
    #[command(flatten)]
    device: DeviceArg,
}

impl SweepWorker {
    /// Trains a run to its end, or resumes it.
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).context("cannot read from the sweep")?;
        let job: WorkerJob = serde_json::from_str(&line).context("cannot read the job of the sweep")?;
        stop_at_end_of_stdin()?;
        let backend = LocalBackend::new(job.runs.clone(), &self.device)?;
        let Launched { link, folder, fresh } = launch(&backend, &job)?;
        let options =
            HeadlessOptions { format: OutputFormat::Bar, on_hangup: OnHangup::Checkpoint, alerts: Vec::new() };
        let outcome = remove_unstarted(headless::run(link, options, None), fresh, &folder)?;
        Ok(exit_code(&outcome))
    }
}

/// Starts the run, or resumes it if it has started before.
fn launch(backend: &LocalBackend, job: &WorkerJob) -> Result<Launched> {
    let path = job.runs.join(&job.run);
    if path.exists() {
        let mut events = EventRange::open(&path.join("events.jsonl"), 0..u64::MAX).into_iter().flatten();
        if events.any(|event| matches!(event, Event::Started(_))) {
            let run = &path.display().to_string();
            return backend.resume(&ResumeRequest { run, from: None, set: &[], force: false, history: false });
        }
        // Killed before it had started: nothing of it is worth keeping.
        let lock = RunLock::take(&path)?;
        fs::remove_dir_all(&path).with_context(|| format!("{}: cannot remove", path.display()))?;
        drop(lock);
    }
    let preset = Preset::parse(&job.preset, "preset of the sweep", &job.toml, &[], &cache_folder())?;
    backend.start(preset, Some(&job.run))
}

/// Ends the run as a signal does when stdin ends.
fn stop_at_end_of_stdin() -> Result<()> {
    let wait = || {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = kill_process(getpid(), Signal::TERM);
    };
    thread::Builder::new().name("stdin".into()).spawn(wait).map(drop).context("cannot start a thread")
}
