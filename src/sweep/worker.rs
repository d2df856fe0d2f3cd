//! The process of a run. It trains until its end, or until the process of the sweep ends: then its stdin ends, and it stops with
//! a checkpoint.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What is kept of the end of a process's stderr, in bytes.
const KEPT: usize = 16 << 10;

/// Variables that size thread pools, which are created before arguments are parsed.
const THREADS: [&str; 2] = ["OMP_NUM_THREADS", "RAYON_NUM_THREADS"];

/// How the process of a run is started.
#[derive(Clone, Debug)]
pub struct Launcher {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Threads of each process; `None` leaves it to the process.
    pub threads: Option<usize>,
}

/// The run of a process, in the first line of its stdin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerJob {
    /// The folder of the sweep.
    pub runs: PathBuf,
    /// Name of the run's folder.
    pub run: String,
    /// Name of the preset.
    pub preset: String,
    /// The preset's text, for a run that has not started.
    pub toml: String,
}

/// A process that trains a run. Dropping it stops the run with a checkpoint.
#[derive(Debug)]
pub(super) struct Worker {
    /// Index of the run in the plan.
    pub run: usize,
    stdin: Option<ChildStdin>,
}

/// The end of a process.
#[derive(Debug)]
pub(super) struct WorkerEnd {
    pub run: usize,
    pub status: std::io::Result<ExitStatus>,
    /// The last error that it printed.
    pub error: Option<String>,
    /// How long it ran.
    pub wall: Duration,
}

impl Worker {
    /// Starts the process of a run. Its end is sent to `ended`.
    pub fn start(run: usize, launcher: &Launcher, job: &WorkerJob, ended: Sender<WorkerEnd>) -> Result<Worker> {
        let mut command = Command::new(&launcher.program);
        command.args(&launcher.arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // The keys that interrupt the sweep must not reach its runs: the sweep stops them.
        command.process_group(0);
        if let Some(threads) = launcher.threads {
            command.envs(THREADS.map(|name| (name, threads.to_string())));
        }
        let start = Instant::now();
        let mut child = command.spawn().context("cannot start the process of a run")?;
        let mut stdin = child.stdin.take();
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        if let Some(stdin) = &mut stdin {
            // A process that has ended already says why.
            let _ = stdin.write_all(&line);
        }
        thread::Builder::new().name(format!("worker-{run}")).spawn(move || {
            let printed = child.stderr.take().map(tail).unwrap_or_default();
            let status = child.wait();
            let _ = ended.send(WorkerEnd { run, status, error: last_error(&printed), wall: start.elapsed() });
        })?;
        Ok(Worker { run, stdin })
    }

    /// Stops the run with a checkpoint.
    pub fn stop(&mut self) {
        self.stdin = None;
    }
}

/// The last bytes of what a process prints, until it ends.
fn tail(mut from: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The error that a process of finesift ended with.
fn last_error(printed: &str) -> Option<String> {
    let at = printed.rfind("finesift: ")?;
    let error = printed[at..].trim_start_matches("finesift: ").trim();
    (!error.starts_with("warning:")).then(|| error.replace(char::is_control, " "))
}
