//! An export as it is asked for on the command line and on the screens: what of a run, in which form, to where.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::{Cancellation, Unfinished, csv, report, tensorboard};
use crate::preset::read_file;
use crate::protocol::Event;
use crate::runs::checkpoint::CheckpointSelector;
use crate::runs::read_events;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A folder with the merged model, for Hugging Face software
    Merged,
    /// One safetensors file with what has changed, for `finesift apply`
    Delta,
    /// A folder with a SHiRA adapter, for PEFT
    Shira,
    /// A table of the numbers of every step
    Csv,
    /// A folder with the same as TensorBoard reads it
    Tensorboard,
    /// A page with the run's charts, which needs nothing else
    Html,
}

/// An export that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The run's folder.
    pub run: PathBuf,
    /// In which form.
    pub form: Form,
    /// Which checkpoint, where that matters: by default the best, or the newest where none was evaluated.
    pub from: Option<CheckpointSelector>,
    /// A new folder or file.
    pub out: PathBuf,
    /// Whether to leave changed biases out of a SHiRA adapter, which has no place for them.
    pub without_biases: bool,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 6] = [Form::Merged, Form::Delta, Form::Shira, Form::Csv, Form::Tensorboard, Form::Html];

    /// Whether it is of a checkpoint, and not of the run's events.
    pub fn of_weights(self) -> bool {
        matches!(self, Form::Merged | Form::Delta | Form::Shira)
    }
}

impl Order {
    /// Carries it out. What is at its place then is whole; where it fails or is called off, nothing is.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): something is there, no such checkpoint, another base model, a build without libtorch;
    /// [`ChangedBiases`](super::ChangedBiases) with one; [`Cancelled`](super::Cancelled); a disk that cannot be written.
    pub fn carry_out(&self, watch: Cancellation) -> Result<()> {
        if self.form.of_weights() { weights::write(self, watch) } else { self.write_events(watch) }
    }

    fn write_events(&self, watch: Cancellation) -> Result<()> {
        let path = self.run.join("events.jsonl");
        let events = read_events(&path).with_context(|| format!("{}: cannot read", path.display()))?;
        watch.stop.begin()?;
        let unfinished = Unfinished::at(&self.out)?;
        let file = |path: &Path| File::create_new(path).map(BufWriter::new);
        let write = || -> Result<()> {
            match self.form {
                Form::Tensorboard => {
                    fs::create_dir(&unfinished.path)?;
                    let start = began(&path, &events);
                    let name = format!("events.out.tfevents.{}.finesift", start as u64);
                    tensorboard(&events, start, file(&unfinished.path.join(name))?)?;
                }
                Form::Html => {
                    fs::write(&unfinished.path, report(&events, &read_file(&self.run.join("preset.toml"))?))?;
                }
                _ => csv(&events, file(&unfinished.path)?)?,
            }
            Ok(())
        };
        write().with_context(|| format!("{}: cannot write", self.out.display()))?;
        watch.stop.check()?;
        unfinished.finish()
    }
}

/// When the run began, as far as its file can tell: its last line was written so long after.
fn began(path: &Path, events: &[Event]) -> f64 {
    let written = path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH);
    let elapsed = events.iter().rev().find_map(|event| match event {
        Event::Step(step) => Some(step.elapsed),
        _ => None,
    });
    let written = written.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    (written - elapsed.unwrap_or(0.0)).max(0.0)
}

#[cfg(not(feature = "torch"))]
mod weights {
    use anyhow::{Result, bail};

    use super::{Cancellation, Order};
    use crate::Usage;

    pub fn write(_: &Order, _: Cancellation) -> Result<()> {
        bail!(Usage("this build is without libtorch and cannot handle weights; build it with the feature torch".into()))
    }
}

#[cfg(feature = "torch")]
mod weights {
    use anyhow::{Result, anyhow};

    use super::{Cancellation, Form, Order};
    use crate::Usage;
    use crate::delta::Changes;
    use crate::export::{merged, shira};
    use crate::hub::Hub;
    use crate::runs::checkpoint::{Stored, wanted};

    pub fn write(order: &Order, watch: Cancellation) -> Result<()> {
        let path = wanted(&order.run, order.from)?;
        let stored = Stored::open(&path).map_err(|error| anyhow!(Usage(format!("damaged: {error}"))))?;
        let base = Hub::from_env().model(&stored.manifest.base.model, watch.told)?;
        watch.stop.check()?;
        let changes = Changes::of(&stored, &base)?;
        match order.form {
            Form::Delta => changes.write(&order.out, watch),
            Form::Shira => shira(&changes, &base, order.without_biases, &order.out, watch),
            _ => merged(&changes, &base, &order.out, watch),
        }
    }
}
