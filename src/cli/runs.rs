//! `runs`: what the screen Runs shows, as a table or as lines of JSON.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::headless::grouped;
use crate::runs::{Best, End, Listed, Lister};

/// All runs, the newest first: a line each, in JSON where that was asked for.
///
/// # Errors
/// A folder of runs that cannot be read.
pub(super) fn report(runs: &Path, as_json: bool) -> Result<String> {
    let listed = Lister::new(runs).refresh(SystemTime::now());
    let mut listed = listed.with_context(|| format!("{}: cannot read", runs.display()))?.unwrap_or_default();
    listed.sort_by_key(|run| std::cmp::Reverse(run.told));
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

fn row(run: &Listed) -> [String; 6] {
    let summary = &run.summary;
    let best = summary.best().map(|Best { name, score, .. }| format!("{name} {score:.4}"));
    let steps = match summary.steps {
        0 => String::new(),
        steps => format!("{}/{}", grouped(summary.step), grouped(steps)),
    };
    let told = run.told.and_then(|told| jiff::Timestamp::try_from(told).ok());
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

fn json_of(run: &Listed) -> Value {
    let summary = &run.summary;
    let told = run.told.and_then(|told| jiff::Timestamp::try_from(told).ok());
    let error = match &summary.end {
        Some(End::Failed(error)) => Some(error),
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
