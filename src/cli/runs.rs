//! `runs`: what the screen Runs shows, as a table or as lines of JSON; and the checkpoints of one.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::headless::grouped;
use crate::runs::checkpoint::{CheckpointSelector, pin, select, unpin};
use crate::runs::{BestScore, CheckpointSummary, Lister, RunEnd, RunEntry, checkpoint_summaries, find};

/// What is done with a run's checkpoints.
#[derive(Subcommand)]
pub(super) enum OfRun {
    /// List a run's checkpoints
    Checkpoints {
        /// Name of the run, or path of its folder
        run: String,
    },
    /// Keep a checkpoint whatever else is removed
    Pin(Which),
    /// Take a checkpoint's pin away; it goes when newer ones have come
    Unpin(Which),
}

/// Which checkpoint.
#[derive(Args)]
pub(super) struct Which {
    /// Name of the run, or path of its folder
    run: String,
    /// That of the best evaluation, or that of a step; by default the newest
    #[arg(value_name = "best|STEP")]
    which: Option<String>,
}

impl OfRun {
    /// Does it, and tells what checkpoints there are.
    ///
    /// # Errors
    /// No such run or checkpoint; a disk that cannot be written.
    pub(super) fn run(self, runs: &Path) -> Result<String> {
        let run = match self {
            OfRun::Checkpoints { run } => find(runs, &run)?,
            OfRun::Pin(which) => which.change(runs, pin)?,
            OfRun::Unpin(which) => which.change(runs, unpin)?,
        };
        let lines: String = checkpoint_summaries(&run).iter().map(line).collect();
        Ok(if lines.is_empty() { format!("{}: no checkpoint was written yet\n", run.display()) } else { lines })
    }
}

impl Which {
    /// Changes the checkpoint; returns the run's folder.
    fn change(self, runs: &Path, change: fn(&Path) -> Result<()>) -> Result<PathBuf> {
        let run = find(runs, &self.run)?;
        let from = self.which.as_deref().map_or(Ok(CheckpointSelector::Newest), str::parse)?;
        change(&select(&run, Some(from))?)?;
        Ok(run)
    }
}

/// A checkpoint's step, and what keeps it.
fn line(kept: &CheckpointSummary) -> String {
    let words: Vec<&str> = [("best", kept.best), ("pinned", kept.pinned)]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect();
    format!("{:<10}  {}", grouped(kept.step), words.join(", ")).trim_end().to_owned() + "\n"
}

/// All runs, the newest first: a line each, in JSON where that was asked for.
///
/// # Errors
/// A folder of runs that cannot be read.
pub(super) fn report(runs: &Path, as_json: bool) -> Result<String> {
    let listed = Lister::new(runs).refresh(SystemTime::now());
    let mut listed = listed.with_context(|| format!("{}: cannot read", runs.display()))?.unwrap_or_default();
    listed.sort_by_key(|run| std::cmp::Reverse(run.updated));
    if as_json {
        return Ok(listed.iter().map(|run| format!("{}\n", json_of(run))).collect());
    }
    if listed.is_empty() {
        return Ok(format!("no run in {}\n", runs.display()));
    }
    let rows: Vec<[String; 6]> = listed.iter().map(row).collect();
    let names = ["RUN", "STATE", "BEST", "STEPS", "TIME", "TOLD LAST"].map(str::to_owned);
    let widths = [0, 1, 2, 3, 4]
        .map(|column| rows.iter().chain([&names]).map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; 6]| {
        let [a, b, c, d, e] = widths;
        format!("{:<a$}  {:<b$}  {:<c$}  {:>d$}  {:>e$}  {}", row[0], row[1], row[2], row[3], row[4], row[5])
    };
    Ok(std::iter::once(&names).chain(&rows).map(|row| format!("{}\n", line(row).trim_end())).collect())
}

fn row(run: &RunEntry) -> [String; 6] {
    let summary = &run.summary;
    let best = summary.best().map(|BestScore { name, score, .. }| format!("{name} {score:.4}"));
    let steps = match summary.steps {
        0 => String::new(),
        steps => format!("{}/{}", grouped(summary.step), grouped(steps)),
    };
    let told = run.updated.and_then(|told| jiff::Timestamp::try_from(told).ok());
    let told = told.map(|told| told.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string());
    let cells = [
        run.name.clone(),
        run.state.name().to_owned(),
        best.unwrap_or_default(),
        steps,
        format!("{:.0} s", summary.elapsed),
        told.unwrap_or_default(),
    ];
    // Names in files must not move the cursor.
    cells.map(|cell| cell.chars().filter(|c| !c.is_control()).collect())
}

fn json_of(run: &RunEntry) -> Value {
    let summary = &run.summary;
    let told = run.updated.and_then(|told| jiff::Timestamp::try_from(told).ok());
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
        "told": told.map(|told| told.to_string()),
        "tags": run.tags,
        "error": error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Usage;

    #[test]
    fn checkpoints_are_listed_and_pinned() {
        let runs = tempfile::tempdir().unwrap();
        let run = runs.path().join("mine");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("preset.toml"), "").unwrap();
        let which = |which: Option<&str>| Which { run: "mine".into(), which: which.map(str::to_owned) };
        let told = |command: OfRun| command.run(runs.path()).unwrap();
        let list = || told(OfRun::Checkpoints { run: "mine".into() });
        assert!(list().ends_with("mine: no checkpoint was written yet\n"));
        for step in [80, 1700, 1900] {
            std::fs::create_dir_all(run.join(format!("checkpoints/step-{step:08}"))).unwrap();
        }
        std::os::unix::fs::symlink("checkpoints/step-00001700", run.join("best")).unwrap();
        assert_eq!(list(), "1,900\n1,700       best\n80\n");
        assert_eq!(told(OfRun::Pin(which(Some("80")))), "1,900\n1,700       best\n80          pinned\n");
        told(OfRun::Pin(which(Some("best"))));
        told(OfRun::Pin(which(None)));
        assert_eq!(list(), "1,900       pinned\n1,700       best, pinned\n80          pinned\n");
        told(OfRun::Unpin(which(Some("best"))));
        assert_eq!(told(OfRun::Unpin(which(Some("80")))), "1,900       pinned\n1,700       best\n80\n");
        for wrong in ["81", "oldest"] {
            let error = OfRun::Pin(which(Some(wrong))).run(runs.path()).unwrap_err();
            assert!(error.is::<Usage>(), "{error}");
        }
    }

    #[test]
    fn runs_are_told_to_people_and_to_programs() {
        let runs = tempfile::tempdir().unwrap();
        assert!(report(runs.path(), false).unwrap().starts_with("no run in"));
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
