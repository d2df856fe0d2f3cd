//! The command line: parse, join a front end and a trainer, and say how it ended.

mod doctor;
mod export;
mod predict;
mod train;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::Usage;
use crate::preset::{Preset, built_in, cache_folder};
use export::{Apply, Export};
use predict::{Eval, Predict};
use train::{Resume, Train};

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
    /// Take a run up again where it stood
    Resume(Resume),
    /// Write what a run came to, for other software
    Export(Export),
    /// Make the changes of an exported delta to its base model
    Apply(Apply),
    /// Score a trained model on labelled texts
    Eval(Eval),
    /// Tell what a trained model makes of texts
    Predict(Predict),
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
        Command::Resume(resume) => return resume.run(),
        Command::Export(export) => return export.run(),
        Command::Apply(apply) => return apply.run(),
        Command::Eval(eval) => return eval.run(),
        Command::Predict(predict) => return predict.run(),
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
