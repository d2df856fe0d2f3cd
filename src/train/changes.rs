//! Continuing a run with another preset, model or data than those of the checkpoint: what is refused, what is accepted, and
//! what the log says about it.

use anyhow::{Result, bail};

use super::job::{Job, ResumeOptions};
use super::prepare::PreparedRun;
use super::schedule::LearningRate;
use crate::Usage;
use crate::preset::{Difference, Impact, Preset, differences};
use crate::protocol::Event;
use crate::runs::checkpoint::{BaseIdentity, DataIdentity, Manifest};

/// What differs from the checkpoint and was accepted.
#[derive(Default)]
pub struct AcceptedChanges {
    /// What the log says.
    pub notes: Vec<Event>,
    /// Whether the steps to come differ from those of the original run.
    pub future_steps: bool,
    /// Whether another score decides which evaluation is best.
    pub best_score: bool,
}

/// Checks that a checkpoint belongs to this preset, model and data, and that there are steps left to take.
///
/// # Errors
/// [`Usage`], with the differences.
pub fn check(
    manifest: &Manifest,
    options: &ResumeOptions,
    job: &Job,
    prepared: &PreparedRun,
) -> Result<AcceptedChanges> {
    let place = job.folder.path().display();
    let changed = differences(&manifest.preset, &job.preset.toml)?;
    let is_set = |difference: &Difference| options.set.iter().any(|key| key == difference.key);
    let of = |impact: Impact| changed.iter().filter(move |difference| difference.impact == impact);
    let mut fatal: Vec<String> = of(Impact::DifferentRun).map(Difference::to_string).collect();
    let unasked = of(Impact::FutureSteps).filter(|difference| !is_set(difference));
    let mut forced: Vec<String> = unasked.map(Difference::to_string).collect();
    let BaseIdentity { model, config, weights, .. } = &prepared.base;
    if manifest.base.weights != *weights {
        let started_from = match &manifest.base.commit {
            Some(_) => format!("; set model.id = \"{}\" in its preset.toml", manifest.base.location()),
            None => String::new(),
        };
        fatal.push(format!("the weights of {model} are not those this run was started from{started_from}"));
    }
    if manifest.head != prepared.head {
        fatal.push("the classification head's rows are not those that this run was started with".into());
    }
    if manifest.base.config != *config {
        forced.push(format!("config.json of {model} has changed"));
    }
    forced.extend(data_differences(&manifest.data, &prepared.data));
    if !fatal.is_empty() {
        fatal.extend(forced);
        bail!(Usage(format!(
            "{place}: cannot resume with another experiment; start a new run instead: {}",
            fatal.join("; ")
        )));
    }
    if !forced.is_empty() && !options.force {
        bail!(Usage(format!(
            "{place}: the results would differ from those of the original run: {}; --force resumes anyway",
            forced.join("; ")
        )));
    }
    check_steps_left(manifest, options, job, prepared)?;

    let mut notes: Vec<Event> = forced
        .into_iter()
        .map(|difference| Event::warning(format!("{difference}; resumed anyway because of --force")))
        .collect();
    notes.extend(changed.iter().filter(|difference| is_set(difference)).map(|set| Event::info(set.to_string())));
    let best_score = changed.iter().any(|difference| difference.key == "keep.best");
    if let Some(best) = manifest.best.as_ref().filter(|_| best_score) {
        notes.push(Event::info(format!(
            "{} decides from now on; the best evaluation so far stays that of step {}, and no earlier one is compared again",
            prepared.best_score, best.step
        )));
    }
    notes.extend(schedule_note(manifest, job, &prepared.learning_rate).map(Event::info));
    Ok(AcceptedChanges { notes, future_steps: of(Impact::FutureSteps).next().is_some(), best_score })
}

/// A run that has taken its last step ends at once when it is resumed, which is not what a user who changes it expects.
fn check_steps_left(manifest: &Manifest, options: &ResumeOptions, job: &Job, prepared: &PreparedRun) -> Result<()> {
    let (place, train) = (job.folder.path().display(), &job.preset.train);
    let (taken, steps) = (manifest.step, prepared.loader.steps());
    let evaluated = taken == steps && manifest.evaluated == Some(taken);
    if taken > steps || evaluated && !options.set.is_empty() {
        let limit = if train.max_steps == steps {
            format!("train.max_steps = {steps}")
        } else {
            format!("train.epochs = {}, which is {steps} steps,", train.epochs)
        };
        bail!(Usage(format!(
            "{place}: {limit} leaves nothing to train: the checkpoint has taken {taken} steps ({:.2} epochs). Set a \
             larger one, or name an earlier checkpoint with --from",
            manifest.epoch
        )));
    }
    if !options.set.is_empty() && (1..=manifest.since_best).contains(&train.patience) {
        bail!(Usage(format!(
            "{place}: train.patience = {} stops the run at once: the checkpoint has {} evaluations without improvement. \
             Set a larger one, or 0 to never stop early",
            train.patience, manifest.since_best
        )));
    }
    Ok(())
}

/// How the learning rate continues, where its schedule is not the checkpoint's.
fn schedule_note(manifest: &Manifest, job: &Job, now: &LearningRate) -> Option<String> {
    // The checkpoint's preset was valid when it was written.
    let before = Preset::parse_stored("", "", &manifest.preset, &[], &job.cache).ok()?;
    let facts = &manifest.schedule;
    let before =
        LearningRate { schedule: before.train.schedule, peak: facts.peak, warmup: facts.warmup, steps: facts.steps };
    if before == *now {
        return None;
    }
    let length = if before.steps == now.steps {
        String::new()
    } else {
        format!("training to step {} instead of {}; ", now.steps, before.steps)
    };
    let (step, name) = (manifest.step, now.schedule.name());
    let (from, to) = (before.at(step), now.at(step));
    let rate = if from == to {
        format!("the learning rate stays at {}", short(to))
    } else {
        format!("the learning rate goes from {} to {}", short(from), short(to))
    };
    let warmup =
        if step < now.warmup { format!(", within the warm-up of {} steps", now.warmup) } else { String::new() };
    Some(format!(
        "{length}the schedule continues as that of a run of {} steps ({name}): {rate} at step {}{warmup}",
        now.steps,
        step + 1
    ))
}

/// Three significant digits: `5.13e-4`, `0`.
fn short(rate: f64) -> String {
    let rounded = format!("{rate:.2e}").parse().unwrap_or(rate);
    if rounded == 0.0 { "0".into() } else { format!("{rounded:e}") }
}

fn data_differences(before: &DataIdentity, now: &DataIdentity) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |name: &str, (was, before): (u64, &str), (is, now): (u64, &str)| {
        if was != is {
            differences.push(format!("there were {was} {name} examples, now there are {is}"));
        } else if before != now {
            differences.push(format!("the {was} {name} examples have changed"));
        }
    };
    compare("training", (before.examples, &before.train), (now.examples, &now.train));
    compare("held-out", (before.eval_examples, &before.eval), (now.eval_examples, &now.eval));
    differences
}
