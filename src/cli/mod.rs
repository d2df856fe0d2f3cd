//! The command line: parse arguments, run a command, return its exit status.

mod analyze;
mod args;
mod attach;
mod backend;
#[cfg(feature = "torch")]
mod bench;
#[cfg(feature = "torch")]
mod chat;
mod detach;
mod doctor;
mod download;
mod eval;
#[cfg(feature = "torch")]
mod eval_tasks;
mod export;
#[cfg(feature = "torch")]
mod model_arg;
#[cfg(feature = "torch")]
mod plan;
mod predict;
mod presets;
mod progress;
mod queue;
mod queue_run;
#[cfg(feature = "torch")]
mod ranks;
mod replay;
mod resume;
mod run_edits;
mod runs;
mod settings;
mod shell;
mod sweep;
mod sweep_lines;
mod sweep_results;
mod sweep_worker;
#[cfg(feature = "torch")]
mod threads;
mod time_zone;
mod train;
#[cfg(feature = "torch")]
mod values;
mod watch;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::logging;
use crate::outcome::Outcome;
use crate::panics::catch_panic;
use crate::stdout::{StdoutError, print};
use crate::{Usage, ui};
use args::{WorkbenchArgs, config};
use backend::LocalBackend;

/// Fine-tune transformers with SIFT (sparse increment fine-tuning), in the terminal.
///
/// Without a command, the screens open at Home: pick a preset, see what it trains and what memory it takes, launch it.
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  finesift                                       open the screens
  finesift train demo                            fine-tune the demo's model and watch it
  finesift train demo --set train.epochs=3       change a key of the preset
  finesift resume RUN                            resume from the latest checkpoint
  finesift attach RUN                            watch a run of another process
  finesift export RUN --to merged --out model    write a folder that transformers loads

`finesift COMMAND --help` has the options and examples of each command."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    home: WorkbenchArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Fine-tune a model from a preset
    Train(train::Train),
    /// Resume a run from its latest checkpoint
    Resume(resume::Resume),
    /// Attach to a running training process
    Attach(attach::Attach),
    /// Replay a recorded run in the screens
    Replay(replay::Replay),
    /// List, rename, tag and delete runs; list and pin checkpoints
    Runs(runs::RunsCommand),
    /// List the queue of runs, change it, or train what is queued
    Queue(queue::QueueCommand),
    /// Train the runs of a sweep: a grid or list of settings, with seeds and tuned learning rates
    Sweep(Box<sweep::SweepCommand>),
    /// Export a run's model or metrics
    Export(export::Export),
    /// Apply an exported delta to its base model
    Apply(export::Apply),
    /// Evaluate a model on labelled data, MMLU, multiple choice or perplexity
    Eval(eval::Eval),
    /// Run inference on a file
    Predict(predict::Predict),
    /// Chat with a language model or a fine-tuned run
    #[cfg(feature = "torch")]
    Chat(chat::ChatCommand),
    /// Estimate the memory of a run and the largest batch that fits
    #[cfg(feature = "torch")]
    Plan(plan::Plan),
    /// Analyze a model on its data: figures, tables and findings
    Analyze(analyze::Analyze),
    /// Benchmark step time and memory per method
    #[cfg(feature = "torch")]
    Bench(Box<bench::Bench>),
    /// List presets, or print one
    Presets(presets::PresetsCommand),
    /// Print the current settings and keys as a config.toml
    Config,
    /// Check this machine's devices, libraries, paths and terminal
    Doctor,
    /// Download the model and data of a demo preset
    Download(download::Download),
    /// Generate a shell completion script
    Completions(shell::Completions),
    /// Generate the manual page
    Man,
}

/// Parses the arguments and runs the command. Exit status: 2 for usage and configuration errors, 1 for failures, 128 + N after
/// signal N.
pub fn main() -> ExitCode {
    let Cli { command, home } = match Cli::try_parse() {
        Ok(cli) => cli,
        // `--help` and `--version`.
        Err(text) if !text.use_stderr() => {
            let printed = text.print().and_then(|()| io::stdout().flush());
            return exit_with(printed.map_err(|error| StdoutError::from(error).into()).map(|()| ExitCode::SUCCESS));
        }
        Err(mistake) => mistake.exit(),
    };
    #[cfg(feature = "torch")]
    if command.as_ref().is_none_or(Command::computes) {
        threads::sleep_while_waiting();
    }
    exit_with(catch_panic(|| {
        logging::start()?;
        run(command, &home)
    }))
}

/// The exit status of an outcome; an error is printed.
fn exit_with(outcome: Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) if error.downcast_ref().is_some_and(StdoutError::is_closed_pipe) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "finesift: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

#[cfg(feature = "torch")]
impl Command {
    /// Whether libtorch computes in this process.
    fn computes(&self) -> bool {
        use Command::*;
        if let Queue(queue) = self {
            return queue.computes();
        }
        if let Sweep(sweep) = self {
            return sweep.computes();
        }
        !matches!(self, Attach(_) | Runs(_) | Presets(_) | Config | Download(_) | Completions(_) | Man)
    }
}

fn run(command: Option<Command>, home: &WorkbenchArgs) -> Result<ExitCode> {
    let Some(command) = command else { return open_home(home) };
    match command {
        Command::Train(train) => return train.run(),
        Command::Resume(resume) => return resume.run(),
        Command::Attach(attach) => return attach.run(),
        Command::Queue(queue) => return queue.run(),
        Command::Sweep(sweep) => return sweep.run(),
        Command::Replay(replay) => return replay.run(),
        Command::Export(export) => return export.run(),
        Command::Apply(apply) => return apply.run(),
        Command::Analyze(analyze) => return analyze.run(),
        Command::Download(download) => match download.run()? {},
        #[cfg(feature = "torch")]
        Command::Chat(chat) => return chat.run(),
        #[cfg(feature = "torch")]
        Command::Bench(bench) => return bench.run(),
        Command::Eval(eval) => eval.run()?,
        Command::Predict(predict) => predict.run()?,
        #[cfg(feature = "torch")]
        Command::Plan(plan) => print(&plan.report()?)?,
        Command::Presets(presets) => print(&presets.run()?)?,
        Command::Runs(runs) => print(&runs.run()?)?,
        Command::Config => print(&settings::report(&config()?)?)?,
        Command::Doctor => print(&doctor::report())?,
        Command::Completions(completions) => print(&completions.script())?,
        Command::Man => print(&shell::manual()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn open_home(home: &WorkbenchArgs) -> Result<ExitCode> {
    if !on_terminal() {
        anyhow::bail!(Usage(
            "the screens need a terminal; `finesift --help` lists the commands that work without one".into()
        ));
    }
    if is_dumb() {
        anyhow::bail!(Usage(
            "the screens need more than TERM=dumb offers; start a run with `finesift train PRESET --plain` \
             (`finesift presets` lists the presets)"
                .into()
        ));
    }
    let (config, options) = home.screen.settings()?;
    let backend = LocalBackend::new(home.runs.folder_with(&config), &home.device)?;
    let outcome = ui::open(backend, None, options)?;
    report(&outcome, &watch::detached_note(&outcome))
}

/// Whether stdin and stdout are a terminal.
fn on_terminal() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// Whether the terminal cannot draw screens.
fn is_dumb() -> bool {
    std::env::var("TERM").is_ok_and(|term| term == "dumb")
}

/// Writes warnings to stderr.
fn warn(warnings: &[String]) {
    for warning in warnings {
        let _ = writeln!(io::stderr(), "finesift: warning: {warning}");
    }
}

/// Writes how inputs were understood to stderr.
#[cfg(feature = "torch")]
fn inform(notes: impl IntoIterator<Item = String>) {
    for note in notes {
        let _ = writeln!(io::stderr(), "finesift: {note}");
    }
}

/// Prints what is left to say, and returns the exit status.
fn report(outcome: &Outcome, text: &str) -> Result<ExitCode> {
    let printed = print(text);
    // A signal may have taken the terminal along.
    if outcome.signal.is_none() {
        printed?;
    }
    Ok(exit_code(outcome))
}

/// Success, or the status of the signal that ended the program.
fn exit_code(outcome: &Outcome) -> ExitCode {
    outcome.signal.map_or(ExitCode::SUCCESS, |signal| ExitCode::from(signal.exit_code() as u8))
}

/// The error of a command that needs libtorch, in a build without.
#[cfg(not(feature = "torch"))]
fn without_torch() -> anyhow::Error {
    Usage("this build has no libtorch; rebuild it with the cargo feature `torch`".into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_option_before_the_command_is_an_error_and_not_ignored() {
        let parse = |arguments: &[&str]| Cli::try_parse_from([&["finesift"], arguments].concat());
        assert!(parse(&["--device", "cpu"]).is_ok());
        assert!(parse(&["train", "demo", "--device", "cpu"]).is_ok());
        let error = parse(&["--device", "cpu", "train", "demo"]).err().unwrap().to_string();
        assert!(error.contains("cannot be used with"), "{error}");
        for meaningless in [&["presets", "--device", "cpu"], &["runs", "--ascii", "x"], &["export", "--plain", "x"]] {
            assert!(parse(meaningless).is_err(), "{meaningless:?}");
        }
    }
}
