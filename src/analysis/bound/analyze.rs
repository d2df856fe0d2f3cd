//! Measures what the bounds of a run follow from.

use std::cell::Cell;
use std::path::Path;

use anyhow::{Result, bail};
use tch::{Device, Kind};

use super::bounds::shares;
use super::evidence::{Complexity, Errors, Evidence, GibbsErrors, PriorMean};
use super::gibbs::{self, DrawPlan, Samples};
use super::inequality::langford_seeger;
use super::open::{OpenedRun, open};
use super::report::report;
use crate::Usage;
use crate::analysis::Report;
use crate::data::{Label, Tokenized};
use crate::inputs::Access;
use crate::model::mixed;
use crate::protocol::Progress;
use crate::runs::checkpoint::CheckpointSelector;

/// Fewer examples than Maurer's constant holds for.
const FEWEST: u64 = 8;

/// Noise in units of the change by training.
const LEVELS: [f64; 10] = [0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0];

/// Draws of weights behind a bound, for each draw at a level.
const DRAWS_PER_LEVEL_DRAW: u64 = 12;

/// How to compute the bounds of a run.
#[derive(Clone, Copy, Debug)]
pub struct BoundOptions {
    /// The probability with which a bound may fail, between 0 and 1.
    pub delta: f64,
    /// The checkpoint, by default the best.
    pub from: Option<CheckpointSelector>,
    /// Draws of weights behind a bound, at least 1.
    pub draws: u64,
    pub device: Device,
}

/// The bounds of a run's checkpoint. The run's files are only read.
///
/// # Errors
/// [`Usage`]: a run without a usable checkpoint, or not of a classifier; another base model or other data than the run's.
pub fn analyze(
    run: &Path,
    options: BoundOptions,
    access: &Access,
    on_progress: &dyn Fn(Progress),
    check: &dyn Fn() -> Result<()>,
) -> Result<Report> {
    let opened = open(run, options.from, access, options.device, on_progress)?;
    let rest = opened.selection.independent(opened.train.lengths().len() as u64);
    if rest < FEWEST {
        bail!(Usage(format!(
            "{}: {rest} training examples had no part in the selection; the bounds need {FEWEST}",
            run.display()
        )));
    }
    let total = gibbs::batches_of_errors(&opened) + level_draws(options) * LEVELS.len() as u64 + 2 * options.draws;
    let done = Cell::new(0);
    let mut proceed = || {
        done.set(done.get() + 1);
        on_progress(Progress { task: "measuring errors".into(), done: done.get(), total, unit: "batches".into() });
        check()
    };
    Ok(report(&measure(&opened, options, &mut proceed)?))
}

/// Draws at each level: enough to choose one.
fn level_draws(options: BoundOptions) -> u64 {
    (options.draws / DRAWS_PER_LEVEL_DRAW).max(1)
}

fn measure(run: &OpenedRun, options: BoundOptions, proceed: &mut gibbs::Proceed) -> Result<Evidence> {
    let trained = gibbs::errors(run, proceed)?;
    let samples = Samples::of(run);
    let draws = level_draws(options);
    let mut levels = Vec::with_capacity(LEVELS.len());
    for (number, noise) in LEVELS.into_iter().enumerate() {
        let plan = DrawPlan { noise, draws, held_out: draws, seed: mixed(run.seed, number as u64) };
        levels.push(gibbs::gibbs_errors(run, &samples, plan, proceed)?);
    }
    let first = levels[0];
    let mut evidence = Evidence {
        subject: run.subject.clone(),
        delta: options.delta,
        examples: run.train.lengths().len() as u64,
        selection: run.selection,
        held_out_examples: run.held_out.lengths().len() as u64,
        trained,
        most_frequent: most_frequent(&run.train, &run.held_out),
        groups: run.groups.clone(),
        parameters: run.parameters.clone(),
        levels,
        initial: first,
        random: first,
        rounded: run
            .network
            .parameters
            .specs()
            .iter()
            .any(|spec| run.network.parameters.get(&spec.name).kind() != Kind::Float),
    };
    for mean in [PriorMean::Initial, PriorMean::Random] {
        let noise = best_level(&evidence, mean).noise;
        // Draws of their own: those above have chosen the level.
        let plan = DrawPlan {
            noise,
            draws: options.draws,
            held_out: (2 * draws).min(options.draws),
            seed: mixed(run.seed, 1000),
        };
        match mean {
            PriorMean::Initial => evidence.initial = gibbs::gibbs_errors(run, &samples, plan, proceed)?,
            PriorMean::Random if noise == evidence.initial.noise => evidence.random = evidence.initial,
            PriorMean::Random => evidence.random = gibbs::gibbs_errors(run, &samples, plan, proceed)?,
        }
    }
    Ok(evidence)
}

/// The level with the least bound by Langford and Seeger, as far as its few draws tell.
fn best_level(evidence: &Evidence, mean: PriorMean) -> GibbsErrors {
    let bound = |level: &GibbsErrors| {
        let complexity = Complexity::of(&evidence.groups, mean, level.noise).total();
        let examples = evidence.selection.independent(evidence.examples);
        langford_seeger(level.train, complexity, examples, shares(evidence.delta).0)
    };
    let best = evidence.levels.iter().min_by(|a, b| bound(a).total_cmp(&bound(b)));
    best.copied().unwrap_or(evidence.initial)
}

/// Errors of always predicting the class that most training examples have.
fn most_frequent(train: &Tokenized, held_out: &Tokenized) -> Errors {
    let classes = |examples: &Tokenized| -> Vec<u32> {
        let Tokenized::Labelled(examples) = examples else { return Vec::new() };
        let class = |label| match label {
            Label::Class(class) => Some(class),
            Label::Score(_) => None,
        };
        examples.iter().filter_map(|example| class(example.label)).collect()
    };
    let (train, held_out) = (classes(train), classes(held_out));
    let count = |classes: &[u32], class: u32| classes.iter().filter(|&&other| other == class).count();
    let last = train.iter().max().copied().unwrap_or(0);
    let most = (0..=last).rev().max_by_key(|&class| count(&train, class)).unwrap_or(0);
    let error = |classes: &[u32]| 1.0 - count(classes, most) as f64 / classes.len().max(1) as f64;
    Errors { train: error(&train), held_out: error(&held_out) }
}
