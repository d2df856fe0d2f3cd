//! The paired bootstrap between two rows of a sweep.
//!
//! Held-out examples are drawn with replacement, and the difference of the two rows' scores is taken on each draw: Koehn,
//! "Statistical Significance Tests for Machine Translation Evaluation" (EMNLP 2004); the p-value after Berg-Kirkpatrick,
//! Burkett and Klein, "An Empirical Investigation of Statistical Significance in NLP" (EMNLP 2012), two-sided. A row has a model
//! per seed: its score on a draw is the mean over them. Where examples have no predictions, seeds are drawn instead.

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::plan::SweepPlan;
use super::schedule::Choice;
use super::status::{RunResult, RunStatus};
use crate::Usage;
use crate::metrics::Metrics;
use crate::runs::Predictions;

/// Draws of a comparison.
const SAMPLES: u64 = 10_000;

/// Decides all draws: a comparison repeats exactly.
const SEED: u64 = 20_040_725;

/// Scores from predictions may differ from stored ones by rounding.
const CLOSE: f64 = 1e-9;

/// The difference between two rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub rows: [String; 2],
    pub metric: String,
    /// Mean score of each row over the seeds that both have.
    pub scores: [f64; 2],
    /// Of the first row to the second.
    pub difference: f64,
    /// The 2.5 and 97.5 percent quantiles of the difference over the draws.
    pub interval: [f64; 2],
    /// Two-sided: how often a draw differs from the measured difference by at least as much as that differs from 0.
    pub p: f64,
    pub samples: u64,
    pub evidence: Evidence,
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// Held-out examples; their number, summed over seeds where each seed has a held-out set of its own.
    Examples { examples: usize, seeds: usize, shared: bool },
    /// Seeds, and why not examples.
    Seeds { seeds: usize, why: String },
}

/// Predictions of two rows for the same held-out examples, by seed.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedRows {
    /// Of each seed: the predictions of both rows, and the labels.
    pub seeds: Vec<[Vec<f64>; 3]>,
    /// Whether all seeds have the same held-out set, which is then drawn once for all of them.
    pub shared: bool,
}

/// Compares two rows, given by their indices.
///
/// # Errors
/// [`Usage`]: too few runs of the rows are done.
pub fn compare_rows(
    plan: &SweepPlan,
    statuses: &[RunStatus],
    folder: &Path,
    rows: [usize; 2],
) -> Result<Comparison, Usage> {
    let results = rows.map(|row| results(plan, statuses, row));
    let pairs = plan.seeds.iter().enumerate().filter_map(|(at, _)| Some([results[0][at]?, results[1][at]?]));
    let pairs: Vec<[&RunResult; 2]> = pairs.collect();
    let names = rows.map(|row| plan.rows[row].name.clone());
    let Some([first, _]) = pairs.first() else {
        return Err(Usage(format!("\"{}\" and \"{}\" have no seed that is done for both", names[0], names[1])));
    };
    let metric = first.metric.clone();
    let scores = [0, 1].map(|row| pairs.iter().map(|pair| pair[row].score).sum::<f64>() / pairs.len() as f64);
    let difference = scores[0] - scores[1];
    let (evidence, differences) = match paired(&pairs, &metric, folder) {
        Ok((paired, metrics)) => {
            let examples = paired.seeds.iter().map(|seed| seed[2].len());
            let examples = if paired.shared { examples.max().unwrap_or(0) } else { examples.sum() };
            let evidence = Evidence::Examples { examples, seeds: pairs.len(), shared: paired.shared };
            (evidence, paired_bootstrap(&paired, metrics, &metric, SAMPLES, SEED))
        }
        Err(why) if pairs.len() < 2 => {
            return Err(Usage(format!(
                "\"{}\" and \"{}\" cannot be compared: {why}, and they have one seed in common",
                names[0], names[1]
            )));
        }
        Err(why) => {
            let differences: Vec<f64> = pairs.iter().map(|[a, b]| a.score - b.score).collect();
            (Evidence::Seeds { seeds: pairs.len(), why }, seed_bootstrap(&differences, SAMPLES, SEED))
        }
    };
    let (interval, p) = summarize(difference, differences);
    Ok(Comparison { rows: names, metric, scores, difference, interval, p, samples: SAMPLES, evidence })
}

/// The done runs of a row by seed.
fn results<'a>(plan: &SweepPlan, statuses: &'a [RunStatus], row: usize) -> Vec<Option<&'a RunResult>> {
    let row = &plan.rows[row];
    let variant = match plan.choice(row, statuses) {
        Choice::Variant(at) => Some(&row.variants[at]),
        Choice::Open | Choice::Failed => None,
    };
    let result = |seed: &u64| match &statuses[*variant?.runs.get(seed)?] {
        RunStatus::Done(result) => Some(result),
        _ => None,
    };
    plan.seeds.iter().map(result).collect()
}

/// The predictions of both rows, or why they cannot be paired.
fn paired(pairs: &[[&RunResult; 2]], metric: &str, folder: &Path) -> Result<(PairedRows, Metrics), String> {
    let Some(metrics) = Metrics::ALL.into_iter().find(|metrics| metrics.names().contains(&metric)) else {
        return Err(format!("{metric} is not a score of predictions"));
    };
    let (mut seeds, mut sets) = (Vec::new(), Vec::new());
    for pair in pairs {
        let mut read = Vec::new();
        for result in pair {
            let Some(own) = Predictions::read(&folder.join(&result.run), result.best_step) else {
                return Err(format!("{} has no predictions of its best evaluation (keep.predictions)", result.run));
            };
            let score = metrics.score(&own.predictions, &own.labels).get(metric).copied().unwrap_or(f64::NAN);
            if (score - result.score).abs() > CLOSE {
                return Err(format!("the predictions of {} do not have its score", result.run));
            }
            read.push(own);
        }
        let [a, b] = [read.remove(0), read.remove(0)];
        if a.held_out != b.held_out || a.labels != b.labels || a.classes != b.classes {
            return Err("their tokenized held-out sets differ".to_owned());
        }
        sets.push(a.held_out);
        seeds.push([a.predictions, b.predictions, a.labels]);
    }
    let shared = sets.windows(2).all(|pair| pair[0] == pair[1]);
    Ok((PairedRows { seeds, shared }, metrics))
}

impl PairedRows {
    /// The difference of the rows' scores on a draw: the drawn examples of each seed, or of all where they share a held-out set.
    pub(super) fn difference(&self, metrics: Metrics, metric: &str, draw: &[Vec<usize>]) -> f64 {
        let differences = self.seeds.iter().enumerate().map(|(at, [a, b, labels])| {
            let examples = &draw[if self.shared { 0 } else { at }];
            let drawn = |values: &[f64]| examples.iter().map(|example| values[*example]).collect::<Vec<f64>>();
            let labels = drawn(labels);
            let score = |values| metrics.score(&drawn(values), &labels).get(metric).copied().unwrap_or(f64::NAN);
            score(a) - score(b)
        });
        differences.sum::<f64>() / self.seeds.len() as f64
    }

    /// Draws examples with replacement, as many as there are.
    fn draw(&self, random: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
        let sets = if self.shared { 1 } else { self.seeds.len() };
        let lengths = self.seeds.iter().take(sets).map(|[_, _, labels]| labels.len());
        lengths.map(|length| (0..length).map(|_| random.random_range(0..length)).collect()).collect()
    }
}

/// The difference of the rows' scores on each draw of examples.
pub fn paired_bootstrap(rows: &PairedRows, metrics: Metrics, metric: &str, samples: u64, seed: u64) -> Vec<f64> {
    let sample = |sample: u64| rows.difference(metrics, metric, &rows.draw(&mut random(seed, sample)));
    (0..samples).into_par_iter().map(sample).collect()
}

/// The random numbers of a sample, whichever thread draws it.
fn random(seed: u64, sample: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(sample);
    random
}

/// The mean difference on each draw of seeds.
fn seed_bootstrap(differences: &[f64], samples: u64, seed: u64) -> Vec<f64> {
    let draw = |sample: u64| {
        let mut random = random(seed, sample);
        let drawn = (0..differences.len()).map(|_| differences[random.random_range(0..differences.len())]);
        drawn.sum::<f64>() / differences.len() as f64
    };
    (0..samples).map(draw).collect()
}

/// The 95 % interval of the drawn differences (percentiles, as `numpy.percentile`), and the two-sided p-value of the measured one:
/// (1 + #{|drawn - measured| >= |measured|}) / (1 + draws), which is never 0.
pub fn summarize(measured: f64, mut drawn: Vec<f64>) -> ([f64; 2], f64) {
    drawn.sort_by(f64::total_cmp);
    // A draw without any change in a measured difference of 0 counts; rounding must not decide it.
    let as_far = drawn.iter().filter(|value| (*value - measured).abs() >= measured.abs() - 1e-12).count();
    let p = (1 + as_far) as f64 / (1 + drawn.len()) as f64;
    ([0.025, 0.975].map(|quantile| percentile(&drawn, quantile)), p)
}

/// A quantile of sorted values, linearly interpolated.
fn percentile(sorted: &[f64], quantile: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = quantile * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}
