//! Tests of the fold: bounds, resumes, and one time axis.

use super::log::LINES;
use super::*;
use crate::protocol::{Gpu, SelectedTarget, TargetMass};

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
