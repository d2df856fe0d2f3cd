//! Background runs: another process of finesift, in a session of its own, that survives the terminal.
//!
//! It starts attached: errors and questions reach the terminal, and Ctrl-C ends it. Once it has loaded what it needs, it detaches
//! and prints its run folder on stdout, which is all that the starting process waits for. A process that continues a run after a
//! hang-up never has a terminal. When its run has ended, a background process works through the queue of the folder of runs.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write, stdout};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use tracing::{info, warn};

use super::backend::LocalBackend;
use crate::queue::Queue;
use crate::ui::backend::Backend;

/// The file in the run folder that receives stdout and stderr after detaching.
const LOG: &str = "background.log";

/// When a background process detaches from its terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Detach {
    /// After the preset, the model and the data are checked, so that errors reach the terminal.
    Prepared,
    /// Before the model is loaded, since the starting process still holds it in memory.
    AtOnce,
}

/// Starts this program again in the background with `arguments`; it detaches at `when`. Returns the run folder, or the status of a process that ended
/// before it detached (it printed why).
///
/// # Errors
/// A process that cannot be started or read from.
pub(super) fn start(
    arguments: impl IntoIterator<Item = OsString>,
    when: Detach,
) -> Result<Result<PathBuf, ExitStatus>> {
    let program = std::env::current_exe().context("cannot find this program's path")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    if when == Detach::AtOnce {
        // The terminal may be closing, and its hang-up must not reach the new process before it has detached.
        // SAFETY: setsid is async-signal-safe, and the closure does nothing else.
        unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
    }
    let mut child = command.spawn().context("cannot start a background process")?;
    info!(process = child.id(), "started a background process");
    let mut folder = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut folder).context("cannot read from the background process")?;
    }
    match folder.strip_suffix('\n') {
        Some(folder) => {
            info!(folder, "the background process has detached");
            Ok(Ok(PathBuf::from(folder)))
        }
        None => {
            let status = child.wait().context("cannot wait for the background process")?;
            warn!(%status, "the background process has ended");
            Ok(Err(status))
        }
    }
}

/// Resumes a stopped run in the background.
///
/// # Errors
/// As for [`start`].
pub(super) fn resume(runs: &Path, device: &str, run: &Path) -> Result<()> {
    let text = |text: &str| OsString::from(text);
    let folder = run.canonicalize().with_context(|| format!("{}: no such run folder", run.display()))?;
    let arguments = [
        text("resume"),
        folder.into(),
        text("--runs"),
        runs.into(),
        text("--device"),
        text(device),
        text("--detach=at-once"),
    ];
    match start(arguments, Detach::AtOnce)? {
        Ok(_) => Ok(()),
        Err(status) => Err(anyhow!("the background process that should resume it ended ({status})")),
    }
}

/// Detaches from the terminal and prints the run folder. stdout and stderr go to a file in the run folder from here on.
///
/// # Errors
/// A log file that cannot be written, or a folder whose path is not plain text.
pub(super) fn leave_terminal(folder: &Path) -> Result<()> {
    let path = folder.join(LOG);
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("{}: cannot write", path.display()))?;
    let Some(name) = folder.to_str().filter(|name| !name.contains('\n')) else {
        bail!("{}: a background run needs a folder path in UTF-8 without line breaks", folder.display());
    };
    info!(folder = name, "detaching from the terminal");
    // Fails where this process leads a session already.
    let _ = rustix::process::setsid();
    rustix::stdio::dup2_stderr(&log).context("cannot redirect stderr to a file")?;
    // The starting process may be gone.
    let _ = writeln!(stdout(), "{name}").and_then(|()| stdout().flush());
    rustix::stdio::dup2_stdout(&log).context("cannot redirect stdout to a file")?;
    Ok(())
}

/// Becomes the process that works through the queue, if anything is queued: memory of the run that has ended is freed, on the GPU
/// too. Returns if nothing is queued.
///
/// # Errors
/// The queue cannot be read, or the process cannot be replaced.
pub(super) fn continue_with_queue(backend: &LocalBackend) -> Result<()> {
    if Queue::of(backend.runs()).waiting()? == 0 {
        return Ok(());
    }
    info!("working through the queue");
    let program = std::env::current_exe().context("cannot find this program's path")?;
    let mut command = Command::new(program);
    command.args(["queue", "run", "--detached", "--device", backend.device_name(), "--runs"]).arg(backend.runs());
    Err(command.exec()).context("cannot work through the queue")
}
