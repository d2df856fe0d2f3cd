//! The command line: parse, join a front end and a trainer, and say how it ended.

mod attach;
mod background;
#[cfg(feature = "torch")]
mod bench;
#[cfg(feature = "torch")]
mod benchmark;
#[cfg(feature = "torch")]
mod chat;
mod doctor;
mod download;
mod export;
#[cfg(feature = "torch")]
mod plan;
mod predict;
mod runs;
mod settings;
#[cfg(feature = "torch")]
mod threads;
mod train;
mod trainers;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::Usage;
use crate::caught::caught;
use crate::config::{Config, config_folder};
use crate::outcome::Outcome;
use crate::preset::{Library, Listed, Preset, cache_folder};
use crate::ui;
use attach::Attach;
use download::Download;
use export::{Apply, Export};
use predict::{Eval, Predict};
use train::{Resume, Train};
use trainers::Trainers;

/// Fine-tunes transformers with sparse increments, in the terminal.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    screens: Screens,
}

/// Where runs go and how screens look. Without a command the screens open at Home.
#[derive(Args)]
struct Screens {
    /// Folder of all runs; by default the one of config.toml, or else `runs`
    #[arg(long, value_name = "DIR", env = "FINESIFT_RUNS", global = true)]
    runs: Option<PathBuf>,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto", global = true)]
    device: String,
    /// Draw with characters that every terminal has
    #[arg(long, global = true)]
    ascii: bool,
    /// Lines of text instead of screens, and commands typed as lines: for screen readers and simple terminals
    #[arg(long, global = true)]
    plain: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Fine-tune as a preset says
    Train(Train),
    /// Take a run up again where it stood
    Resume(Resume),
    /// Watch a run that goes elsewhere, and order it about; leaving it does not disturb it
    Attach(Attach),
    /// Write what a run came to, for other software
    Export(Export),
    /// Make the changes of an exported delta to its base model
    Apply(Apply),
    /// Score a trained model on labelled texts, or a language model on a benchmark
    Eval(Eval),
    /// Tell what a trained model makes of texts
    Predict(Predict),
    /// Talk to a language model, or to what a run has made of one
    #[cfg(feature = "torch")]
    Chat(chat::Talk),
    /// Time the steps of training and weigh their memory, method beside method
    #[cfg(feature = "torch")]
    Bench(Box<bench::Bench>),
    /// Tell what memory a run of a preset would take, and what would fit
    #[cfg(feature = "torch")]
    Plan(plan::Plan),
    /// List the presets, or show one
    Presets {
        #[command(subcommand)]
        command: Option<Presets>,
    },
    /// List the runs, or a run's checkpoints, and pin these
    Runs {
        /// A line of JSON for each
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<runs::OfRun>,
    },
    /// Print the settings and keys as they are, as a config.toml to start from
    Config,
    /// Tell what this machine offers, and what is missing
    Doctor,
    /// Download the model and data of a demo preset
    Download(Download),
}

#[derive(Subcommand)]
enum Presets {
    /// Print a preset
    Show {
        /// Its name
        name: String,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    let Cli { command, screens } = Cli::parse();
    #[cfg(feature = "torch")]
    if !command.as_ref().is_some_and(Command::only_reads) {
        threads::sleep_while_waiting();
    }
    match caught(|| run(command, &screens)) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "finesift: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

#[cfg(feature = "torch")]
impl Command {
    /// Whether it computes nothing.
    fn only_reads(&self) -> bool {
        matches!(
            self,
            Command::Presets { .. }
                | Command::Runs { .. }
                | Command::Config
                | Command::Attach(_)
                | Command::Download(_)
        )
    }
}

fn run(command: Option<Command>, screens: &Screens) -> Result<ExitCode> {
    match command {
        None => return home(screens),
        Some(Command::Train(train)) => return train.run(screens),
        Some(Command::Resume(resume)) => return resume.run(screens),
        Some(Command::Attach(attach)) => return attach.run(screens),
        Some(Command::Export(export)) => return export.run(screens),
        Some(Command::Apply(apply)) => return apply.run(),
        Some(Command::Eval(eval)) => return eval.run(screens),
        Some(Command::Predict(predict)) => return predict.run(screens),
        #[cfg(feature = "torch")]
        Some(Command::Chat(chat)) => return chat.run(screens),
        #[cfg(feature = "torch")]
        Some(Command::Bench(bench)) => return bench.run(screens),
        #[cfg(feature = "torch")]
        Some(Command::Plan(plan)) => print(&plan.report(screens)?),
        Some(Command::Presets { command: None }) => print(&list()),
        Some(Command::Presets { command: Some(Presets::Show { name }) }) => print(&show(&name)?),
        Some(Command::Runs { json, command: None }) => print(&runs::report(&screens.runs(&config()?), json)?),
        Some(Command::Runs { json: true, .. }) => {
            anyhow::bail!(Usage("--json is for the list of runs, not for the checkpoints of one".into()))
        }
        Some(Command::Runs { command: Some(command), .. }) => print(&command.run(&screens.runs(&config()?))?),
        Some(Command::Config) => print(&settings::report(&config()?)?),
        Some(Command::Doctor) => print(&doctor::report()),
        Some(Command::Download(download)) => match download.run()? {},
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether there is a person to show a screen to.
fn on_terminal() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// Whether that person's terminal can show one.
fn is_dumb() -> bool {
    std::env::var("TERM").is_ok_and(|term| term == "dumb")
}

/// A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Tells on stderr what does not keep a command from going on.
#[cfg(feature = "torch")]
fn warn(warnings: &[String]) {
    for warning in warnings {
        let _ = writeln!(io::stderr(), "finesift: {warning}");
    }
}

fn list() -> String {
    let line =
        |listed: Listed| match listed.draft.and_then(|draft| draft.preset().map_err(|error| format!("{error:#}"))) {
            Ok(preset) => format!("{:<12}  {}\n", listed.name, preset.about),
            Err(error) => format!("{:<12}  {error}\n", listed.name),
        };
    Library::of_environment().list().into_iter().map(line).collect()
}

/// A preset as it was written, comments included.
fn show(name: &str) -> Result<String> {
    Preset::load(name, &[], &cache_folder())?;
    Library::of_environment().text(name)
}

fn home(screens: &Screens) -> Result<ExitCode> {
    if !on_terminal() {
        anyhow::bail!(Usage("the screens need a terminal; `finesift --help` lists what works without one".into()));
    }
    if screens.plain || is_dumb() {
        let how = "without screens a run is started by its preset's name: `finesift train PRESET --plain`";
        anyhow::bail!(Usage(format!("{how}; `finesift presets` lists them")));
    }
    let (config, options) = screens.settings()?;
    let outcome = ui::open(Trainers::new(screens, &config)?, None, options)?;
    print(&train::going_on(&outcome));
    Ok(ended(&outcome))
}

/// The exit status: that of a signal, where one ended the program.
fn ended(outcome: &Outcome) -> ExitCode {
    outcome.signal.map_or(ExitCode::SUCCESS, |signal| ExitCode::from(signal.exit_code() as u8))
}

/// The user's settings.
fn config() -> Result<Config> {
    Config::load(&config_folder())
}

impl Screens {
    /// The user's settings, and how screens look by them. A mistake in them is told before anything is started.
    fn settings(&self) -> Result<(Config, ui::Options)> {
        let config = config()?;
        let options = ui::Options::of(&config, self.ascii)?;
        Ok((config, options))
    }

    /// The folder of all runs.
    fn runs(&self, config: &Config) -> PathBuf {
        self.runs.clone().or_else(|| config.runs.clone()).unwrap_or_else(|| "runs".into())
    }
}
