//! `finesift queue`: list, add, move and remove presets that wait to be trained, and train them.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::args::{PresetArgs, RunsArg};
use super::queue_run::QueueRun;
use super::time_zone::LocalZone;
use super::{print, warn};
use crate::preset::cache_folder;
use crate::queue::{EntryState, Queue, QueueEntry, QueueMove, settings_apart};
use crate::text::{padded, width};

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  finesift queue add demo
  finesift queue add glue/mrpc --set sift.rate=0.02 --run mrpc-2
  finesift queue                   list the queue
  finesift queue move 2 up
  finesift queue run               train them, one after the other

A queue belongs to its runs folder. A run of it starts when no other run of the folder is active."
)]
pub(super) struct QueueCommand {
    #[command(flatten)]
    list: List,
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Add a preset at the end of the queue
    Add(Add),
    /// Move an entry of the queue
    Move(Move),
    /// Remove an entry from the queue
    Rm(Remove),
    /// Train the queued presets one after the other, without screens
    Run(QueueRun),
}

#[derive(Args)]
struct List {
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runs: RunsArg,
}

#[derive(Args)]
struct Add {
    #[command(flatten)]
    preset: PresetArgs,
    #[command(flatten)]
    runs: RunsArg,
}

#[derive(Args)]
struct Move {
    /// Number of the entry, as listed
    id: u64,
    /// A step up or down, or the place to move to, from 1
    #[arg(value_name = "up|down|PLACE", value_parser = parse_move)]
    to: QueueMove,
    #[command(flatten)]
    runs: RunsArg,
}

#[derive(Args)]
struct Remove {
    /// Number of the entry, as listed
    id: u64,
    #[command(flatten)]
    runs: RunsArg,
}

impl QueueCommand {
    /// Whether libtorch computes in this process.
    #[cfg(feature = "torch")]
    pub(super) fn computes(&self) -> bool {
        matches!(self.command, Some(Subcommands::Run(_)))
    }

    /// Runs the command. Changes print the list as it is then.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): no such entry or preset. A queue that cannot be read or written.
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.command {
            None => {
                let runs = self.list.runs.folder()?;
                print(&report(&runs, self.list.json)?)?;
            }
            Some(Subcommands::Add(add)) => {
                let runs = add.runs.folder()?;
                Queue::of(&runs).add(&add.preset.load()?, add.preset.run.as_deref(), &cache_folder())?;
                print(&report(&runs, false)?)?;
            }
            Some(Subcommands::Move(Move { id, to, runs })) => {
                let runs = runs.folder()?;
                Queue::of(&runs).move_entry(id, to)?;
                print(&report(&runs, false)?)?;
            }
            Some(Subcommands::Rm(Remove { id, runs })) => {
                let runs = runs.folder()?;
                Queue::of(&runs).remove(id)?;
                print(&report(&runs, false)?)?;
            }
            Some(Subcommands::Run(run)) => return run.run(),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn parse_move(text: &str) -> Result<QueueMove, String> {
    match text {
        "up" => Ok(QueueMove::Up),
        "down" => Ok(QueueMove::Down),
        place => match place.parse() {
            Ok(place @ 1..) => Ok(QueueMove::To(place)),
            _ => Err("expected up, down or a place from 1".into()),
        },
    }
}

/// The entries in order, a line each.
fn report(runs: &Path, as_json: bool) -> Result<String> {
    let entries = Queue::of(runs).list()?;
    if as_json {
        return Ok(entries.iter().map(|entry| format!("{}\n", json_of(entry))).collect());
    }
    if entries.is_empty() {
        return Ok(format!("no queued runs in {}\n", runs.display()));
    }
    let zone = LocalZone::find();
    warn(&Vec::from_iter(zone.problem.clone()));
    let apart = settings_apart(&entries);
    let rows: Vec<[String; 5]> = entries.iter().map(|entry| row(entry, &zone)).collect();
    let names = ["NUMBER", "STATE", "RUN", "PRESET", "QUEUED"].map(str::to_owned);
    let widths =
        [0, 1, 2, 3].map(|column| rows.iter().chain([&names]).map(|row| width(&row[column])).max().unwrap_or(0));
    let line = |row: &[String; 5]| {
        let cell = |column: usize| padded(&row[column], widths[column]);
        format!("{}\n", [cell(0), cell(1), cell(2), cell(3), row[4].clone()].join("  ").trim_end())
    };
    let mut text = line(&names);
    for ((entry, row), apart) in entries.iter().zip(&rows).zip(apart) {
        text += &line(row);
        if !apart.is_empty() {
            text += &format!("        {}\n", plain(&apart));
        }
        if let EntryState::Failed { error } = &entry.state {
            text += &format!("        {}\n", plain(&error.replace('\n', " ")));
        }
    }
    Ok(text)
}

fn row(entry: &QueueEntry, zone: &LocalZone) -> [String; 5] {
    let queued = zone.minute(SystemTime::from(entry.queued)).unwrap_or_default();
    let run = entry.run.clone().unwrap_or_default();
    [entry.id.to_string(), entry.state.name().to_owned(), run, entry.preset.clone(), queued].map(|cell| plain(&cell))
}

/// Names and errors must not move the cursor.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn json_of(entry: &QueueEntry) -> serde_json::Value {
    let error = match &entry.state {
        EntryState::Failed { error } => Some(error),
        EntryState::Queued | EntryState::Starting => None,
    };
    json!({
        "id": entry.id,
        "state": entry.state.name(),
        "run": entry.run,
        "preset": entry.preset,
        "queued": entry.queued.to_string(),
        "error": error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_parsed() {
        for (text, to) in [("up", QueueMove::Up), ("down", QueueMove::Down), ("3", QueueMove::To(3))] {
            assert_eq!(parse_move(text), Ok(to));
        }
        for text in ["", "0", "-1", "top"] {
            assert!(parse_move(text).is_err(), "{text}");
        }
    }
}
