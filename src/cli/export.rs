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
use crate::export::{Cancellation, Cancelled, ChangedBiases, Form, Order, Stop};
use crate::protocol::Progress;
use crate::signals::Signals;
use crate::{Usage, runs};

#[derive(Args)]
pub(super) struct Export {
    /// Name of the run, or path of its folder
    run: String,
    /// In which form
    #[arg(long)]
    to: Form,
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
        let order = Order {
            run: runs::find(&screens.runs(&config()?), &self.run)?,
            form: self.to,
            from: self.from.as_deref().map(str::parse).transpose()?,
            out: self.out,
            without_biases: self.without_biases,
        };
        write(&order.out, |watch| order.carry_out(watch).map_err(advised))
    }
}

impl Apply {
    #[cfg(feature = "torch")]
    pub fn run(self) -> Result<ExitCode> {
        use crate::delta::Changes;
        use crate::export::merged;
        use crate::hub::Hub;
        let changes = Changes::read(&self.delta)?;
        write(&self.out, |watch| {
            let base = self.base.as_ref().unwrap_or(&changes.facts.base.model);
            let base = Hub::from_env().model(base, watch.told)?;
            merged(&changes, &base, &self.out, watch)
        })
    }

    #[cfg(not(feature = "torch"))]
    pub fn run(self) -> Result<ExitCode> {
        anyhow::bail!(without_torch())
    }
}

/// Has something written to a place, and says where. A signal calls it off, with nothing left of it.
fn write(out: &Path, work: impl FnOnce(Cancellation) -> Result<()>) -> Result<ExitCode> {
    let (stop, catch_panic) = (Arc::new(Stop::default()), Arc::new(AtomicI32::new(0)));
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
    match work(Cancellation { told: &told, stop: &stop }) {
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
