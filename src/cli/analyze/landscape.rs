//! `finesift analyze landscape`.

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};

use super::AnalyzeArgs;
use crate::Usage;
use crate::analysis::Analysis;
use crate::analysis::landscape::{self, HessianScope, LandscapeOptions, LandscapeSpec};
use crate::preset::{Library, Preset, cache_folder, read_file};
use crate::runs;
use crate::runs::checkpoint::{StoredCheckpoint, select};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift analyze landscape demo                        pre-trained weights beside a random initialisation
  finesift analyze landscape RUN                         also along the trained increment
  finesift analyze landscape RUN --hessian selected --examples 128")]
pub(super) struct LandscapeCommand {
    /// Name or path of a run, name of a preset, or path of a .toml file
    #[arg(value_name = "RUN|PRESET")]
    subject: String,
    /// Override a key of the preset, such as data.max_length=64 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Checkpoint of the run [default: the best]
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Training examples whose mean loss is measured at every point
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    examples: u32,
    /// Random directions
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    directions: u32,
    /// Points of a line
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(3..=1001))]
    points: u32,
    /// Points of a side of the 2-D slice
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(2..=201))]
    grid: u32,
    /// Components whose Hessian is analyzed
    #[arg(long, default_value = "targets")]
    hessian: Hessian,
    /// Hessian-vector products for the largest eigenvalue at most, and as many again for shorter steps
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    iterations: u32,
    /// Seed of the examples, the directions and the random initialisation
    #[arg(long, default_value_t = 42)]
    seed: u64,
    #[command(flatten)]
    options: AnalyzeArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Hessian {
    /// All components of the preset's targets
    Targets,
    /// The selected components of a run
    Selected,
    /// None: leave sharpness out
    None,
}

impl LandscapeCommand {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (preset, checkpoint) = self.subject()?;
        let name = checkpoint.as_ref().map_or(&preset.name, |stored| &stored.manifest.run).clone();
        let folder = self.options.folder("landscape", &name)?;
        let options = LandscapeOptions {
            examples: self.examples as usize,
            directions: self.directions as usize,
            points: self.points as usize,
            grid: self.grid as usize,
            hessian: match self.hessian {
                Hessian::Targets => HessianScope::Targets,
                Hessian::Selected => HessianScope::Selected,
                Hessian::None => HessianScope::None,
            },
            iterations: self.iterations as usize,
            seed: self.seed,
            ..LandscapeOptions::default()
        };
        let device = self.options.workbench.device.device.parse()?;
        let spec = LandscapeSpec { preset, checkpoint, device, options };
        // Before the screen opens.
        spec.check()?;
        let run = Box::new(move |reporter: &_| landscape::run(&spec, reporter));
        self.options.show(Analysis { title: format!("landscape of {name}"), folder, run })
    }

    /// The preset, and of a run its checkpoint.
    fn subject(&self) -> Result<(Preset, Option<StoredCheckpoint>)> {
        let folder = self.options.workbench.runs.folder()?;
        match runs::find(&folder, &self.subject) {
            Ok(_) if !self.set.is_empty() => {
                bail!(Usage("--set changes a preset; a run keeps the preset it was started with".into()))
            }
            Ok(run) => {
                let path = run.join("preset.toml");
                let file = path.display().to_string();
                let preset = Preset::parse_stored(&self.subject, &file, &read_file(&path)?, &[], &cache_folder())?;
                let from = self.from.as_deref().map(str::parse).transpose()?;
                let stored = StoredCheckpoint::open(&select(&run, from)?);
                Ok((preset, Some(stored.map_err(|error| anyhow!(Usage(format!("damaged checkpoint: {error}"))))?)))
            }
            Err(no_run) => {
                let library = Library::from_env();
                if let Err(no_preset) = library.find(&self.subject) {
                    return Err(neither(&no_run, no_preset));
                }
                if self.from.is_some() {
                    bail!(Usage(format!("--from needs a run, and {} is a preset", self.subject)));
                }
                Ok((Preset::load(&self.subject, &self.set, &cache_folder())?, None))
            }
        }
    }
}

/// The error for what names neither a run nor a preset. A preset that cannot be read is another one.
fn neither(no_run: &anyhow::Error, no_preset: anyhow::Error) -> anyhow::Error {
    match no_preset.downcast::<Usage>() {
        Ok(no_preset) => Usage(format!("{no_run} (`finesift runs` lists them); {no_preset}")).into(),
        Err(other) => other,
    }
}
