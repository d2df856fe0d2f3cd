//! The results of a sweep as Markdown, CSV, JSON and SVG.

use serde_json::{Map, Value, json};

use super::plan::{SweepPlan, short};
use super::status::RunStatus;
use super::table::{ScoreCell, SweepTable, TableRow};
use crate::quantity::grouped;
use crate::text::{padded, padded_start, plain, width};

/// A format of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Markdown,
    Csv,
    Json,
    /// The figure.
    Svg,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::Markdown, Format::Csv, Format::Json, Format::Svg];

    /// As in file names and on the command line.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Markdown => "md",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Svg => "svg",
        }
    }
}

/// The table or its figure, with what has to be known to read it.
pub fn report(table: &SweepTable, plan: &SweepPlan, statuses: &[RunStatus], format: Format) -> String {
    match format {
        Format::Markdown => markdown(table, plan, statuses),
        Format::Csv => csv_text(table, plan),
        Format::Json => json_text(table, plan, statuses),
        Format::Svg => table.figure(plan).svg(),
    }
}

fn markdown(table: &SweepTable, plan: &SweepPlan, statuses: &[RunStatus]) -> String {
    let mut header: Vec<String> =
        ["row", "trainable", short(&plan.tune.key), "n", "mean", "sd", "best"].map(str::to_owned).into();
    header.extend(plan.seeds.iter().map(|seed| format!("seed {seed}")));
    header.push("time".into());
    let rows: Vec<Vec<String>> =
        table.rows.iter().enumerate().map(|(at, row)| cells(row, plan.seeds.len(), table.best == Some(at))).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| rows.iter().chain([&header]).map(|row| width(&row[column])).max().unwrap_or(0))
        .collect();
    // The first column has text, the others have numbers.
    let line = |row: &[String]| {
        let cell = |(at, cell): (usize, &String)| match at {
            0 => padded(cell, widths[0]),
            at => padded_start(cell, widths[at]),
        };
        format!("| {} |\n", row.iter().enumerate().map(cell).collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(at, width)| match at {
        0 => "-".repeat(width + 2),
        _ => "-".repeat(width + 1) + ":",
    });
    let mut text = line(&header) + &format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
    text.extend(rows.iter().map(|row| line(row)));
    text.push('\n');
    text.extend(notes(table, plan).into_iter().map(|note| format!("- {note}\n")));
    let failures = failures(plan, statuses);
    if !failures.is_empty() {
        text += "\nFailed runs:\n\n";
        text.extend(failures.into_iter().map(|(title, error)| format!("- {title}: {error}\n")));
    }
    text
}

fn cells(row: &TableRow, seeds: usize, best: bool) -> Vec<String> {
    let number = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.4}"));
    let scores = row.scores().count();
    let mean = if best { format!("**{}**", number(row.mean)) } else { number(row.mean) };
    let value = match (&row.value, row.tuning) {
        (Some(value), _) if !value.is_empty() => value.clone(),
        (None, Some((ended, of))) => format!("tuning {ended}/{of}"),
        _ => "-".to_owned(),
    };
    // A bar would end the cell.
    let mut cells = vec![plain(&row.name).replace('|', "\\|"), trainable(row)];
    cells.extend([value, if scores == seeds { scores.to_string() } else { format!("{scores}/{seeds}") }]);
    cells.extend([mean, number(row.deviation), number(row.best)]);
    cells.extend(row.cells.iter().map(|(_, cell)| match cell {
        ScoreCell::Done(score) => format!("{score:.4}"),
        ScoreCell::Failed => "failed".to_owned(),
        ScoreCell::Active(_) => "running".to_owned(),
        ScoreCell::Unfinished(_) => "unfinished".to_owned(),
        ScoreCell::Missing => "-".to_owned(),
    }));
    cells.push(row.seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.1} s")));
    cells
}

fn trainable(row: &TableRow) -> String {
    row.trainable.map_or("-".to_owned(), |all| format!("{} + {}", grouped(all.sparse), grouped(all.dense)))
}

/// How the numbers are to be read.
fn notes(table: &SweepTable, plan: &SweepPlan) -> Vec<String> {
    let metric = if table.metric.is_empty() { "score" } else { &table.metric };
    let direction = if table.lower_is_better { "lower" } else { "higher" };
    let mut notes = vec![
        format!(
            "{metric} on the held-out set, {direction} is better; each score is that of the best evaluation of its run"
        ),
        "sd: sample standard deviation over seeds (n - 1)".to_owned(),
        "trainable: sparse + dense parameters; time: mean training time of a run".to_owned(),
    ];
    if plan.rows.iter().any(|row| row.is_tuned()) {
        let seeds = plan.tune.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        notes.push(format!(
            "{} is chosen for each tuned row by {metric} on seed {seeds}, on the same held-out set that the table scores: \
             the scores of those seeds are optimistic",
            plan.tune.key
        ));
    }
    let at_end = plan.rows.iter().zip(&table.rows);
    let at_end = at_end.filter(|(plan, row)| row.value.as_ref().is_some_and(|value| plan.is_at_end(value)));
    let at_end: Vec<String> = at_end.map(|(_, row)| plain(&row.name)).collect();
    if !at_end.is_empty() {
        notes.push(format!(
            "the smallest or largest of its values of {} was the best, so that one beyond may be better: {}",
            plan.tune.key,
            at_end.join("; ")
        ));
    }
    notes
}

/// Failed runs and why.
fn failures(plan: &SweepPlan, statuses: &[RunStatus]) -> Vec<(String, String)> {
    let counted = plan.counted(statuses).into_iter();
    let failed = counted.filter_map(|run| match &statuses[run] {
        RunStatus::Failed { error } => Some((plain(&plan.runs[run].title), plain(error))),
        _ => None,
    });
    failed.collect()
}

/// Keys in which rows differ, in the order of the file.
fn varied(table: &SweepTable) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for (key, _) in table.rows.iter().flat_map(|row| &row.settings) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

fn csv_text(table: &SweepTable, plan: &SweepPlan) -> String {
    let keys: Vec<String> = varied(table).into_iter().filter(|key| *key != plan.tune.key).collect();
    let mut header: Vec<String> = vec!["row".into()];
    header.extend(keys.iter().cloned());
    header.push(plan.tune.key.clone());
    header.extend(["tuned", "sparse", "dense", "metric", "n", "mean", "sd", "best"].map(str::to_owned));
    header.extend(plan.seeds.iter().map(|seed| format!("seed_{seed}")));
    header.push("seconds".into());
    let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut writer = csv::Writer::from_writer(Vec::new());
    // A writer to memory does not fail.
    let _ = writer.write_record(&header);
    for row in &table.rows {
        let setting = |key: &String| row.settings.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone());
        let mut record = vec![row.name.clone()];
        record.extend(keys.iter().map(|key| setting(key).unwrap_or_default()));
        record.extend([row.value.clone().unwrap_or_default(), row.tuned.to_string()]);
        record.extend(
            [row.trainable.map(|all| all.sparse), row.trainable.map(|all| all.dense)]
                .map(|count| count.map(|count| count.to_string()).unwrap_or_default()),
        );
        record.extend([table.metric.clone(), row.scores().count().to_string()]);
        record.extend([row.mean, row.deviation, row.best].map(number));
        record.extend(row.cells.iter().map(|(_, cell)| match cell {
            ScoreCell::Done(score) => score.to_string(),
            _ => String::new(),
        }));
        record.push(number(row.seconds));
        let _ = writer.write_record(&record);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn json_text(table: &SweepTable, plan: &SweepPlan, statuses: &[RunStatus]) -> String {
    let row = |(at, row): (usize, &TableRow)| {
        let settings: Map<String, Value> =
            row.settings.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let seeds: Map<String, Value> = row
            .cells
            .iter()
            .map(|(seed, cell)| {
                let score = if let ScoreCell::Done(score) = cell { json!(score) } else { Value::Null };
                (seed.to_string(), score)
            })
            .collect();
        json!({
            "row": row.name,
            "settings": settings,
            "tuned": row.tuned,
            "value": row.value,
            "trainable": row.trainable,
            "n": row.scores().count(),
            "mean": row.mean,
            "sd": row.deviation,
            "best": row.best,
            "seeds": seeds,
            "seconds": row.seconds,
            "is_best": table.best == Some(at),
        })
    };
    let failed: Vec<Value> =
        failures(plan, statuses).into_iter().map(|(run, error)| json!({"run": run, "error": error})).collect();
    let value = json!({
        "about": plan.about,
        "metric": table.metric,
        "lower_is_better": table.lower_is_better,
        "tune": {"key": plan.tune.key, "seeds": plan.tune.seeds},
        "rows": table.rows.iter().enumerate().map(row).collect::<Vec<_>>(),
        "failed": failed,
        "notes": notes(table, plan),
    });
    // A value of this program's own making has no keys that cannot be written.
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}
