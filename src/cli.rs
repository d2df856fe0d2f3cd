//! The command line: parse, join a front end and a trainer, and say how it ended.

mod doctor;
mod runs;
mod settings;
mod trainers;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::Usage;
use crate::config::{Config, config_folder};
use crate::headless::Form;
use crate::outcome::Outcome;
use crate::preset::{Preset, built_in, cache_folder};
use crate::{headless, ui};
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
    /// List the presets, or show one
    Presets {
        #[command(subcommand)]
        command: Option<Presets>,
    },
    /// List the runs
    Runs {
        /// A line of JSON for each
        #[arg(long)]
        json: bool,
    },
    /// Print the settings and keys as they are, as a config.toml to start from
    Config,
    /// Tell what this machine offers, and what is missing
    Doctor,
}

#[derive(Subcommand)]
enum Presets {
    /// Print a preset
    Show {
        /// Its name
        name: String,
    },
}

#[derive(Args)]
struct Train {
    /// Name of a preset, or path of a .toml file
    preset: String,
    /// Change a key of the preset, such as train.epochs=3; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Name of the run; by default made of the preset's and the time
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// Show no screen, also on a terminal
    #[arg(long)]
    headless: bool,
    /// Write each event as a line of JSON on stdout; shows no screen
    #[arg(long)]
    json: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let Cli { command, screens } = Cli::parse();
    match run(command, &screens) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "finesift: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn run(command: Option<Command>, screens: &Screens) -> Result<ExitCode> {
    match command {
        None => return home(screens),
        Some(Command::Train(train)) => return train.run(screens),
        Some(Command::Presets { command: None }) => print(&list()),
        Some(Command::Presets { command: Some(Presets::Show { name }) }) => print(&show(&name)?),
        Some(Command::Runs { json }) => print(&runs::report(&screens.runs(&config()?), json)?),
        Some(Command::Config) => print(&settings::report(&config()?)?),
        Some(Command::Doctor) => print(&doctor::report()),
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

fn list() -> String {
    let cache = cache_folder();
    let line = |name: &str| match Preset::load(name, &[], &cache) {
        Ok(preset) => format!("{name:<12}  {}\n", preset.about),
        Err(error) => format!("{name:<12}  {error:#}\n"),
    };
    built_in().iter().map(|preset| line(preset.name)).collect()
}

fn show(name: &str) -> Result<String> {
    let preset = Preset::load(name, &[], &cache_folder())?;
    let built_in = built_in().iter().find(|preset| preset.name == name);
    // A built-in one as it was written, comments included.
    Ok(built_in.map_or(preset.toml, |preset| preset.toml.to_owned()))
}

fn home(screens: &Screens) -> Result<ExitCode> {
    if !on_terminal() {
        anyhow::bail!(Usage("the screens need a terminal; `finesift --help` lists what works without one".into()));
    }
    if screens.plain || is_dumb() {
        let how = "without screens a run is started by its preset's name: `finesift train PRESET --plain`";
        anyhow::bail!(Usage(format!("{how}; `finesift presets` lists them")));
    }
    let config = config()?;
    let options = screens.options(&config)?;
    let outcome = ui::open(Trainers::new(screens, &config)?, None, options)?;
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
    fn options(&self, config: &Config) -> Result<ui::Options> {
        ui::Options::of(config, self.ascii)
    }

    /// The folder of all runs.
    fn runs(&self, config: &Config) -> PathBuf {
        self.runs.clone().or_else(|| config.runs.clone()).unwrap_or_else(|| "runs".into())
    }
}

impl Train {
    fn run(self, screens: &Screens) -> Result<ExitCode> {
        let config = config()?;
        // A mistake in the settings is told before anything is started.
        let options = screens.options(&config)?;
        let trainers = Trainers::new(screens, &config)?;
        let preset = Preset::load(&self.preset, &self.set, &cache_folder())?;
        let launched = trainers.start(preset, self.run.as_deref())?;
        let folder = launched.folder.clone();
        let form = match (self.json, screens.plain || is_dumb() && on_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Plain,
            (false, false) => Form::Bar,
        };
        let outcome = if form == Form::Bar && !self.headless && on_terminal() {
            ui::open(trainers, Some(launched), options)
        } else {
            let outcome = headless::run(launched.session, form);
            // What could not begin for a mistake leaves nothing behind.
            if outcome.as_ref().is_err_and(|error| error.is::<Usage>()) {
                let _ = std::fs::remove_dir_all(folder.path());
            }
            outcome
        }?;
        if let Some(finished) = &outcome.finished
            && !self.json
        {
            print(&summary(finished, folder.path()));
        }
        Ok(ended(&outcome))
    }
}

/// What a run came to, in a few lines.
fn summary(finished: &crate::protocol::Finished, folder: &std::path::Path) -> String {
    use crate::protocol::Reason;
    let how = match finished.reason {
        Reason::Completed => "completed",
        Reason::Stopped => "stopped",
    };
    let mut text = format!("{how} after {} steps and {:.1} s of work\n", finished.step, finished.elapsed);
    if let Some(best) = &finished.best {
        let scores: Vec<String> = best.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
        text += &format!("best at step {}: {}, loss {:.4}\n", best.step, scores.join(", "), best.loss);
    }
    text + &format!("{}\n", folder.display())
}
