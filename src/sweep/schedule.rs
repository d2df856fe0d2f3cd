//! Which runs of a sweep are due, and which value a tuned row takes: pure functions of the plan and of what is done.

use std::collections::BTreeSet;

use super::plan::{PlanRow, SweepPlan, Variant};
use super::status::RunStatus;
use crate::metrics::lower_is_better;

/// The value of a tuned row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Runs that decide it are not done.
    Open,
    /// The variant with the best mean over the seeds of tuning; of equal ones the first. The only one of a row that is not
    /// tuned.
    Variant(usize),
    /// A run of every value has failed.
    Failed,
}

impl SweepPlan {
    /// The value of a row, given the status of each run.
    pub fn choice(&self, row: &PlanRow, statuses: &[RunStatus]) -> Choice {
        if !row.is_tuned() {
            return Choice::Variant(0);
        }
        let mut best: Option<(usize, f64)> = None;
        for (at, variant) in row.variants.iter().enumerate() {
            match self.tuning_score(variant, statuses) {
                TuningScore::Open => return Choice::Open,
                TuningScore::Failed => {}
                TuningScore::Mean(rank) if best.is_none_or(|(_, before)| rank > before) => best = Some((at, rank)),
                TuningScore::Mean(_) => {}
            }
        }
        best.map_or(Choice::Failed, |(at, _)| Choice::Variant(at))
    }

    /// The runs that count, as far as they are known: those of tuning, and all seeds of the chosen values. In the order in which
    /// they are done: tuning first, then one seed after the other, each for all rows.
    pub fn counted(&self, statuses: &[RunStatus]) -> Vec<usize> {
        let tuned = self.rows.iter().filter(|row| row.is_tuned()).flat_map(|row| &row.variants);
        let tuning = tuned.flat_map(|variant| self.tune.seeds.iter().filter_map(|seed| variant.runs.get(seed)));
        let chosen: Vec<&Variant> = self
            .rows
            .iter()
            .filter_map(|row| match self.choice(row, statuses) {
                Choice::Variant(at) => Some(&row.variants[at]),
                Choice::Open | Choice::Failed => None,
            })
            .collect();
        let final_runs = self.seeds.iter().flat_map(|seed| chosen.iter().filter_map(|variant| variant.runs.get(seed)));
        let mut seen = BTreeSet::new();
        tuning.chain(final_runs).copied().filter(|run| seen.insert(*run)).collect()
    }

    /// Runs that are not known yet, because the value of their row is open.
    pub fn unknown(&self, statuses: &[RunStatus]) -> usize {
        let open = self.rows.iter().filter(|row| self.choice(row, statuses) == Choice::Open).count();
        open * self.seeds.iter().filter(|seed| !self.tune.seeds.contains(seed)).count()
    }

    fn tuning_score(&self, variant: &Variant, statuses: &[RunStatus]) -> TuningScore {
        let (mut sum, mut failed, mut open) = (0.0, false, false);
        for run in self.tune.seeds.iter().filter_map(|seed| variant.runs.get(seed)) {
            match &statuses[*run] {
                RunStatus::Done(result) if lower_is_better(&result.metric) => sum -= result.score,
                RunStatus::Done(result) => sum += result.score,
                RunStatus::Failed { .. } => failed = true,
                _ => open = true,
            }
        }
        match (failed, open) {
            (true, _) => TuningScore::Failed,
            (false, true) => TuningScore::Open,
            // All values have the same seeds: the sum ranks as the mean.
            (false, false) => TuningScore::Mean(sum),
        }
    }
}

/// How good a value is on the seeds of tuning.
enum TuningScore {
    Open,
    Failed,
    /// The higher the better.
    Mean(f64),
}
