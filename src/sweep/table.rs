//! The table of a sweep: scores by row and seed, with their mean, standard deviation and best.

use super::plan::{PlanRow, SweepPlan, Variant};
use super::schedule::Choice;
use super::status::{RunProgress, RunStatus, Trainable};
use crate::metrics::lower_is_better;

/// The scores of a sweep, as far as there are any.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepTable {
    /// Name of the score; empty before it is known.
    pub metric: String,
    pub lower_is_better: bool,
    pub rows: Vec<TableRow>,
    /// The row with the best mean among those with all seeds, or among all while none has them.
    pub best: Option<usize>,
}

/// A row with its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    pub name: String,
    pub settings: Vec<(String, String)>,
    /// The value of the tuned key, once it is chosen.
    pub value: Option<String>,
    pub tuned: bool,
    /// Tuning runs that have ended, and their number, while no value is chosen.
    pub tuning: Option<(usize, usize)>,
    pub trainable: Option<Trainable>,
    /// By seed, in the order of the sweep.
    pub cells: Vec<(u64, ScoreCell)>,
    pub mean: Option<f64>,
    /// Sample standard deviation, with n - 1 in the denominator; `None` for fewer than two scores.
    pub deviation: Option<f64>,
    pub best: Option<f64>,
    /// Mean training time of a run, in seconds.
    pub seconds: Option<f64>,
}

/// The score of a row with one seed.
#[derive(Clone, Debug, PartialEq)]
pub enum ScoreCell {
    /// Not started, or the value of the row is not chosen.
    Missing,
    Active(RunProgress),
    Unfinished(RunProgress),
    Done(f64),
    Failed,
}

impl SweepTable {
    /// The table, given the status of each run of the plan.
    pub fn of(plan: &SweepPlan, statuses: &[RunStatus]) -> SweepTable {
        let metric = statuses.iter().find_map(|status| match status {
            RunStatus::Done(result) => Some(result.metric.clone()),
            _ => None,
        });
        let metric = metric.or_else(|| plan.metric.clone()).unwrap_or_default();
        let lower = lower_is_better(&metric);
        let rows: Vec<TableRow> = plan.rows.iter().map(|row| table_row(plan, row, statuses, lower)).collect();
        let best = best_row(&rows, |row| row.scores().count() == plan.seeds.len(), lower);
        let best = best.or_else(|| best_row(&rows, |_| true, lower));
        SweepTable { metric, lower_is_better: lower, rows, best }
    }
}

impl TableRow {
    /// The scores there are.
    pub fn scores(&self) -> impl Iterator<Item = f64> {
        self.cells.iter().filter_map(|(_, cell)| match cell {
            ScoreCell::Done(score) => Some(*score),
            _ => None,
        })
    }
}

fn table_row(plan: &SweepPlan, row: &PlanRow, statuses: &[RunStatus], lower: bool) -> TableRow {
    let choice = plan.choice(row, statuses);
    let variant = match choice {
        Choice::Variant(at) => Some(&row.variants[at]),
        Choice::Open | Choice::Failed => None,
    };
    let cell = |seed: &u64| match variant.and_then(|variant| variant.runs.get(seed)).map(|run| &statuses[*run]) {
        Some(RunStatus::Done(result)) => ScoreCell::Done(result.score),
        Some(RunStatus::Active(progress)) => ScoreCell::Active(progress.clone()),
        Some(RunStatus::Unfinished(progress)) => ScoreCell::Unfinished(progress.clone()),
        Some(RunStatus::Failed { .. }) => ScoreCell::Failed,
        None if choice == Choice::Failed => ScoreCell::Failed,
        Some(RunStatus::Pending) | None => ScoreCell::Missing,
    };
    let results: Vec<_> = variant
        .iter()
        .flat_map(|variant| plan.seeds.iter().filter_map(|seed| variant.runs.get(seed)))
        .filter_map(|run| match &statuses[*run] {
            RunStatus::Done(result) => Some(result),
            _ => None,
        })
        .collect();
    let scores: Vec<f64> = results.iter().map(|result| result.score).collect();
    let best = if lower { scores.iter().copied().reduce(f64::min) } else { scores.iter().copied().reduce(f64::max) };
    TableRow {
        name: row.name.clone(),
        settings: row.settings.clone(),
        value: variant.map(|variant| variant.value.clone()),
        tuned: row.is_tuned(),
        tuning: (choice == Choice::Open).then(|| tuning(plan, &row.variants, statuses)),
        trainable: results.first().and_then(|result| result.trainable),
        cells: plan.seeds.iter().map(|seed| (*seed, cell(seed))).collect(),
        mean: mean(&scores),
        deviation: deviation(&scores),
        best,
        seconds: mean(&results.iter().map(|result| result.seconds).collect::<Vec<_>>()),
    }
}

fn tuning(plan: &SweepPlan, variants: &[Variant], statuses: &[RunStatus]) -> (usize, usize) {
    let runs = variants.iter().flat_map(|variant| plan.tune.seeds.iter().filter_map(|seed| variant.runs.get(seed)));
    let ended = |run: &&usize| matches!(statuses[**run], RunStatus::Done(_) | RunStatus::Failed { .. });
    (runs.clone().filter(ended).count(), runs.count())
}

fn best_row(rows: &[TableRow], counts: impl Fn(&TableRow) -> bool, lower: bool) -> Option<usize> {
    let rank = |mean: f64| if lower { -mean } else { mean };
    let means = rows.iter().enumerate().filter(|(_, row)| counts(row));
    let means = means.filter_map(|(at, row)| Some((at, rank(row.mean?))));
    // Of equal ones the first.
    means.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(at, _)| at)
}

/// The arithmetic mean; `None` of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation, as `numpy.std(values, ddof=1)`.
fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_numpy_with_ddof_1() {
        assert_eq!(deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), Some((32.0_f64 / 7.0).sqrt()));
        assert_eq!((deviation(&[0.5]), mean(&[])), (None, None));
        assert_eq!(deviation(&[0.5, 0.5, 0.5]), Some(0.0));
    }
}
