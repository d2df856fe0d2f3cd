//! Made-up runs and what the checks say of them: healthy ones, pauses, evaluations, a resume, the end.

mod ranks;
mod table;

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::protocol::{
    Eval, Event, Finished, Gpu, Mass, Phase, Reason, Reselected, Resumed, Selected, SelectedTarget, Started, Step,
    System, TargetMass,
};
use crate::runs::read_events;

/// A made-up run, one value of each curve by step. A second passes for each step, unless `pace` says otherwise.
struct Curves {
    steps: u64,
    /// Steps of the whole run.
    planned: u64,
    pace: f64,
    loss: fn(f64, &mut Noise) -> f64,
    /// The share of the peak learning rate, by the share of the planned steps.
    schedule: fn(f64) -> f64,
    grad_norm: fn(f64, &mut Noise) -> f64,
    tokens: fn(f64, &mut Noise) -> f64,
    /// At every tenth step.
    mass: fn(f64, &mut Noise) -> f64,
    /// Loss and accuracy at every 50th step.
    eval: Option<EvalCurve>,
    utilization: Option<fn(f64, &mut Noise) -> f64>,
    /// In GiB, by the second.
    disk: fn(f64) -> f64,
}

type EvalCurve = fn(f64, &mut Noise) -> (f64, f64);

impl Default for Curves {
    /// A healthy run in its middle, that is flagged for nothing.
    fn default() -> Curves {
        Curves {
            steps: 500,
            planned: 1000,
            pace: 1.0,
            loss: |step, noise| decay(step) * noise.around(1.0, 0.1),
            schedule: linear,
            grad_norm: |_, noise| noise.around(0.6, 0.3),
            tokens: |_, noise| noise.around(4000.0, 0.5),
            mass: |_, noise| noise.around(60.0, 0.25),
            eval: None,
            utilization: None,
            disk: |_| 100.0,
        }
    }
}

/// Reproducible noise.
struct Noise(ChaCha8Rng);

impl Noise {
    /// Uniform within a share of the level.
    fn around(&mut self, level: f64, share: f64) -> f64 {
        level * (1.0 + self.0.random_range(-share..share))
    }
}

fn decay(step: f64) -> f64 {
    0.8 + 1.2 * (-step / 250.0).exp()
}

fn linear(share: f64) -> f64 {
    if share < 0.06 { share / 0.06 } else { (1.0 - share) / 0.94 }
}

fn cosine(share: f64) -> f64 {
    0.5 + 0.5 * (share * std::f64::consts::PI).cos()
}

fn constant(_: f64) -> f64 {
    1.0
}

/// The targets of made-up runs. The mass of the second falls most.
const TARGETS: [&str; 2] = ["m.layers.0.q.weight", "m.layers.1.q.weight"];

impl Curves {
    fn events(&self) -> Vec<Event> {
        let noise = &mut Noise(ChaCha8Rng::seed_from_u64(16));
        let targets = TARGETS.map(|name| SelectedTarget { name: name.into(), shape: vec![8, 8], selected: 1 });
        let mut events = vec![
            Event::Started(started(self.planned)),
            Event::Selected(Selected { total: 2, of: 128, dense: 0, targets: targets.into() }),
            Event::Phase { phase: Phase::Training },
        ];
        for number in 1..=self.steps {
            let (step, elapsed) = (number as f64, number as f64 * self.pace);
            events.push(Event::Step(Step {
                step: number,
                epoch: 0.0,
                loss: (self.loss)(step, noise),
                learning_rate: 1e-3 * (self.schedule)(step / self.planned as f64),
                grad_norm: (self.grad_norm)(step, noise),
                tokens_per_second: (self.tokens)(step, noise),
                elapsed,
                eta: Some((self.planned - number) as f64 * self.pace),
            }));
            if number % 10 == 0 {
                let overall = (self.mass)(step, noise);
                let of = |(name, mass): (&str, f64)| TargetMass { name: name.into(), mass, update: None };
                let targets = [(TARGETS[0], overall + 5.0), (TARGETS[1], 2.0 * overall - 40.0)].map(of);
                events.push(Event::Mass(Mass { step: number, overall, targets: targets.into() }));
            }
            if let Some((loss, accuracy)) = self.eval.filter(|_| number % 50 == 0).map(|eval| eval(step, noise)) {
                events.push(evaluation(number, loss, accuracy, &events));
            }
            let gpu = self.utilization.map(|of| Gpu { utilization: of(step, noise), ..Gpu::default() });
            events.push(sample(elapsed, (self.disk)(elapsed), gpu));
        }
        events
    }

    fn badges(&self) -> Vec<String> {
        badges(self.events())
    }
}

fn started(steps: u64) -> Started {
    let line = r#"{"event":"started","run":"r","preset":"p","model":"m","data":"d","device":"cuda:0","dtype":"bf16","examples":1,
        "eval_examples":1,"steps":1,"epochs":1.0,"batch":1,"rate":0.1,"select":"gradient","parameters":1,"best":"accuracy",
        "clip":1.0,"version":"0"}"#;
    let Ok(Event::Started(started)) = serde_json::from_str(line) else { panic!("not an event: {line}") };
    Started { steps, ..started }
}

/// An evaluation, with the accuracies of the others: the best so far is marked as such.
fn evaluation(step: u64, loss: f64, accuracy: f64, before: &[Event]) -> Event {
    let best = before.iter().all(|event| !matches!(event, Event::Eval(eval) if eval.scores["accuracy"] >= accuracy));
    let scores = [("accuracy".into(), accuracy)].into();
    Event::Eval(Eval { step, epoch: 0.0, loss, scores, best, patience: None })
}

fn sample(at: f64, free: f64, gpu: Option<Gpu>) -> Event {
    Event::System(System { at, disk_free: Some((free * 1024f64.powi(3)) as u64), gpu, ..System::default() })
}

fn resumed(step: u64, steps: u64, elapsed: f64) -> Event {
    Event::Resumed(Resumed {
        run: "r".into(),
        step,
        steps,
        best: "accuracy".into(),
        patience: None,
        clip: Some(1.0),
        checkpoint: "c".into(),
        elapsed,
        device: "cpu".into(),
        device_note: String::new(),
        ranks: 1,
        version: "0".into(),
    })
}

fn history(events: Vec<Event>) -> History {
    let mut run = History::default();
    events.into_iter().for_each(|event| run.apply(event));
    run
}

/// What is flagged at the end.
fn badges(events: Vec<Event>) -> Vec<String> {
    let mut run = History::default();
    let last = events.len().saturating_sub(1);
    for (number, event) in events.into_iter().enumerate() {
        run.apply(event);
        // Whatever was seen before, a verdict can be shown.
        if number % 16 == 0 || number == last {
            assess(&run).iter().for_each(assert_shows);
        }
    }
    assess(&run).into_iter().map(|verdict| verdict.badge).collect()
}

fn assert_shows(Verdict { check, badge, seen, advice, .. }: &Verdict) {
    assert!(badge.is_ascii() && seen.is_ascii() && advice.is_ascii(), "{badge}: {seen}. {advice}");
    assert!(badge.len() <= 30 && !seen.contains('\n'), "{badge}: {seen}");
    assert!(*check == Check::Divergence || !seen.contains("NaN") && !seen.contains("inf"), "{badge}: {seen}");
}

/// Every check that fires at any time of a run.
fn ever(events: Vec<Event>) -> Vec<String> {
    let mut run = History::default();
    let mut seen = Vec::new();
    for event in events {
        run.apply(event);
        seen.extend(assess(&run).into_iter().map(|verdict| format!("{}: {}", verdict.badge, verdict.seen)));
    }
    seen
}

/// A change of the healthy run.
fn with(change: impl FnOnce(&mut Curves)) -> Curves {
    let mut curves = Curves::default();
    change(&mut curves);
    curves
}

#[test]
fn healthy_runs_are_never_flagged_at_any_step() {
    for (name, curves) in [
        ("linear", Curves::default()),
        (
            "cosine",
            with(|c| {
                c.steps = 1000;
                c.schedule = cosine;
            }),
        ),
        (
            "long",
            with(|c| {
                (c.steps, c.planned) = (3000, 3000);
                c.loss = |s, n| n.around(decay(s / 3.0), 0.1);
            }),
        ),
        (
            "evaluated",
            with(|c| c.eval = Some(|s, n| (n.around(decay(s) + 0.1, 0.03), n.around(0.5 + s / 2000.0, 0.02)))),
        ),
    ] {
        assert_eq!(ever(curves.events()), [""; 0], "{name}");
    }
    for recorded in ["demo.jsonl", "resumed-twice.jsonl"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs").join(recorded);
        assert_eq!(ever(read_events(&path).unwrap()), [""; 0], "{recorded}");
    }
}

#[test]
fn a_pause_is_neither_idle_nor_slow() {
    let curves = with(|c| c.utilization = Some(|_, n| n.around(95.0, 0.05)));
    let mut events = curves.events();
    events.push(Event::Phase { phase: Phase::Paused });
    let idle = || Some(Gpu { utilization: 0.0, ..Gpu::default() });
    events.extend((0..900).map(|second| sample(500.0 + f64::from(second), 100.0, idle())));
    assert_eq!(badges(events.clone()), [""; 0], "paused");
    // Steps after the pause continue its training time, but not the time of the samples.
    events.push(Event::Phase { phase: Phase::Training });
    for event in with(|c| c.steps = 540).events() {
        match event {
            Event::Step(step) if step.step > 500 => {
                let at = 900.0 + step.elapsed;
                events.push(Event::Step(step));
                events.push(sample(at, 100.0, Some(Gpu { utilization: 95.0, ..Gpu::default() })));
            }
            _ => {}
        }
    }
    assert_eq!(badges(events), [""; 0], "training again");
}

#[test]
fn an_evaluation_of_a_minute_is_not_a_gpu_that_waits() {
    let mut events = with(|c| {
        c.steps = 100;
        c.utilization = Some(|_, n| n.around(95.0, 0.05));
    })
    .events();
    events.push(Event::Phase { phase: Phase::Evaluating });
    let idle = || Some(Gpu { utilization: 10.0, ..Gpu::default() });
    events.extend((1..60).map(|second| sample(100.0 + f64::from(second), 100.0, idle())));
    assert_eq!(ever(events), [""; 0]);
}

#[test]
fn a_resumed_run_is_compared_with_itself_since() {
    // The first process was on a fast machine with a large disk.
    let mut events = with(|c| c.steps = 400).events();
    events.push(resumed(390, 1000, 390.0));
    let slow = with(|c| {
        c.tokens = |_, n| n.around(900.0, 0.3);
        c.disk = |_| 20.0;
    })
    .events();
    events.extend(slow.into_iter().filter(|event| match event {
        Event::Step(step) => step.step > 390,
        Event::System(system) => system.at > 390.0,
        _ => false,
    }));
    assert_eq!(ever(events), [""; 0]);
}

#[test]
fn after_the_end_the_machine_no_longer_counts() {
    let mut events = with(|c| {
        c.disk = |s| 60.0 - s * 0.055;
        c.utilization = Some(|_, _| 5.0);
        c.tokens = |s, n| n.around(if s < 300.0 { 4000.0 } else { 2000.0 }, 0.3);
        c.grad_norm = |_, _| 3.0;
    })
    .events();
    assert_eq!(badges(events.clone()).len(), 4);
    events.push(Event::Finished(Finished { reason: Reason::Stopped, step: 500, elapsed: 500.0, best: None }));
    assert_eq!(badges(events), ["clipping 100 % of steps"]);
}

#[test]
fn a_selection_made_again_is_judged_by_its_own_measurements() {
    // What the first selection covered is no measure for the second.
    let again = |events: Vec<Event>| {
        let of = |event: &Event| matches!(event, Event::Step(step) if step.step == 251);
        let at = events.iter().position(of).unwrap();
        let targets = vec![1, 1];
        let reselected = Reselected { step: 250, total: 2, kept: 1, changed: 3, seconds: 0.0, targets };
        [&events[..at], &[Event::Reselected(reselected)], &events[at..]].concat()
    };
    let healthy = with(|c| c.mass = |s, n| n.around(if s <= 250.0 { 60.0 } else { 30.0 }, 0.02));
    assert_eq!(healthy.badges(), ["gradient mass 61 -> 30 %"]);
    assert_eq!(badges(again(healthy.events())), [""; 0]);
    let second = with(|c| {
        c.mass = |s, n| n.around(if s <= 250.0 { 60.0 } else { 60.0 - 40.0 * ((s - 250.0) / 150.0).min(1.0) }, 0.02)
    });
    let [badge] = badges(again(second.events())).try_into().unwrap();
    assert!(badge.starts_with("gradient mass 5") && badge.ends_with("-> 20 %"), "{badge}");
}

#[test]
fn a_verdict_says_what_was_seen_and_where_to_look() {
    let falling = with(|c| c.mass = |s, n| n.around(60.0 - 40.0 * (s / 300.0).min(1.0), 0.02));
    let verdicts = assess(&history(falling.events()));
    let [mass] = verdicts.as_slice() else { panic!("{verdicts:?}") };
    assert_eq!((mass.check, mass.target), (Check::GradientMass, Some(1)));
    assert!(mass.seen.contains("in steps 460 to 500") && mass.seen.contains("steps 20 to 60"), "{}", mass.seen);
    assert!(mass.seen.contains("most in m.layers.1.q.weight (-"), "{}", mass.seen);
    let spike = with(|c| {
        c.loss = |s, _| 1.0 + if (480.0..490.0).contains(&s) { 3.0 } else { 0.0 } + if s == 485.0 { 1.5 } else { 0.0 };
        c.schedule = cosine;
    });
    let verdicts = assess(&history(spike.events()));
    let spike = verdicts.iter().find(|verdict| verdict.check == Check::LossSpike).unwrap();
    assert_eq!((spike.badge.as_str(), spike.step), ("loss spike at 485", Some(485.0)));
    assert!(spike.seen.starts_with("loss 5.50 at step 485, median 1.00 in steps"), "{}", spike.seen);
    assert!(spike.seen.ends_with("1.00 over the last 10 steps"), "{}", spike.seen);
}

#[test]
fn clipping_that_is_off_or_unknown_is_not_judged() {
    let events = with(|c| c.grad_norm = |_, _| 3.0).events();
    let unclipped = events.into_iter().map(|event| match event {
        Event::Started(started) => Event::Started(Started { clip: None, ..started }),
        event => event,
    });
    assert_eq!(badges(unclipped.collect()), [""; 0]);
}
