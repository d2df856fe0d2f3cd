//! `finesift export` and `finesift apply`: a run in formats that other software loads.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use anyhow::Result;
use clap::Args;

use super::args::RunsArg;
use super::progress;
use crate::export::{CancelToken, Cancelled, ChangedBiases, ExportControl, ExportFormat, ExportRequest};
use crate::signals::Signals;
use crate::{Usage, runs};

#[derive(Args)]
#[command(after_help = "Formats:
  merged       a model folder that transformers loads
  delta        a safetensors file of the changed weights; `finesift apply` merges it into the base model
  shira        an adapter folder that PEFT loads
  lora         the adapter folder of a LoRA run, that PEFT loads
  csv          the metrics of every step as a table
  tensorboard  the metrics for TensorBoard
  html         a page with the charts

Examples:
  finesift export RUN --to merged --out model
  finesift export RUN --to shira --out adapter --without-biases
  finesift export RUN --to csv --out metrics.csv")]
pub(super) struct Export {
    /// Name of the run, or path of its folder
    run: String,
    /// Format
    #[arg(long, value_name = "FORMAT")]
    to: ExportFormat,
    /// New file or folder to write
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Checkpoint to export [default: the best, or the latest if none was evaluated]
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Leave changed biases out of a SHiRA adapter, which cannot hold them
    #[arg(long)]
    without_biases: bool,
    #[command(flatten)]
    runs: RunsArg,
}

#[derive(Args)]
#[command(after_help = "Example:
  finesift apply delta.safetensors --out model")]
pub(super) struct Apply {
    /// File written by `finesift export --to delta`
    delta: PathBuf,
    /// Hub id or folder of the base model [default: as in the run's preset]
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,
    /// New folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Export {
    /// Writes the export and prints its path.
    pub(super) fn run(self) -> Result<ExitCode> {
        let request = ExportRequest {
            run: runs::find(&self.runs.folder()?, &self.run)?,
            format: self.to,
            from: self.from.as_deref().map(str::parse).transpose()?,
            out: self.out,
            without_biases: self.without_biases,
        };
        write(&request.out, |control| request.write(control).map_err(with_option))
    }
}

impl Apply {
    /// Writes the merged model folder and prints its path.
    #[cfg(feature = "torch")]
    pub(super) fn run(self) -> Result<ExitCode> {
        use crate::delta::Changes;
        use crate::export::merged;
        use crate::hub::Hub;
        let changes = Changes::read(&self.delta)?;
        write(&self.out, |control| {
            let base = self.base.clone().unwrap_or_else(|| changes.info.base.location());
            let base = Hub::from_env().model(&base, control.on_progress)?;
            merged(&changes, &base, &self.out, control)
        })
    }

    #[cfg(not(feature = "torch"))]
    pub(super) fn run(self) -> Result<ExitCode> {
        Err(super::without_torch())
    }
}

/// Runs `work`, which writes `out`, then prints that path. A signal cancels it, and nothing stays on disk.
fn write(out: &Path, work: impl FnOnce(ExportControl) -> Result<()>) -> Result<ExitCode> {
    let (stop, status) = (Arc::new(CancelToken::default()), Arc::new(AtomicI32::new(0)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let (stop_on_signal, signal_status) = (stop.clone(), status.clone());
    // Not joined: no signal may ever come.
    thread::spawn(move || {
        let signal = runtime.block_on(signals.next());
        signal_status.store(signal.exit_code(), Ordering::SeqCst);
        // While nothing is written yet, there is nothing to clean up; a second signal does not wait for the clean-up.
        if stop_on_signal.cancel() {
            runtime.block_on(signals.next());
        }
        signal_hook::low_level::exit(signal.exit_code());
    });
    match work(ExportControl { on_progress: &progress::show_lines, cancel: &stop }) {
        Err(error) if error.is::<Cancelled>() => {
            let _ = writeln!(io::stderr(), "finesift: {error}");
            Ok(ExitCode::from(status.load(Ordering::SeqCst) as u8))
        }
        outcome => {
            outcome?;
            super::print(&format!("{}\n", out.display()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Names the option that helps.
fn with_option(error: anyhow::Error) -> anyhow::Error {
    if error.is::<ChangedBiases>() {
        return Usage(format!("{error:#}; --without-biases leaves them out")).into();
    }
    error
}
