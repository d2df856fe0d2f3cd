//! `finesift sweep results`: prints the results of a sweep, or compares two of its rows.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::args::RunsArg;
use super::print;
use crate::Usage;
use crate::preset::cache_folder;
use crate::suggest::did_you_mean;
use crate::sweep::{
    Comparison, Evidence, Format, RunStatus, StatusReader, SweepFolder, SweepPlan, SweepTable, compare_rows, report,
};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift sweep results mrpc
  finesift sweep results mrpc.toml --format csv > mrpc.csv
  finesift sweep results mrpc --format svg > mrpc.svg
  finesift sweep results mrpc --compare \"gradient rate=0.008\" \"random rate=0.008\"
  finesift sweep results mrpc --compare 1 2")]
pub(super) struct SweepResults {
    /// The sweep: its name, its folder or its file
    sweep: String,
    /// Format of the results: the table, or its figure as SVG
    #[arg(long, value_enum, default_value_t = ResultsFormat::Md)]
    format: ResultsFormat,
    /// Compare two rows by the paired bootstrap: their names, or their numbers from 1
    #[arg(long, num_args = 2, value_name = "ROW", conflicts_with = "format")]
    compare: Option<Vec<String>>,
    #[command(flatten)]
    runs: RunsArg,
}

/// A format of the results.
#[derive(Clone, Copy, ValueEnum)]
enum ResultsFormat {
    Md,
    Csv,
    Json,
    Svg,
}

impl From<ResultsFormat> for Format {
    fn from(format: ResultsFormat) -> Format {
        match format {
            ResultsFormat::Md => Format::Markdown,
            ResultsFormat::Csv => Format::Csv,
            ResultsFormat::Json => Format::Json,
            ResultsFormat::Svg => Format::Svg,
        }
    }
}

impl SweepResults {
    /// Reads the run folders and prints what they say.
    ///
    /// # Errors
    /// [`Usage`]: no such sweep or row, or rows that cannot be compared.
    pub(super) fn run(self) -> Result<ExitCode> {
        let folder = self.folder()?;
        let Some(state) = folder.read()? else {
            bail!(Usage(format!(
                "{}: no sweep has run there; `finesift sweep FILE.toml` starts one",
                folder.path().display()
            )));
        };
        let plan = &state.plan;
        let mut statuses = StatusReader::new(&folder.path(), &cache_folder()).read(plan)?;
        for (run, status) in plan.runs.iter().zip(&mut statuses) {
            if let (RunStatus::Pending, Some(error)) = (&*status, state.unstarted.get(&run.id)) {
                *status = RunStatus::Failed { error: error.clone() };
            }
        }
        let text = match &self.compare {
            None => report(&SweepTable::of(plan, &statuses), plan, &statuses, self.format.into()),
            Some(rows) => {
                let rows = [row(plan, &rows[0])?, row(plan, &rows[1])?];
                comparison_text(&compare_rows(plan, &statuses, &folder.path(), rows)?)
            }
        };
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The folder of the sweep.
    fn folder(&self) -> Result<SweepFolder> {
        let path = PathBuf::from(&self.sweep);
        if path.join("sweep.json").is_file() {
            return Ok(SweepFolder::at(&path));
        }
        let runs = self.runs.folder()?;
        match path.extension().is_some_and(|extension| extension == "toml") {
            true => SweepFolder::of_file(&runs, &path),
            false => SweepFolder::new(&runs, &self.sweep),
        }
    }
}

/// The index of a row, by its name or its number from 1.
fn row(plan: &SweepPlan, name: &str) -> Result<usize, Usage> {
    if let Some(at) = plan.rows.iter().position(|row| row.name == name) {
        return Ok(at);
    }
    match name.parse::<usize>() {
        Ok(number @ 1..) if number <= plan.rows.len() => Ok(number - 1),
        _ => {
            let hint = did_you_mean(name, plan.rows.iter().map(|row| row.name.as_str()));
            let of = plan.rows.len();
            Err(Usage(format!("the sweep has no row \"{name}\"{hint}; its rows have the numbers 1 to {of}")))
        }
    }
}

fn comparison_text(comparison: &Comparison) -> String {
    let Comparison { rows: [first, second], metric, scores, difference, interval: [low, high], p, samples, evidence } =
        comparison;
    let how = match evidence {
        Evidence::Examples { examples, seeds, shared } => {
            let held_out = if *shared { "" } else { " of held-out sets that differ by seed" };
            let seeds = if *seeds == 1 { "1 seed".to_owned() } else { format!("mean of {seeds} seeds") };
            format!(
                "paired bootstrap over {examples} held-out examples{held_out} ({seeds}), {samples} samples: \
                 it covers the choice of examples, not that of seeds"
            )
        }
        Evidence::Seeds { seeds, why } => format!(
            "paired bootstrap over {seeds} seeds, {samples} samples, since {why}: \
             with few seeds interval and p-value are coarse"
        ),
    };
    format!(
        "{first}: {metric} {:.4}\n{second}: {metric} {:.4}\ndifference {difference:+.4}, 95 % interval {low:+.4} to {high:+.4}, \
         p = {p:.4} (two-sided)\n{how}\n",
        scores[0], scores[1]
    )
}
