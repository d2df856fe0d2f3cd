//! `finesift sweep`: trains the runs of a sweep file, resumes it, and prints its results.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};

use super::args::WorkbenchArgs;
use super::backend::LocalBackend;
use super::sweep_lines::{Lines, run_lines, summary};
use super::sweep_results::SweepResults;
use super::sweep_worker::SweepWorker;
use super::{is_dumb, on_terminal, print};
use crate::Usage;
use crate::preset::cache_folder;
use crate::signals::{NotedSignal, Signal};
use crate::sweep::{
    Engine, EngineOptions, ExpandedSweep, Launcher, SweepEnd, SweepFile, SweepFolder, SweepLink, SweepPlan,
};
use crate::ui;

/// Time between two looks at runs that are stopping.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  finesift sweep mrpc.toml --dry-run                 list the runs
  finesift sweep mrpc.toml                           train those that are not done
  finesift sweep mrpc.toml --jobs 2 --headless
  finesift sweep results mrpc                        print the table of runs/mrpc
  finesift sweep results mrpc --compare gradient random

A sweep that was stopped or killed continues where it was when it is run again. Its runs are ordinary runs in runs/NAME:
`finesift --runs runs/NAME` opens them."
)]
pub(super) struct SweepCommand {
    #[command(flatten)]
    start: Start,
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Print the results of a sweep, or compare two of its rows
    Results(SweepResults),
    /// The process of one run.
    #[command(hide = true)]
    Worker(SweepWorker),
}

#[derive(Args)]
struct Start {
    /// The sweep file
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Override a key of the preset for all runs, such as data.path=DIR (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Runs to train at a time; they share the processor's threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: u32,
    /// Name of the sweep and of its folder [default: that of the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Try failed runs again
    #[arg(long)]
    retry: bool,
    /// List the runs and what is done, and train nothing
    #[arg(long)]
    dry_run: bool,
    /// Print lines instead of the screens
    #[arg(long)]
    headless: bool,
    #[command(flatten)]
    workbench: WorkbenchArgs,
}

impl SweepCommand {
    /// Whether libtorch computes in this process.
    #[cfg(feature = "torch")]
    pub(super) fn computes(&self) -> bool {
        matches!(self.command, Some(Subcommands::Worker(_)))
    }

    /// Runs the command.
    ///
    /// # Errors
    /// [`Usage`]: a mistake in the sweep file, or no such sweep. Failures of runs are no errors: the exit status is 1.
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.command {
            None => self.start.run(),
            Some(Subcommands::Results(results)) => results.run(),
            Some(Subcommands::Worker(worker)) => worker.run(),
        }
    }
}

impl Start {
    fn run(self) -> Result<ExitCode> {
        let cache = cache_folder();
        let path = self.file.clone().ok_or_else(|| Usage("name a sweep file".into()))?;
        let file = SweepFile::load(&path)?;
        let sweep = ExpandedSweep::of(&file, &self.set, &cache)?;
        let runs = self.workbench.runs.folder()?;
        let folder = match &self.name {
            Some(name) => SweepFolder::new(&runs, name)?,
            None => SweepFolder::of_file(&runs, &path)?,
        };
        let options = EngineOptions {
            file: path.canonicalize().with_context(|| format!("{}: no such file", path.display()))?,
            jobs: self.jobs as usize,
            retry: self.retry,
            launcher: self.launcher()?,
            cache,
        };
        let plan = sweep.plan.clone();
        let mut engine = Engine::new(sweep, folder.clone(), options);
        let (stale, before) = engine.look()?;
        let mut lines = Lines::new(plan.clone());
        lines.say(&lines.overview(&before, &folder.path(), self.jobs as usize));
        if !stale.is_empty() {
            lines.say(&format!(
                "{} in {} of an earlier version of the sweep or of another one: they stay, and are not in the table",
                if stale.len() == 1 { "1 run".to_owned() } else { format!("{} runs", stale.len()) },
                folder.path().display()
            ));
        }
        if self.dry_run {
            print(&run_lines(&plan, &before))?;
            return Ok(ExitCode::SUCCESS);
        }
        let (end, signal) = match self.headless || !on_terminal() || is_dumb() {
            true => (engine.run(&mut lines)?, lines.signal()),
            false => self.open_screen(engine, plan.clone(), &folder)?,
        };
        let printed = print(&summary(&plan, &end, &folder));
        if let Some(signal) = signal {
            return Ok(ExitCode::from(signal.exit_code() as u8));
        }
        printed?;
        Ok(if end.progress.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// Shows the sweep until it is left, and waits for the end of its runs.
    fn open_screen(&self, engine: Engine, plan: SweepPlan, folder: &SweepFolder) -> Result<(SweepEnd, Option<Signal>)> {
        let (_, options) = self.workbench.screen.settings()?;
        let backend = LocalBackend::new(folder.runs().to_owned(), &self.workbench.device)?;
        let (link, thread) = SweepLink::spawn(engine).context("cannot start the sweep")?;
        let start = ui::SweepStart { name: folder.name().to_owned(), folder: folder.path(), plan, link };
        let outcome = ui::open_sweep(backend, start, options);
        let signals = NotedSignal::listen()?;
        if !thread.is_finished() {
            let _ = writeln!(io::stderr(), "stopping all runs with a checkpoint; Ctrl-C quits at once");
        }
        while !thread.is_finished() {
            if let Some(signal) = signals.get().filter(|signal| *signal != Signal::Hangup) {
                // The processes of the runs stop by themselves.
                signal_hook::low_level::exit(signal.exit_code());
            }
            thread::sleep(LOOK);
        }
        let end = thread.join().map_err(|_| anyhow!("the thread of the sweep has ended"))??;
        Ok((end, outcome?.signal))
    }

    /// How the process of a run is started: this program, on the same device, with its share of the processor's threads.
    fn launcher(&self) -> Result<Launcher> {
        let program = std::env::current_exe().context("cannot find this program's path")?;
        let arguments = ["sweep", "worker", "--device", &self.workbench.device.device].map(OsString::from).into();
        let threads = available_parallelism().map_or(1, usize::from) / self.jobs as usize;
        Ok(Launcher { program, arguments, threads: (self.jobs > 1).then_some(threads.max(1)) })
    }
}
