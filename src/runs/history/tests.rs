//! Tests of the fold: bounds, resumes, and one time axis.

use super::log::LINES;
use super::*;
use crate::protocol::{Gpu, RankSample, Ranks, SelectedTarget, TargetMass};

/// Bytes of all curves, including spare capacity.
fn bytes(run: &History) -> usize {
    let machine = &run.machine;
    let averaged = [&run.loss, &run.grad_norm, &run.throughput];
    let averaged = averaged.into_iter().flat_map(|curve| [&curve.raw, &curve.light, &curve.strong]);
    let plain = [
        &run.learning_rate,
        &run.eval_loss,
        &run.mass,
        &run.overlap,
        &run.changed,
        &run.memory,
        &run.checkpointed,
        &machine.process_cpu,
        &machine.cpu,
        &machine.rss,
        &machine.used,
        &machine.disk_free,
        &machine.gpu_memory,
        &machine.gpu_process,
        &machine.utilization,
        &machine.temperature,
        &machine.power,
        &run.ranks.slowest,
        &run.ranks.median,
        &run.ranks.longest_wait,
        &run.ranks.mean_wait,
    ];
    let targets = run.targets.all.iter().flat_map(|target| [&target.mass, &target.update, &target.reselected]);
    let series = averaged.chain(plain).chain(run.scores.values()).chain(targets);
    let curves: usize = series.map(|series| series.buckets().len().next_power_of_two() * 64).sum();
    let texts: usize = run.log.iter().map(|line| line.text.len() + size_of::<LogLine>()).sum();
    curves + texts
}

/// A full curve merges its buckets, so 10 million steps take what 20,000 take.
#[test]
fn a_long_run_of_a_large_model_takes_little_memory() {
    let mut run = History::default();
    let names: Vec<String> = (0..80)
        .flat_map(|layer| ["q", "k", "v", "o", "gate", "up", "down"].map(|part| format!("m.{layer}.{part}.weight")))
        .collect();
    let target = |name: &String| SelectedTarget { name: name.clone(), shape: vec![8192, 8192], selected: 536_871 };
    let targets = names.iter().map(target).collect();
    run.apply(Event::Selected(Selected { total: 1, of: 1, dense: 1, targets }));
    let mut sizes = Vec::new();
    for step in 1..=20_000 {
        let value = step as f64;
        run.apply(Event::Step(Step {
            step,
            epoch: 0.0,
            loss: value,
            learning_rate: value,
            grad_norm: value,
            tokens_per_second: value,
            elapsed: value,
            eta: None,
        }));
        let gpu = Gpu { power: value, temperature: 1.0, process_memory: Some(step), ..Gpu::default() };
        run.apply(Event::System(System { at: value, gpu: Some(gpu), disk_free: Some(1), ..System::default() }));
        if step % 10 == 0 {
            run.apply(Event::Ranks(ranks(step, &[1.0; 64])));
        }
        run.apply(Event::info("x".repeat(200)));
        if step % 10 == 0 {
            let measured = |name: &String| TargetMass { name: name.clone(), mass: value, update: Some(value) };
            let targets = names.iter().map(measured).collect();
            run.apply(Event::Mass(Mass { step, overall: value, targets }));
            let (total, targets) = (step, vec![step; names.len()]);
            run.apply(Event::Reselected(Reselected { step, total, kept: 1, changed: 1, seconds: 0.0, targets }));
        }
        if step % 10_000 == 0 {
            sizes.push(bytes(&run));
        }
    }
    assert!(sizes[1] < 32 << 20, "{} bytes", sizes[1]);
    assert!(sizes[1] <= sizes[0] * 11 / 10, "memory grows: {sizes:?}");
}

/// A sample of ranks that compute for so many seconds of each step, the longest of which they all wait for.
fn ranks(step: u64, compute: &[f64]) -> Ranks {
    let slowest = compute.iter().copied().fold(0.0, f64::max);
    let rank = |compute: &f64| RankSample {
        step,
        step_seconds: slowest,
        wait_seconds: slowest - compute,
        tokens_per_second: 100.0,
        ..RankSample::default()
    };
    Ranks { at: step as f64, ranks: compute.iter().map(rank).collect() }
}

fn taken(step: u64) -> Event {
    let value = step as f64;
    let (learning_rate, grad_norm, tokens_per_second, elapsed) = (1.0, 1.0, 1.0, value);
    Event::Step(Step { step, epoch: 0.0, loss: 1.0, learning_rate, grad_norm, tokens_per_second, elapsed, eta: None })
}

#[test]
fn ranks_have_curves_and_a_resume_drops_their_samples() {
    let mut run = History::default();
    for step in 1..=20 {
        run.apply(taken(step));
        run.apply(Event::System(System { at: step as f64, ..System::default() }));
        run.apply(Event::Ranks(ranks(step, &[0.1, 0.1, 0.2])));
    }
    assert_eq!([run.ranks.slowest.last(), run.ranks.median.last()], [Some(0.2), Some(0.1)]);
    assert_eq!(run.ranks.longest_wait.last(), Some(50.0));
    assert_eq!((run.ranks.slowest_rank(), run.ranks.stragglers.len()), (Some(2), 1));
    let resumed = r#"{"event":"resumed","run":"r","step":12,"steps":20,"checkpoint":"c","elapsed":12.0,"device":"cpu",
        "ranks":2,"version":"0"}"#;
    run.apply(serde_json::from_str(resumed).unwrap());
    assert_eq!(run.ranks.slowest.last_at(), Some(At { step: 12.0, time: 12.0 }));
    assert!(run.ranks.samples.is_empty() && run.ranks.stragglers.is_empty());
    run.apply(Event::Ranks(ranks(13, &[0.1, 0.2])));
    assert_eq!((run.ranks.samples.len(), run.ranks.stragglers.len()), (2, 0));
    // A summary has none.
    let mut summary = History::summary();
    summary.apply(Event::Ranks(ranks(13, &[0.1, 0.2])));
    assert!(summary.ranks.samples.is_empty());
}

#[test]
fn a_resume_names_the_devices_that_train_from_then_on() {
    let mut run = History::default();
    run.apply(serde_json::from_str(STARTED).unwrap());
    let resumed = r#"{"event":"resumed","run":"r","step":1,"steps":2,"checkpoint":"c","elapsed":1.0,"device":"cpu",
        "device_note":"n","ranks":2,"version":"0"}"#;
    run.apply(serde_json::from_str(resumed).unwrap());
    let started = run.started.unwrap();
    assert_eq!((started.devices(None), started.device_note.as_str()), ("2 x cpu".into(), "n"));
}

const STARTED: &str = r#"{"event":"started","run":"r","preset":"p","model":"m","data":"d","device":"cuda:0","dtype":"bf16",
    "examples":1,"eval_examples":1,"steps":2,"epochs":1.0,"batch":1,"rate":0.1,"select":"gradient","parameters":1,
    "best":"accuracy","version":"0"}"#;

/// Where a step takes longer than a second, most samples have none.
#[test]
fn the_times_of_a_rank_remain_between_its_steps_but_not_in_a_pause() {
    let mut run = History::default();
    let shown = |run: &History| run.ranks.samples.iter().map(|rank| rank.step_seconds).collect::<Vec<_>>();
    run.apply(Event::Ranks(Ranks { at: 10.0, ..ranks(1, &[3.0, 2.0]) }));
    let idle = |at: f64| Event::Ranks(Ranks { at, ranks: vec![RankSample { step: 1, ..RankSample::default() }; 2] });
    for at in [11.0, 14.0, 17.0] {
        run.apply(idle(at));
        assert_eq!(shown(&run), [3.0, 3.0], "at {at}");
    }
    run.apply(idle(17.5));
    assert_eq!(shown(&run), [0.0, 0.0]);
    run.apply(idle(11.0));
    assert_eq!(shown(&run), [0.0, 0.0], "they do not come back");
    assert_eq!(run.ranks.slowest.points(), 1, "what is shown again is no new measurement");
}

/// Ranks whose steps end in different samples: the curves are of all ranks nevertheless.
#[test]
fn curves_of_ranks_are_of_all_of_them() {
    let mut run = History::default();
    run.apply(Event::Ranks(ranks(1, &[3.0, 2.0])));
    let mut next = Ranks { at: 2.0, ..ranks(2, &[3.0, 2.0]) };
    next.ranks[1].step = 1;
    run.apply(Event::Ranks(next.clone()));
    let longest = |run: &History| run.ranks.longest_wait.last().unwrap().round();
    assert_eq!((longest(&run), run.ranks.slowest.points()), (33.0, 2));
    // One that does not respond is left out.
    next.ranks[0].step = 3;
    next.ranks[1].age = 60.0;
    run.apply(Event::Ranks(next));
    assert_eq!((longest(&run), run.ranks.slowest.points()), (0.0, 3));
}

#[test]
fn a_rewind_restores_the_selection_before_it() {
    let mut run = History::default();
    let target = |name: &str| SelectedTarget { name: name.into(), shape: vec![10, 10], selected: 5 };
    run.apply(Event::Selected(Selected { total: 10, of: 200, dense: 0, targets: vec![target("a"), target("b")] }));
    let again = |step, targets: [u64; 2]| {
        let targets = targets.to_vec();
        Event::Reselected(Reselected { step, total: 10, kept: step / 10, changed: 10 + step, seconds: 0.0, targets })
    };
    let selected = |run: &History| {
        let of_targets: Vec<u64> = run.targets.all.iter().map(TargetHistory::selected).collect();
        (run.selected.as_ref().unwrap().targets.iter().map(|target| target.selected).collect::<Vec<_>>(), of_targets)
    };
    let both = |counts: [u64; 2]| (counts.to_vec(), counts.to_vec());
    run.apply(again(20, [10, 0]));
    run.apply(again(40, [3, 7]));
    assert_eq!((selected(&run), run.overlap.last(), run.changed.last()), (both([3, 7]), Some(40.0), Some(50.0)));
    run.rewind(30);
    assert_eq!((selected(&run), run.overlap.last(), run.changed.last()), (both([10, 0]), Some(20.0), Some(30.0)));
    run.rewind(10);
    assert_eq!((selected(&run), run.overlap.last(), run.changed.last()), (both([5, 5]), None, None));
    assert_eq!(run.targets.all[1].density(), 5.0);
}

#[test]
fn a_resumed_run_has_not_ended_and_is_not_paused() {
    let mut run = History::default();
    run.apply(Event::Phase { phase: Phase::Paused });
    run.apply(Event::Failed { error: "x".into(), checkpoint: None });
    assert!(run.held && run.end.is_some());
    let resumed = r#"{"event":"resumed","run":"r","step":1,"steps":2,"checkpoint":"c","elapsed":1.0,"device":"cpu","version":"0"}"#;
    run.apply(serde_json::from_str(resumed).unwrap());
    assert!(!run.held && run.end.is_none());
}

#[test]
fn log_lines_keep_their_number_and_time() {
    let mut run = History::default();
    run.apply(Event::System(System { at: 62.0, ..System::default() }));
    for number in 0..LINES + 5 {
        run.apply(Event::info(number.to_string()));
    }
    let (first, last) = (run.log.front().unwrap(), run.log.back().unwrap());
    assert_eq!((first.number, first.text.as_str(), first.at), (5, "5", 62.0));
    assert_eq!((run.log.len(), last.number), (LINES, LINES as u64 + 4));
}

#[test]
fn a_run_that_starts_again_keeps_only_its_log() {
    let mut history = History::default();
    let started = r#"{"event":"started","run":"r","preset":"p","model":"m","data":"d","device":"cpu","dtype":"f32","examples":1,
        "eval_examples":1,"steps":9,"epochs":1.0,"batch":1,"rate":0.1,"select":"gradient","parameters":1,"best":"f1","version":"0"}"#;
    let started: Event = serde_json::from_str(started).unwrap();
    let step = |step| Step {
        step,
        epoch: 0.0,
        loss: 1.0,
        learning_rate: 1.0,
        grad_norm: 1.0,
        tokens_per_second: 1.0,
        elapsed: 10.0,
        eta: None,
    };
    let sample = |at| Event::System(System { at, ..System::default() });
    let eval = Eval {
        step: 0,
        epoch: 0.0,
        loss: 1.0,
        scores: BTreeMap::from([("f1".into(), 0.5)]),
        best: true,
        patience: None,
    };
    let events = [started.clone(), Event::Eval(eval), Event::Step(step(1)), sample(20.0), Event::info("x")];
    events.into_iter().for_each(|event| history.apply(event));
    assert!(history.best().is_some() && history.memory.points() == 1);
    history.apply(started);
    assert_eq!((history.taken, history.steps, history.elapsed(), history.log.len()), (0, 9, 0.0, 2));
    assert!(history.step.is_none() && history.best().is_none() && history.scores.is_empty());
    history.apply(sample(1.0));
    assert_eq!(history.memory.last_at().map(|at| at.time), Some(1.0));
    history.apply(Event::info("y"));
    assert!(history.log.iter().is_sorted_by(|a, b| a.at <= b.at));
}
