//! Runs that go on when the terminal is closed: another process of finesift, in a session of its own.
//!
//! That process is started as if it stayed: what it says and asks for comes to the terminal, and Ctrl-C ends it. As soon as it
//! has what it needs it leaves the terminal and says so on its standard output, which is all that is waited for.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use tracing::{info, warn};

/// Where a run in the background says what it would say to a terminal.
const LOG: &str = "background.log";

/// When a process leaves the terminal it was started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Detach {
    /// When it is known what is trained on what, so that mistakes are told to who started it.
    Prepared,
    /// Before the model is loaded: who started it holds that in memory itself.
    AtOnce,
}

/// Starts this program again in the background, with these arguments. Returns the folder of its run.
///
/// # Errors
/// A process that cannot be started, or that ended before it left the terminal; it said why.
pub(super) fn start(arguments: impl IntoIterator<Item = OsString>) -> Result<Result<PathBuf, ExitStatus>> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start another process")?;
    info!(process = child.id(), "started a background process");
    let mut folder = String::new();
    if let Some(told) = child.stdout.take() {
        BufReader::new(told).read_line(&mut folder).context("cannot hear from the other process")?;
    }
    match folder.strip_suffix('\n') {
        Some(folder) => {
            info!(folder, "the background process has taken over");
            Ok(Ok(PathBuf::from(folder)))
        }
        None => {
            let status = child.wait().context("cannot wait for the other process")?;
            warn!(%status, "the background process has ended");
            Ok(Err(status))
        }
    }
}

/// Has a run that was stopped go on in the background.
///
/// # Errors
/// As for [`start`].
pub(super) fn resume(runs: &Path, device: &str, run: &Path) -> Result<()> {
    let own = |text: &str| OsString::from(text);
    let folder = run.canonicalize().with_context(|| format!("{}: cannot find it", run.display()))?;
    let arguments = [
        own("--runs"),
        runs.into(),
        own("--device"),
        own(device),
        own("resume"),
        folder.into(),
        own("--detach=at-once"),
    ];
    match start(arguments)? {
        Ok(_) => Ok(()),
        Err(status) => Err(anyhow!("the process that was to take it up ended, {status}")),
    }
}

/// Leaves the terminal, and says so. What is said from here on goes to a file in the run's folder.
///
/// # Errors
/// A file that cannot be written; a system that gives no session.
pub(super) fn leave_terminal(folder: &Path) -> Result<()> {
    let path = folder.join(LOG);
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("{}: cannot write", path.display()))?;
    let Some(name) = folder.to_str().filter(|name| !name.contains('\n')) else {
        bail!("{}: a run in the background needs a folder with a plain name", folder.display());
    };
    // Fails where it leads a session already.
    let _ = rustix::process::setsid();
    rustix::stdio::dup2_stderr(&log).context("cannot turn stderr to a file")?;
    // Who started it may be gone.
    let _ = writeln!(stdout(), "{name}").and_then(|()| stdout().flush());
    rustix::stdio::dup2_stdout(&log).context("cannot turn stdout to a file")?;
    info!(folder = name, "left the terminal");
    Ok(())
}
