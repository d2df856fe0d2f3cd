//! Reading step results late changes no result, even if a step in between fails.

use std::path::{Path, PathBuf};
use std::time::Duration;

use finesift::model::Network;
use finesift::protocol::{Event, Step};
use finesift::runs::{checkpoint, read_events};
use finesift::train::{Learner, LearnerOptions, StepResult};
use tch::{Kind, Tensor, no_grad};

use crate::resume::{NEWEST, numbers};
use crate::run::{complete, finish, resume, spawn_ahead, stopped_at, turn};
use crate::sift::{batch, classifier, learner, rules, settings, tiny_bert};
use crate::tiny::Tiny;

/// Longer than any of these runs.
const LATE: Duration = Duration::from_secs(600);

#[test]
fn reading_late_gives_the_same_results() {
    let _turn = turn();
    let (mut prompt, mut late) = (trained(), trained());
    let read: Vec<StepResult> = (0..6).map(|step| take(&mut prompt, step)).collect();
    (0..6).for_each(|step| launch(&mut late, step));
    assert_eq!(late.pending(), 6);
    let (taken, outcome) = late.read();
    outcome.unwrap();
    assert_eq!(facts(&taken), facts(&read));
    assert_eq!((state(&late), late.pending()), (state(&prompt), 0));
}

#[test]
fn steps_launched_after_a_nan_loss_are_not_taken() {
    let _turn = turn();
    let (mut sound, mut broken) = (trained(), trained());
    let read: Vec<StepResult> = (0..5).map(|step| take(&mut sound, step)).collect();
    (0..2).for_each(|step| launch(&mut broken, step));
    let norm = broken.network.parameters.get("bert.embeddings.LayerNorm.bias");
    let before = norm.copy();
    let put = |values: &Tensor| no_grad(|| norm.shallow_clone().copy_(values));
    put(&before.full_like(f64::NAN));
    launch(&mut broken, 2);
    put(&before);
    (3..5).for_each(|step| launch(&mut broken, step));
    let (taken, outcome) = broken.read();
    assert_eq!(facts(&taken), facts(&read[..2]));
    let error = outcome.unwrap_err().to_string();
    assert!(error.starts_with("step 3: the loss is NaN and the gradient norm NaN"), "{error}");
    assert_eq!(broken.values().state().updates, 2);
    // The state is that before the failed step, bit for bit.
    let again: Vec<StepResult> = (2..5).map(|step| take(&mut broken, step)).collect();
    assert_eq!(facts(&again), facts(&read[2..]));
    assert_eq!(state(&broken), state(&sound));
}

#[test]
fn a_run_that_reads_late_reports_the_same_steps() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let preset = tiny
        .preset("epochs = 4\neval_every = 7\nclip = 0.5")
        .replace("probe_every = 4", "probe_every = 9")
        .replace("[keep]", "[keep]\nevery_steps = 5");
    let whole = complete(&tiny, &preset, "whole");
    let late = finish(spawn_ahead(&tiny, &preset, "late", LATE).unwrap()).unwrap();
    assert_eq!(numbers(&late), numbers(&whole));
    let shared = |pair: &[&Step]| pair[0].tokens_per_second == pair[1].tokens_per_second;
    assert!(steps(&late).windows(2).any(shared), "no two steps were read together");
    // Evaluations and checkpoints come after all their steps.
    for (number, event) in late.iter().enumerate() {
        if let Event::Eval(finesift::protocol::Eval { step, .. }) | Event::Checkpointed { step, .. } = event {
            let reported = steps(&late[..number]).last().map(|step| step.step);
            assert!(reported >= Some(*step), "{event:?} after step {reported:?}");
        }
    }
    // A stop and a resume change nothing either.
    stopped_at(spawn_ahead(&tiny, &preset, "parts", LATE).unwrap(), 1, true);
    finish(resume(&tiny, "parts", NEWEST).unwrap()).unwrap();
    assert_eq!(numbers(&read_events(&tiny.path("runs/parts/events.jsonl")).unwrap()), numbers(&whole));
}

#[test]
fn a_run_that_reads_late_fails_at_the_same_step_with_the_same_checkpoint() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    // The first step has a learning rate of zero, the second moves the weights beyond the range of fp32.
    let preset = tiny.preset("epochs = 8\nwarmup = 0.5\neval_every = 100").replace("1e-3", "1e30");
    let prompt = fails(spawn_ahead(&tiny, &preset, "prompt", Duration::ZERO).unwrap());
    let late = fails(spawn_ahead(&tiny, &preset, "late", LATE).unwrap());
    assert!(prompt.0.contains("step 3: the loss is "), "{}", prompt.0);
    // The advice names the run to resume.
    assert_eq!((late.0.replace("runs/late", "runs/prompt"), late.1), prompt);
    let kept = |run: &str| newest(&tiny.path("runs").join(run));
    let (late, prompt) = (kept("late"), kept("prompt"));
    assert_eq!((late.0, prompt.0), (2, 2));
    assert!(late.1 == prompt.1);
}

/// What a run failed of, and its steps.
fn fails(mut session: finesift::session::Session) -> (String, Vec<(u64, f64)>) {
    let events: Vec<Event> = std::iter::from_fn(|| session.blocking_next()).collect();
    let steps = steps(&events).iter().map(|step| (step.step, step.loss)).collect();
    (session.join().unwrap_err().to_string(), steps)
}

/// The step of a run's newest checkpoint, and its tensors.
fn newest(run: &Path) -> (u64, Vec<u8>) {
    let newest = &checkpoint::list(&run.join("checkpoints")).unwrap()[0];
    (newest.step, checkpoint::StoredCheckpoint::open(&newest.path).unwrap().read(checkpoint::STATE).unwrap())
}

fn steps(events: &[Event]) -> Vec<&Step> {
    events.iter().filter_map(|event| if let Event::Step(step) = event { Some(step) } else { None }).collect()
}

/// Weights that are decayed of both kinds, gradients that are clipped.
fn trained() -> Learner {
    let settings = LearnerOptions { clip: Some(0.5), ..settings() };
    learner(network(), &rules(0.05, &["query"], &["classifier"]), settings, &batch(8, 3..15, 0))
}

fn network() -> Network {
    let folder: PathBuf = tiny_bert();
    classifier(&folder)
}

fn take(learner: &mut Learner, step: u64) -> StepResult {
    learner.step(step, &[batch(8, 3..15, step)], 1e-2).unwrap()
}

fn launch(learner: &mut Learner, step: u64) {
    learner.launch(step, &[batch(8, 3..15, step)], 1e-2).unwrap();
}

fn facts(taken: &[StepResult]) -> Vec<(u64, f64, f64, f64, u64)> {
    taken.iter().map(|taken| (taken.step, taken.loss, taken.grad_norm, taken.learning_rate, taken.tokens)).collect()
}

/// Masters, moments and weights, to the bit.
fn state(learner: &Learner) -> Vec<Vec<f32>> {
    let state = learner.values().state();
    let weights = learner.network.parameters.get("bert.encoder.layer.0.attention.self.query.weight");
    [&state.master, &state.first_moment, &state.second_moment, &weights]
        .map(|vector| Vec::try_from(vector.flatten(0, -1).to_kind(Kind::Float)).unwrap())
        .into()
}
