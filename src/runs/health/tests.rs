//! Curves that must be flagged, and healthy ones that must not.

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::protocol::{
    Eval, Event, Finished, Gpu, Mass, Phase, Reason, Resumed, Selected, SelectedTarget, Started, Step, System,
    TargetMass,
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
fn a_table_of_curves() {
    let spiking = |step: f64, noise: &mut Noise| {
        decay(step) * noise.around(1.0, 0.1) + if (460.0..472.0).contains(&step) { 4.0 } else { 0.0 }
    };
    let table: Vec<(&str, Curves, &[&str])> = vec![
        ("a healthy noisy decay", Curves::default(), &[]),
        ("the same, ended", with(|c| (c.steps, c.planned) = (1000, 1000)), &[]),
        (
            "a loss of heavy tails",
            with(|c| c.loss = |s, n| decay(s) - 0.75 + n.around(0.05, 0.9).powi(3) * 2000.0),
            &[],
        ),
        ("a single bad batch", with(|c| c.loss = |s, n| if s == 480.0 { 4.0 } else { n.around(decay(s), 0.1) }), &[]),
        ("a spike that recovers, soon after it", with(|c| c.loss = spiking), &["loss spike at 4"]),
        (
            "the same, long after it",
            with(|c| {
                c.steps = 700;
                c.loss = spiking;
            }),
            &[],
        ),
        (
            "a spike that does not recover",
            with(|c| c.loss = |s, n| n.around(decay(s), 0.1) + if s >= 420.0 { 2.5 } else { 0.0 }),
            &["diverging since 4"],
        ),
        (
            "a loss that grows without bound",
            with(|c| c.loss = |s, n| n.around(decay(s), 0.1) + ((s - 300.0).max(0.0) / 30.0).exp_m1()),
            &["diverging since 3"],
        ),
        (
            "a loss that becomes infinite",
            with(|c| c.loss = |s, n| if s < 500.0 { n.around(decay(s), 0.1) } else { f64::INFINITY }),
            &["loss is inf at 500"],
        ),
        (
            "gaps where the loss was not finite",
            with(|c| c.loss = |s, n| if s % 50.0 == 9.0 { f64::NAN } else { n.around(decay(s), 0.1) }),
            &[],
        ),
        ("a small loss that doubles", with(|c| c.loss = |s, n| n.around(decay(s) - 0.79 + s / 1e4, 0.3)), &[]),
        (
            "a plateau with most steps to come",
            with(|c| {
                c.planned = 2000;
                c.loss = |s, n| n.around(decay(s.min(150.0)), 0.05);
            }),
            &["plateau since 1"],
        ),
        (
            "a classifier that learns nothing",
            with(|c| {
                (c.steps, c.planned) = (250, 2000);
                c.loss = |_, n| n.around(0.693, 0.05);
            }),
            &["plateau since 3"],
        ),
        (
            "a plateau at the end of a cosine",
            with(|c| {
                c.steps = 990;
                c.schedule = cosine;
                c.loss = |s, n| n.around(decay(s.min(600.0)), 0.05);
            }),
            &[],
        ),
        (
            "a loss that falls slowly",
            with(|c| {
                c.schedule = constant;
                c.loss = |s, n| n.around(2.0 - s / 1000.0, 0.1);
            }),
            &[],
        ),
        (
            "a loss that has fallen to nothing",
            with(|c| {
                c.schedule = constant;
                c.loss = |s, n| n.around(0.01 + 2.0 * (-s / 40.0).exp(), 0.2);
            }),
            &[],
        ),
        (
            "a plateau whose score still improves",
            with(|c| {
                c.schedule = constant;
                c.loss = |s, n| n.around(decay(s.min(100.0)), 0.05);
                c.eval = Some(|s, _| (1.0, s / 1000.0));
            }),
            &[],
        ),
        (
            "a classifier that overfits",
            with(|c| c.eval = Some(|s, n| (0.5 + (s - 200.0).abs() / 400.0, n.around(0.8, 0.001) - s / 1e4))),
            &["overfitting since 200"],
        ),
        ("a constant gap to the held-out loss", with(|c| c.eval = Some(|s, _| (decay(s) + 0.4, s / 1000.0))), &[]),
        (
            "a held-out loss that rises while the accuracy improves",
            with(|c| c.eval = Some(|s, _| (0.5 + (s - 200.0).abs() / 400.0, s / 1000.0))),
            &[],
        ),
        ("noisy evaluations", with(|c| c.eval = Some(|_, n| (n.around(0.5, 0.08), 0.8))), &[]),
        ("one step in ten clipped", with(|c| c.grad_norm = |s, _| if s % 10.0 == 0.0 { 3.0 } else { 0.5 }), &[]),
        (
            "nine steps in ten clipped",
            with(|c| c.grad_norm = |s, _| if s % 10.0 == 0.0 { 0.5 } else { 3.0 }),
            &["clipping 90 % of steps"],
        ),
        (
            "gradient mass from 60 to 20 %",
            with(|c| c.mass = |s, n| n.around(60.0 - 40.0 * (s / 300.0).min(1.0), 0.1)),
            &["gradient mass 5"],
        ),
        ("gradient mass that is noisy", with(|c| c.mass = |_, n| n.around(55.0, 0.35)), &[]),
        ("gradient mass that falls a little", with(|c| c.mass = |s, n| n.around(60.0 - s / 50.0, 0.1)), &[]),
        (
            "half of the tokens per second",
            with(|c| c.tokens = |s, n| n.around(if s < 300.0 { 4000.0 } else { 2000.0 }, 0.3)),
            &["throughput -5"],
        ),
        (
            "tokens per second that vary with the batches",
            with(|c| c.tokens = |s, n| n.around(if s % 3.0 == 0.0 { 900.0 } else { 4500.0 }, 0.3)),
            &[],
        ),
        ("a GPU at 95 %", with(|c| c.utilization = Some(|_, n| n.around(95.0, 0.05))), &[]),
        ("a GPU at 20 %", with(|c| c.utilization = Some(|_, n| n.around(20.0, 0.3))), &["GPU 2"]),
        (
            "a GPU that is idle between steps of 10 s",
            with(|c| {
                (c.steps, c.pace) = (200, 10.0);
                c.utilization = Some(|_, n| n.around(80.0, 0.2));
            }),
            &[],
        ),
        ("a disk that is full in 10 minutes", with(|c| c.disk = |s| 60.0 - s * 0.055), &["disk full in "]),
        ("a disk that is steady", with(|c| c.disk = |s| 3.0 + (s / 7.0).sin() * 0.1), &[]),
        ("a disk with checkpoints that are replaced", with(|c| c.disk = |s| 3.0 - (s / 100.0 % 2.0).floor()), &[]),
        ("a disk that outlasts the run", with(|c| c.disk = |s| 100.0 - s * 0.02), &[]),
        (
            "five steps",
            with(|c| {
                (c.steps, c.planned) = (5, 5);
                c.loss = |s, _| 7.0 * s;
            }),
            &[],
        ),
        ("one step", with(|c| (c.steps, c.planned) = (1, 1)), &[]),
    ];
    assert!(table.len() >= 20);
    let mut wrong = Vec::new();
    for (name, curves, expected) in table {
        let found = curves.badges();
        let as_expected =
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
        if !as_expected {
            wrong.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
