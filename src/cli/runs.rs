//! `finesift runs`: the runs as a table or as JSON lines, and commands on runs and their checkpoints.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::RunsArg;
use super::run_edits::{Remove, Rename, Tag};
use super::time_zone::LocalZone;
use super::warn;
use crate::Usage;
use crate::quantity::grouped;
use crate::runs::checkpoint::{CheckpointSelector, pin, select, unpin};
use crate::runs::{BestScore, CheckpointSummary, Lister, RunEnd, RunEntry, checkpoint_summaries, find};
use crate::text::{padded, padded_start, width};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift runs
  finesift runs --json
  finesift runs checkpoints RUN
  finesift runs pin RUN best
  finesift runs tag RUN --add baseline
  finesift runs rm RUN RUN")]
pub(super) struct RunsCommand {
    /// Print each run as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runs: RunsArg,
    #[command(subcommand)]
    command: Option<RunsSubcommand>,
}

/// Commands on runs and their checkpoints.
#[derive(Subcommand)]
enum RunsSubcommand {
    /// List a run's checkpoints
    Checkpoints {
        /// Name of the run, or path of its folder
        run: String,
    },
    /// Pin a checkpoint, so that it is never removed
    Pin(CheckpointArgs),
    /// Unpin a checkpoint; it is removed once newer checkpoints replace it
    Unpin(CheckpointArgs),
    /// Move runs to the trash; asks
    Rm(Remove),
    /// Rename a run
    Rename(Rename),
    /// Add tags to runs, and remove tags
    Tag(Tag),
}

#[derive(Args)]
struct CheckpointArgs {
    /// Name of the run, or path of its folder
    run: String,
    /// The checkpoint [default: the latest]
    #[arg(value_name = "best|STEP")]
    checkpoint: Option<String>,
}

impl RunsCommand {
    /// The list of runs, or of a run's checkpoints.
    ///
    /// # Errors
    /// [`Usage`]: no such run or checkpoint. A folder that cannot be read or written.
    pub(super) fn run(self) -> Result<String> {
        let runs = self.runs.folder()?;
        match self.command {
            None => report(&runs, self.json),
            Some(_) if self.json => bail!(Usage("--json lists runs; leave it out of other commands".into())),
            Some(command) => command.run(&runs),
        }
    }
}

impl RunsSubcommand {
    /// Runs the command. Those on checkpoints list the run's checkpoints then.
    fn run(self, runs: &Path) -> Result<String> {
        let run = match self {
            RunsSubcommand::Checkpoints { run } => find(runs, &run)?,
            RunsSubcommand::Pin(checkpoint) => checkpoint.change(runs, pin)?,
            RunsSubcommand::Unpin(checkpoint) => checkpoint.change(runs, unpin)?,
            RunsSubcommand::Rm(remove) => return remove.run(runs),
            RunsSubcommand::Rename(rename) => return rename.run(runs),
            RunsSubcommand::Tag(tag) => return tag.run(runs),
        };
        let lines: String = checkpoint_summaries(&run).iter().map(line).collect();
        Ok(if lines.is_empty() { format!("{}: no checkpoints yet\n", run.display()) } else { lines })
    }
}

impl CheckpointArgs {
    /// Applies `change` to the checkpoint. Returns the run's folder.
    fn change(self, runs: &Path, change: fn(&Path) -> Result<()>) -> Result<PathBuf> {
        let run = find(runs, &self.run)?;
        let from = self.checkpoint.as_deref().map_or(Ok(CheckpointSelector::Newest), str::parse)?;
        change(&select(&run, Some(from))?)?;
        Ok(run)
    }
}

/// Step and status of a checkpoint.
fn line(checkpoint: &CheckpointSummary) -> String {
    let words: Vec<&str> = [("best", checkpoint.best), ("pinned", checkpoint.pinned)]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect();
    format!("{:<10}  {}", grouped(checkpoint.step), words.join(", ")).trim_end().to_owned() + "\n"
}

/// All runs, the most recently updated first.
fn report(runs: &Path, as_json: bool) -> Result<String> {
    let listed = Lister::new(runs).refresh(SystemTime::now());
    let mut listed = listed.with_context(|| format!("{}: cannot read", runs.display()))?.unwrap_or_default();
    listed.sort_by_key(|run| std::cmp::Reverse(run.updated));
    if as_json {
        return Ok(listed.iter().map(|run| format!("{}\n", json_of(run))).collect());
    }
    if listed.is_empty() {
        return Ok(format!("no runs in {}\n", runs.display()));
    }
    let zone = LocalZone::find();
    warn(&Vec::from_iter(zone.problem.clone()));
    let rows: Vec<[String; 6]> = listed.iter().map(|run| row(run, &zone)).collect();
    let names = ["RUN", "STATE", "BEST", "STEPS", "TIME", "UPDATED"].map(str::to_owned);
    let widths =
        [0, 1, 2, 3, 4].map(|column| rows.iter().chain([&names]).map(|row| width(&row[column])).max().unwrap_or(0));
    let line = |row: &[String; 6]| {
        let left = |column: usize| padded(&row[column], widths[column]);
        let right = |column: usize| padded_start(&row[column], widths[column]);
        [left(0), left(1), left(2), right(3), right(4), row[5].clone()].join("  ")
    };
    Ok(std::iter::once(&names).chain(&rows).map(|row| format!("{}\n", line(row).trim_end())).collect())
}

fn row(run: &RunEntry, zone: &LocalZone) -> [String; 6] {
    let summary = &run.summary;
    let best = summary.best().map(|BestScore { name, score, .. }| format!("{name} {score:.4}"));
    let steps = match summary.steps {
        0 => String::new(),
        steps => format!("{}/{}", grouped(summary.step), grouped(steps)),
    };
    let updated = run.updated.and_then(|updated| zone.minute(updated));
    let cells = [
        run.name.clone(),
        run.state.name().to_owned(),
        best.unwrap_or_default(),
        steps,
        format!("{:.0} s", summary.elapsed),
        updated.unwrap_or_default(),
    ];
    // Names read from files must not move the cursor.
    cells.map(|cell| cell.chars().filter(|c| !c.is_control()).collect())
}

fn json_of(run: &RunEntry) -> Value {
    let summary = &run.summary;
    let updated = run.updated.and_then(|updated| jiff::Timestamp::try_from(updated).ok());
    let error = match &summary.end {
        Some(RunEnd::Failed { error, .. }) => Some(error),
        _ => None,
    };
    json!({
        "run": run.name,
        "path": run.path,
        "state": run.state.name(),
        "preset": summary.preset,
        "model": summary.model,
        "step": summary.step,
        "steps": summary.steps,
        "elapsed": summary.elapsed,
        "loss": summary.last_loss,
        "best": summary.best().map(|best| json!({"score": best.name, "value": best.score, "step": best.step})),
        "updated": updated.map(|updated| updated.to_string()),
        "tags": run.tags,
        "error": error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_listed_and_pinned() {
        let runs = tempfile::tempdir().unwrap();
        let run = runs.path().join("mine");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("preset.toml"), "").unwrap();
        let args =
            |checkpoint: Option<&str>| CheckpointArgs { run: "mine".into(), checkpoint: checkpoint.map(str::to_owned) };
        let output = |command: RunsSubcommand| command.run(runs.path()).unwrap();
        let list = || output(RunsSubcommand::Checkpoints { run: "mine".into() });
        assert!(list().ends_with("mine: no checkpoints yet\n"));
        for step in [80, 1700, 1900] {
            std::fs::create_dir_all(run.join(format!("checkpoints/step-{step:08}"))).unwrap();
        }
        std::os::unix::fs::symlink("checkpoints/step-00001700", run.join("best")).unwrap();
        assert_eq!(list(), "1,900\n1,700       best\n80\n");
        assert_eq!(output(RunsSubcommand::Pin(args(Some("80")))), "1,900\n1,700       best\n80          pinned\n");
        output(RunsSubcommand::Pin(args(Some("best"))));
        output(RunsSubcommand::Pin(args(None)));
        assert_eq!(list(), "1,900       pinned\n1,700       best, pinned\n80          pinned\n");
        output(RunsSubcommand::Unpin(args(Some("best"))));
        assert_eq!(output(RunsSubcommand::Unpin(args(Some("80")))), "1,900       pinned\n1,700       best\n80\n");
        for wrong in ["81", "oldest"] {
            let error = RunsSubcommand::Pin(args(Some(wrong))).run(runs.path()).unwrap_err();
            assert!(error.is::<Usage>(), "{error}");
        }
    }

    #[test]
    fn runs_are_listed_as_a_table_and_as_json() {
        let runs = tempfile::tempdir().unwrap();
        assert!(report(runs.path(), false).unwrap().starts_with("no runs in"));
        assert_eq!(report(runs.path(), true).unwrap(), "");
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/demo.jsonl");
        std::fs::create_dir(runs.path().join("first")).unwrap();
        std::fs::copy(demo, runs.path().join("first/events.jsonl")).unwrap();
        let table = report(runs.path(), false).unwrap();
        let line = table.lines().nth(1).unwrap();
        assert!(line.starts_with("first  completed  accuracy 0.8800  170/170  40 s  2"), "{line}");
        let value: Value = serde_json::from_str(&report(runs.path(), true).unwrap()).unwrap();
        assert_eq!(
            (&value["state"], &value["best"]["value"], &value["best"]["step"]),
            (&json!("completed"), &json!(0.88), &json!(140))
        );
    }
}
