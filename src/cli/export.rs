//! `export` and `apply`: what a run came to, in forms that other software reads.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use anyhow::Result;
use clap::Args;

use super::{Screens, config};
use crate::export::{CancelToken, Cancelled, ChangedBiases, ExportControl, ExportFormat, ExportRequest};
use crate::protocol::Progress;
use crate::signals::Signals;
use crate::{Usage, runs};

#[derive(Args)]
pub(super) struct Export {
    /// Name of the run, or path of its folder
    run: String,
    /// In which form
    #[arg(long)]
    to: ExportFormat,
    /// Where to: a new folder, or a new file
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Which checkpoint; by default the best, or the newest where none was evaluated
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Leave changed biases out of a SHiRA adapter, which has no place for them
    #[arg(long)]
    without_biases: bool,
}

#[derive(Args)]
pub(super) struct Apply {
    /// File that `export --to delta` wrote
    delta: PathBuf,
    /// Hub id or folder of the model it belongs to; by default as the run named it
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,
    /// The new folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Export {
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        let order = ExportRequest {
            run: runs::find(&screens.runs(&config()?), &self.run)?,
            format: self.to,
            from: self.from.as_deref().map(str::parse).transpose()?,
            out: self.out,
            without_biases: self.without_biases,
        };
        write(&order.out, |control| order.write(control).map_err(advised))
    }
}

impl Apply {
    #[cfg(feature = "torch")]
    pub fn run(self) -> Result<ExitCode> {
        use crate::export::{Changes, merged};
        use crate::hub::Hub;
        let changes = Changes::read(&self.delta)?;
        write(&self.out, |control| {
            let base = self.base.as_ref().unwrap_or(&changes.info.base.model);
            let base = Hub::from_env().model(base, control.on_progress)?;
            merged(&changes, &base, &self.out, control)
        })
    }

    #[cfg(not(feature = "torch"))]
    pub fn run(self) -> Result<ExitCode> {
        anyhow::bail!(without_torch())
    }
}

/// Has something written to a place, and says where. A signal calls it off, with nothing left of it.
fn write(out: &Path, work: impl FnOnce(ExportControl) -> Result<()>) -> Result<ExitCode> {
    let (stop, catch_panic) = (Arc::new(CancelToken::default()), Arc::new(AtomicI32::new(0)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let (calls, notes) = (stop.clone(), catch_panic.clone());
    // Not joined: it waits for a signal that need not come.
    thread::spawn(move || {
        let signal = runtime.block_on(signals.next());
        notes.store(signal.exit_code(), Ordering::SeqCst);
        // What only reads has nothing to put in order, and whoever asks twice does not want to wait for it.
        if calls.cancel() {
            runtime.block_on(signals.next());
        }
        signal_hook::low_level::exit(signal.exit_code());
    });
    match work(ExportControl { on_progress: &told, cancel: &stop }) {
        Err(error) if error.is::<Cancelled>() => {
            let _ = writeln!(io::stderr(), "finesift: {error}");
            Ok(ExitCode::from(catch_panic.load(Ordering::SeqCst) as u8))
        }
        outcome => {
            outcome?;
            super::print(&format!("{}\n", out.display()));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// With the option that helps.
fn advised(error: anyhow::Error) -> anyhow::Error {
    if error.is::<ChangedBiases>() {
        return Usage(format!("{error:#}; --without-biases leaves them out")).into();
    }
    error
}

fn told(progress: Progress) {
    let Progress { task, done, total, unit } = progress;
    let _ = writeln!(io::stderr(), "{task}: {done} of {total} {unit}");
}

#[cfg(not(feature = "torch"))]
fn without_torch() -> Usage {
    Usage("this build is without libtorch and cannot handle weights; build it with the feature torch".into())
}
