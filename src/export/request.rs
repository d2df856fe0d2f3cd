//! An export as the command line and the screens request it: which run, which format, which path.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::{ExportControl, Unfinished, csv, report, tensorboard};
use crate::preset::read_file;
use crate::runs::checkpoint::CheckpointSelector;
use crate::runs::{History, HistoryReader};

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A folder with the merged model, for Hugging Face software
    Merged,
    /// One safetensors file with the changed parameters, for `finesift apply`
    Delta,
    /// A folder with a SHiRA adapter, for PEFT
    Shira,
    /// A folder with the LoRA adapter of a LoRA run, for PEFT
    Lora,
    /// A table with the metrics of every step
    Csv,
    /// A folder with the metrics as a TensorBoard event file
    Tensorboard,
    /// A self-contained page with the charts
    Html,
}

/// A requested export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    /// Folder of the run.
    pub run: PathBuf,
    pub format: ExportFormat,
    /// The checkpoint of a model export; by default the best, or the newest if none was evaluated.
    pub from: Option<CheckpointSelector>,
    /// A new folder or file.
    pub out: PathBuf,
    /// Whether to leave changed biases out of a SHiRA adapter, which cannot hold them.
    pub without_biases: bool,
}

impl ExportFormat {
    pub const ALL: [ExportFormat; 7] = [
        ExportFormat::Merged,
        ExportFormat::Delta,
        ExportFormat::Shira,
        ExportFormat::Lora,
        ExportFormat::Csv,
        ExportFormat::Tensorboard,
        ExportFormat::Html,
    ];

    /// Whether it exports a checkpoint, as opposed to the run's events.
    pub fn of_weights(self) -> bool {
        matches!(self, ExportFormat::Merged | ExportFormat::Delta | ExportFormat::Shira | ExportFormat::Lora)
    }
}

impl ExportRequest {
    /// Writes the export. Afterwards `out` is complete; on errors and on cancellation nothing is left there.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): `out` exists, no such checkpoint, another base model, a build without libtorch;
    /// [`ChangedBiases`](super::ChangedBiases) with one; [`Cancelled`](super::Cancelled); the disk cannot be written.
    pub fn write(&self, control: ExportControl) -> Result<()> {
        if self.format.of_weights() { weights::write(self, control) } else { self.write_metrics(control) }
    }

    fn write_metrics(&self, control: ExportControl) -> Result<()> {
        let path = self.run.join("events.jsonl");
        let history = match self.format {
            ExportFormat::Html => History::default(),
            _ => History::every_step(),
        };
        let mut reader = HistoryReader::new(history);
        reader.read_on(&path).with_context(|| format!("{}: cannot read", path.display()))?;
        let history = reader.history();
        control.cancel.begin()?;
        let unfinished = Unfinished::at(&self.out)?;
        let file = |path: &Path| File::create_new(path).map(BufWriter::new);
        let write = || -> Result<()> {
            match self.format {
                ExportFormat::Tensorboard => {
                    fs::create_dir(&unfinished.path)?;
                    let start = began(&path, history.elapsed());
                    let name = format!("events.out.tfevents.{}.finesift", start as u64);
                    tensorboard(&history.rows, start, file(&unfinished.path.join(name))?)?;
                }
                ExportFormat::Html => {
                    fs::write(&unfinished.path, report(history, &read_file(&self.run.join("preset.toml"))?))?;
                }
                _ => csv(&history.rows, file(&unfinished.path)?)?,
            }
            Ok(())
        };
        write().with_context(|| format!("{}: cannot write", self.out.display()))?;
        control.cancel.check()?;
        unfinished.finish()
    }
}

/// When training began, in seconds since 1970, estimated from the time of the file's last line.
fn began(path: &Path, elapsed: f64) -> f64 {
    let written = path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH);
    let written = written.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    (written - elapsed).max(0.0)
}

#[cfg(not(feature = "torch"))]
mod weights {
    use anyhow::{Result, bail};

    use super::{ExportControl, ExportRequest};
    use crate::Usage;

    pub fn write(_: &ExportRequest, _: ExportControl) -> Result<()> {
        bail!(Usage("this build is without libtorch and cannot handle weights; build it with the feature torch".into()))
    }
}

#[cfg(feature = "torch")]
mod weights {
    use anyhow::Result;

    use super::{ExportControl, ExportFormat, ExportRequest};
    use crate::Usage;
    use crate::delta::Changes;
    use crate::export::{lora, merged, shira};
    use crate::hub::Hub;
    use crate::runs::checkpoint::{StoredCheckpoint, select};

    pub fn write(order: &ExportRequest, control: ExportControl) -> Result<()> {
        let path = select(&order.run, order.from)?;
        let stored = StoredCheckpoint::open(&path).map_err(|error| Usage(format!("damaged: {error}")))?;
        let base = Hub::from_env().model(&stored.manifest.base.location(), control.on_progress)?;
        control.cancel.check()?;
        let changes = Changes::of(&stored, &base)?;
        match order.format {
            ExportFormat::Delta => changes.write(&order.out, control),
            ExportFormat::Shira => shira(&changes, &base, order.without_biases, &order.out, control),
            ExportFormat::Lora => lora(&changes, &base, &order.out, control),
            _ => merged(&changes, &base, &order.out, control),
        }
    }
}
