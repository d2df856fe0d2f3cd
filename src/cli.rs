//! The command line: parse, join a front end and a trainer, and say how it ended.

#[cfg(feature = "torch")]
mod chat;
mod doctor;
#[cfg(feature = "torch")]
mod eval;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::Usage;
use crate::preset::{Preset, built_in, cache_folder};

/// Fine-tunes transformers with sparse increments, in the terminal.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fine-tune as a preset says
    Train(Train),
    /// Talk to a language model, or to what a run has made of one
    #[cfg(feature = "torch")]
    Chat(chat::ChatArgs),
    /// Ask a language model the questions of a benchmark
    #[cfg(feature = "torch")]
    Eval(eval::EvalArgs),
    /// List the presets, or show one
    Presets {
        #[command(subcommand)]
        command: Option<Presets>,
    },
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
    /// Folder of all runs
    #[arg(long, value_name = "DIR", env = "FINESIFT_RUNS", default_value = "runs")]
    runs: PathBuf,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// Show no screen, also on a terminal
    #[arg(long)]
    headless: bool,
    /// Write each event as a line of JSON on stdout; shows no screen
    #[arg(long)]
    json: bool,
    /// Draw with characters that every terminal has
    #[arg(long)]
    ascii: bool,
}

/// Runs the program.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "finesift: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Train(train) => return train.run(),
        #[cfg(feature = "torch")]
        Command::Chat(chat) => return chat.run(),
        #[cfg(feature = "torch")]
        Command::Eval(eval) => return eval.run(),
        Command::Presets { command: None } => print(&list()),
        Command::Presets { command: Some(Presets::Show { name }) } => print(&show(&name)?),
        Command::Doctor => print(&doctor::report()),
    }
    Ok(ExitCode::SUCCESS)
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

impl Train {
    #[cfg(not(feature = "torch"))]
    fn run(self) -> Result<ExitCode> {
        Preset::load(&self.preset, &self.set, &cache_folder())?;
        anyhow::bail!(Usage("this build is without libtorch and cannot train; build it with the feature torch".into()))
    }

    #[cfg(feature = "torch")]
    fn run(self) -> Result<ExitCode> {
        use std::io::IsTerminal;

        use crate::headless;
        use crate::hub::Hub;
        use crate::outcome::Outcome;
        use crate::runs::{EventLog, RunFolder};
        use crate::session::Session;
        use crate::train::{self, Job};
        use crate::ui;
        use anyhow::Context;

        let cache = cache_folder();
        let preset = Preset::load(&self.preset, &self.set, &cache)?;
        let device = self.device.parse()?;
        let folder = RunFolder::create(&self.runs, self.run.as_deref(), &preset.name.replace('/', "-"), &preset.toml)?;
        let events = folder.events();
        let log = EventLog::open(&events).with_context(|| format!("{}: cannot write", events.display()))?;
        let job = Job { preset, folder: folder.clone(), device, hub: Hub::from_env(), cache };
        let session =
            Session::spawn(Some(log), move |port| train::run(job, port)).context("cannot start the trainer")?;

        let watched = !self.headless && !self.json && io::stdout().is_terminal() && io::stdin().is_terminal();
        let outcome = if watched { ui::monitor(session, self.ascii) } else { headless::run(session, self.json) };
        let Outcome { finished, signal } = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                // What could not begin for a mistake leaves nothing behind.
                if error.is::<Usage>() {
                    let _ = std::fs::remove_dir_all(folder.path());
                }
                return Err(error);
            }
        };
        if let Some(finished) = &finished
            && !self.json
        {
            print(&summary(finished, folder.path()));
        }
        Ok(signal.map_or(ExitCode::SUCCESS, |signal| ExitCode::from(signal.exit_code() as u8)))
    }
}

/// What a run came to, in a few lines.
#[cfg(feature = "torch")]
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
