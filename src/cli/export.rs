//! `export` and `apply`: what a run came to, in forms that other software reads.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{Screens, config};
use crate::runs;

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

#[derive(Clone, Copy, ValueEnum)]
enum Form {
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

impl Export {
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        let run = runs::find(&screens.runs(&config()?), &self.run)?;
        match self.to {
            Form::Csv | Form::Tensorboard | Form::Html => metrics::write(self.to, &run, &self.out)?,
            Form::Merged | Form::Delta | Form::Shira => weights::export(&self, &run)?,
        }
        super::print(&format!("{}\n", self.out.display()));
        Ok(ExitCode::SUCCESS)
    }
}

impl Apply {
    pub fn run(self) -> Result<ExitCode> {
        weights::apply(&self)?;
        super::print(&format!("{}\n", self.out.display()));
        Ok(ExitCode::SUCCESS)
    }
}

mod metrics {
    use std::fs::{self, File};
    use std::io::BufWriter;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use anyhow::{Context, Result};

    use super::Form;
    use crate::export::{self, Unfinished};
    use crate::preset::read_file;
    use crate::protocol::Event;
    use crate::runs::read_events;

    pub fn write(to: Form, run: &Path, out: &Path) -> Result<()> {
        let path = run.join("events.jsonl");
        let events = read_events(&path).with_context(|| format!("{}: cannot read", path.display()))?;
        let unfinished = Unfinished::at(out)?;
        let file = |path: &Path| File::create_new(path).map(BufWriter::new);
        let write = || -> Result<()> {
            match to {
                Form::Tensorboard => {
                    fs::create_dir(&unfinished.path)?;
                    let start = began(&path, &events);
                    let name = format!("events.out.tfevents.{}.finesift", start as u64);
                    export::tensorboard(&events, start, file(&unfinished.path.join(name))?)?;
                }
                Form::Html => {
                    fs::write(&unfinished.path, export::report(&events, &read_file(&run.join("preset.toml"))?))?;
                }
                _ => export::csv(&events, file(&unfinished.path)?)?,
            }
            Ok(())
        };
        write().with_context(|| format!("{}: cannot write", out.display()))?;
        unfinished.finish()
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
}

#[cfg(not(feature = "torch"))]
mod weights {
    use std::path::Path;

    use anyhow::{Result, bail};

    use super::{Apply, Export};
    use crate::Usage;

    pub fn export(_: &Export, _: &Path) -> Result<()> {
        bail!(without_torch())
    }

    pub fn apply(_: &Apply) -> Result<()> {
        bail!(without_torch())
    }

    fn without_torch() -> Usage {
        Usage("this build is without libtorch and cannot handle weights; build it with the feature torch".into())
    }
}

#[cfg(feature = "torch")]
pub(super) use weights::wanted;

#[cfg(feature = "torch")]
mod weights {
    use std::io::{self, Write};
    use std::path::{Path, PathBuf};

    use anyhow::{Result, anyhow, bail};

    use super::{Apply, Export, Form};
    use crate::Usage;
    use crate::export::{Changes, merged, shira};
    use crate::hub::Hub;
    use crate::protocol::Progress;
    use crate::runs::checkpoint::{Stored, best, list};
    use crate::train::From;

    pub fn export(export: &Export, run: &Path) -> Result<()> {
        let from = export.from.as_deref().map(str::parse).transpose()?;
        let path = wanted(run, from)?;
        let stored = Stored::open(&path).map_err(|error| anyhow!(Usage(format!("damaged: {error}"))))?;
        let base = Hub::from_env().model(&stored.manifest.base.model, &told)?;
        let changes = Changes::of(&stored, &base)?;
        match export.to {
            Form::Delta => changes.write(&export.out),
            Form::Shira => shira(&changes, &base, export.without_biases, &export.out),
            _ => merged(&changes, &base, &export.out, &told),
        }
    }

    pub fn apply(apply: &Apply) -> Result<()> {
        let changes = Changes::read(&apply.delta)?;
        let base = apply.base.as_ref().unwrap_or(&changes.facts.base.model);
        let base = Hub::from_env().model(base, &told)?;
        merged(&changes, &base, &apply.out, &told)
    }

    /// The checkpoint asked for: by default the best, or else the newest.
    pub fn wanted(run: &Path, from: Option<From>) -> Result<PathBuf> {
        let listed = list(&run.join("checkpoints"))?;
        let found = match from {
            Some(From::Step(step)) => {
                listed.iter().find(|listed| listed.step == step).map(|listed| listed.path.clone())
            }
            Some(From::Best) => best(run),
            Some(From::Newest) | None => best(run).or_else(|| listed.first().map(|listed| listed.path.clone())),
        };
        let steps: Vec<String> = listed.iter().map(|listed| listed.step.to_string()).collect();
        match found {
            Some(path) => Ok(path),
            None if steps.is_empty() => bail!(Usage(format!("{}: no checkpoint was written yet", run.display()))),
            None => bail!(Usage(format!(
                "{}: no such checkpoint; there are those of steps {}",
                run.display(),
                steps.join(", ")
            ))),
        }
    }

    fn told(progress: Progress) {
        let Progress { task, done, total, unit } = progress;
        let _ = writeln!(io::stderr(), "{task}: {done} of {total} {unit}");
    }
}
