//! `export` and `apply`: what a run came to, in forms that other software reads.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

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
    /// Folder of all runs
    #[arg(long, value_name = "DIR", env = "FINESIFT_RUNS", default_value = "runs")]
    runs: PathBuf,
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
}

impl Export {
    pub fn run(self) -> Result<ExitCode> {
        let run = runs::find(&self.runs, &self.run)?;
        match self.to {
            Form::Csv => metrics::write(&run, &self.out)?,
            _ => weights::export(&self, &run)?,
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
    use std::fs::File;
    use std::io::BufWriter;
    use std::path::Path;

    use anyhow::{Context, Result};

    use crate::export::{self, Unfinished};
    use crate::runs::read_events;

    pub fn write(run: &Path, out: &Path) -> Result<()> {
        let events = run.join("events.jsonl");
        let events = read_events(&events).with_context(|| format!("{}: cannot read", events.display()))?;
        let unfinished = Unfinished::at(out)?;
        File::create_new(&unfinished.path)
            .map_err(anyhow::Error::from)
            .and_then(|file| export::csv(&events, BufWriter::new(file)))
            .with_context(|| format!("{}: cannot write", out.display()))?;
        unfinished.finish()
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
            Form::Merged | Form::Csv => merged(&changes, &base, &export.out, &told),
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
