//! A run that was interrupted goes on as if it had not been.

use std::fs;
use std::path::Path;

use finesift::Usage;
use finesift::protocol::{Command, Eval, Event, Mass, Phase, Reason, Reselected, Step};
use finesift::runs::{RunFolder, checkpoint, read_events};
use finesift::train::{CheckpointSelector, ResumeOptions};

use crate::place;
use crate::run::{complete, finish, resume, spawn, stopped_at, turn};
use crate::tiny::Tiny;

pub(crate) const NEWEST: ResumeOptions =
    ResumeOptions { from: CheckpointSelector::Newest, force: false, set: Vec::new() };

#[test]
fn a_resumed_run_has_the_numbers_of_the_uninterrupted_one() {
    let _turn = turn();
    // Stopped within an epoch, between probes and at the end of an accumulation; at an evaluated step; with each selection
    // method.
    for (case, dropout, more, sift, stops) in [
        ("dropout", 0.1, "epochs = 2\naccumulate = 2\nweight_decay = 0.1", "", &[3u64, 4][..]),
        ("magnitude", 0.1, "epochs = 2\neval_every = 4\nschedule = \"cosine\"", "select = \"magnitude\"", &[4, 11]),
        ("random", 0.0, "epochs = 2\nbatch = 16\nclip = 0.1", "select = \"random\"\ndecay = 0.5", &[1, 7]),
        ("columns", 0.0, "epochs = 1\nbatch = 16", "select = \"gallop\"\nstructure = \"columns\"", &[2]),
        ("rows", 0.1, "epochs = 1\nbatch = 16", "select = \"gradient_times_weight\"\nstructure = \"rows\"", &[2]),
        ("blocks", 0.0, "epochs = 1", "select = \"fisher\"\nbatches = 3\nstructure = \"blocks\"\nblock_size = 4", &[3]),
        ("rows_columns", 0.0, "epochs = 1", "select = \"lift\"\nlift_rank = 3\nstructure = \"rows_columns\"", &[3]),
        ("per_row", 0.0, "epochs = 1", "select = \"magnitude\"\nstructure = \"per_row\"", &[3]),
        ("checkpointing", 0.1, "epochs = 1\ngradient_checkpointing = true", "batches = 2\nbiases = false", &[5]),
        ("global", 0.0, "epochs = 1", "budget = \"global\"", &[4]),
        // Stopped before, at and after a step that selects again.
        ("again", 0.1, "epochs = 2\naccumulate = 2", "reselect_every = 2\ndecay = 0.3", &[1, 2, 5]),
        (
            "again, at random",
            0.0,
            "epochs = 2",
            "reselect_every = 4\nselect = \"random\"\nbudget = \"global\"",
            &[4, 9],
        ),
        ("columns again", 0.0, "epochs = 2", "reselect_every = 3\nstructure = \"columns\"\nbatches = 2", &[4]),
    ] {
        let tiny = Tiny::new(dropout);
        let preset = tiny.preset(more).replace("probe_every = 4", &format!("probe_every = 4\n{sift}"));
        let preset = if more.contains("batch") { preset.replace("batch = 8\n", "") } else { preset };
        let whole = complete(&tiny, &preset, "whole");
        let mut session = spawn(&tiny, &preset, "parts").unwrap();
        for stop in stops.iter().copied() {
            let (mut reached, mut stopping) = (0, false);
            while let Some(event) = session.blocking_next() {
                if let Event::Step(step) = event {
                    reached = step.step;
                    // A busy machine may have taken more steps by then.
                    if reached >= stop && !std::mem::replace(&mut stopping, true) {
                        // A pause must not change the numbers either.
                        session.send(Command::Pause);
                        session.send(Command::Stop { save: true });
                    }
                }
            }
            session.join().unwrap();
            assert!(reached >= stop, "{case}");
            session = resume(&tiny, "parts", NEWEST).unwrap();
        }
        let told = finish(session).unwrap();
        assert!(
            matches!(told.last(), Some(Event::Finished(finished)) if finished.reason == Reason::Completed),
            "{case}"
        );
        let parts = read_events(&tiny.path("runs/parts/events.jsonl")).unwrap();
        assert_eq!(numbers(&parts), numbers(&whole), "{case}");
        // Each step once, and the training time increases.
        let resumed = parts.iter().filter(|event| matches!(event, Event::Resumed(_))).count();
        assert_eq!(resumed, stops.len(), "{case}");
        let elapsed: Vec<f64> = steps(&parts).map(|step| step.elapsed).collect();
        assert!(elapsed.is_sorted(), "{case}: {elapsed:?}");
        assert!(steps(&parts).all(|step| step.eta.is_some()), "{case}");
        let end = |name: &str| state(&tiny.path("runs").join(name));
        assert!(end("parts") == end("whole"), "{case}: the last checkpoints differ");
    }
}

#[test]
fn a_run_resumes_from_its_best_or_any_checkpoint() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let preset =
        tiny.preset("epochs = 2\neval_every = 3").replace("[keep]", "[keep]\ncheckpoints = 9\nevery_steps = 4");
    let whole = complete(&tiny, &preset, "whole");
    let stop = || stopped_at(spawn(&tiny, &preset, "parts").unwrap(), 13, true);
    stop();
    let run = tiny.path("runs/parts");
    let wrong = finish(
        resume(&tiny, "parts", ResumeOptions { from: CheckpointSelector::Step(1), force: false, set: Vec::new() })
            .unwrap(),
    )
    .unwrap_err();
    assert!(
        wrong.is::<Usage>() && wrong.to_string().contains("no such checkpoint; the run has checkpoints of steps"),
        "{wrong}"
    );
    for go_to_best in [false, true] {
        // Which other checkpoints exist depends on the speed of the disk.
        let kept = checkpoint::list(&run.join("checkpoints")).unwrap();
        let earlier = kept.iter().rev().find(|kept| kept.step > 3).unwrap().step;
        let best = fs::read_link(run.join("best")).unwrap();
        let best: u64 = best.file_name().unwrap().to_str().unwrap().strip_prefix("step-").unwrap().parse().unwrap();
        let from = if go_to_best { CheckpointSelector::Best } else { CheckpointSelector::Step(earlier) };
        let told =
            finish(resume(&tiny, "parts", ResumeOptions { from, force: false, set: Vec::new() }).unwrap()).unwrap();
        let Some(Event::Resumed(resumed)) = told.iter().find(|event| matches!(event, Event::Resumed(_))) else {
            panic!("not told")
        };
        assert_eq!(resumed.step, if go_to_best { best } else { earlier });
        assert_eq!(numbers(&read_events(&run.join("events.jsonl")).unwrap()), numbers(&whole));
        // What the resume has dropped is in abandoned/.
        assert!(checkpoint::list(&run.join("abandoned")).unwrap().iter().any(|kept| kept.step >= 13));
        let complete = RunFolder::open(&tiny.path("runs"), "parts").unwrap();
        assert_eq!(complete.finished().map(|finished| finished.reason), Some(Reason::Completed));
        drop(complete);
        fs::remove_dir_all(&run).unwrap();
        stop();
    }
}

#[test]
fn a_run_without_a_checkpoint_starts_again() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let preset = tiny.preset("epochs = 1");
    let whole = complete(&tiny, &preset, "whole");
    stopped_at(spawn(&tiny, &preset, "parts").unwrap(), 2, false);
    finish(resume(&tiny, "parts", NEWEST).unwrap()).unwrap();
    assert_eq!(numbers(&read_events(&tiny.path("runs/parts/events.jsonl")).unwrap()), numbers(&whole));
}

#[test]
fn a_resume_with_other_settings_is_refused_and_changes_nothing() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    stopped_at(spawn(&tiny, &tiny.preset("epochs = 2"), "run").unwrap(), 3, true);
    let run = tiny.path("runs/run");
    let events = fs::read(run.join("events.jsonl")).unwrap();
    let files = ["runs/run/preset.toml", "texts.csv", "model/config.json", "model/model.safetensors"];
    let originals = files.map(|file| fs::read(tiny.path(file)).unwrap());
    let replaced = |file: usize, from: &str, to: &str| {
        let text = String::from_utf8(originals[file].clone()).unwrap();
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let mut weights = originals[3].clone();
    let last = weights.len() - 1;
    weights[last] ^= 1;
    for (file, content, force, message) in [
        (
            0,
            replaced(0, "rate = 0.05", "rate = 0.06"),
            true,
            "another experiment; start a new run instead: sift.rate was 0.05 and is 0.06",
        ),
        (0, replaced(0, "epochs = 2", "epochs = 3"), false, "train.epochs was 2 and is 3; --force resumes anyway"),
        (1, replaced(1, "w0 ", "w1 "), false, "examples have changed; --force resumes anyway"),
        (1, replaced(1, "w0 ", ""), false, "examples have changed; --force resumes anyway"),
        (2, replaced(2, "{", "{ "), false, "has changed; --force resumes anyway"),
        (3, weights, true, "are not those this run was started from"),
    ] {
        fs::write(tiny.path(files[file]), content).unwrap();
        let error = finish(
            resume(&tiny, "run", ResumeOptions { from: CheckpointSelector::Newest, force, set: Vec::new() }).unwrap(),
        )
        .unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
        assert_eq!(fs::read(run.join("events.jsonl")).unwrap(), events, "{message}");
        fs::write(tiny.path(files[file]), &originals[file]).unwrap();
    }
    // Settings without effect on the numbers may change, and --force allows some others.
    let preset = String::from_utf8(originals[0].clone()).unwrap();
    let preset = preset.replace("every_minutes = 0", "every_minutes = 7").replace("epochs = 2", "epochs = 3");
    fs::write(run.join("preset.toml"), preset).unwrap();
    let newest = checkpoint::list(&run.join("checkpoints")).unwrap().remove(0).path;
    let mut manifest = checkpoint::StoredCheckpoint::open(&newest).unwrap().manifest;
    let [here, elsewhere] = hardware();
    assert_eq!(std::mem::replace(&mut manifest.device, elsewhere.into()), here);
    fs::write(newest.join("checkpoint.json"), manifest.seal().unwrap()).unwrap();
    let told = finish(
        resume(&tiny, "run", ResumeOptions { from: CheckpointSelector::Newest, force: true, set: Vec::new() }).unwrap(),
    )
    .unwrap();
    let Some(Event::Finished(finished)) = told.last() else { panic!("{:?}", told.last()) };
    assert_eq!(finished.step, 27);
    for wanted in ["train.epochs was 2".into(), format!("computed on {elsewhere} before, on {here} now")] {
        let said = |event: &Event| matches!(event, Event::Log { message, .. } if message.contains(&wanted));
        assert!(told.iter().any(said), "{wanted}");
    }
}

#[test]
fn a_manifest_without_a_device_gives_no_warning() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    complete(&tiny, &tiny.preset("epochs = 1"), "run");
    let run = tiny.path("runs/run");
    fs::write(run.join("preset.toml"), tiny.preset("epochs = 2")).unwrap();
    let newest = checkpoint::list(&run.join("checkpoints")).unwrap().remove(0).path;
    let mut manifest = checkpoint::StoredCheckpoint::open(&newest).unwrap().manifest;
    manifest.device.clear();
    fs::write(newest.join("checkpoint.json"), manifest.seal().unwrap()).unwrap();
    let told = finish(
        resume(&tiny, "run", ResumeOptions { from: CheckpointSelector::Newest, force: true, set: Vec::new() }).unwrap(),
    )
    .unwrap();
    let Some(Event::Finished(finished)) = told.last() else { panic!("{:?}", told.last()) };
    assert_eq!(finished.step, 18);
    let said = |event: &Event| matches!(event, Event::Log { message, .. } if message.contains("computed on"));
    assert!(!told.iter().any(said));
    // New checkpoints have it.
    let newest = checkpoint::list(&run.join("checkpoints")).unwrap().remove(0).path;
    assert_eq!(checkpoint::StoredCheckpoint::open(&newest).unwrap().manifest.device, hardware()[0]);
}

#[test]
fn a_damaged_checkpoint_is_skipped_or_named() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("epochs = 2").replace("[keep]", "[keep]\nevery_steps = 2");
    let whole = complete(&tiny, &preset, "whole");
    stopped_at(spawn(&tiny, &preset, "run").unwrap(), 7, true);
    let kept = checkpoint::list(&tiny.path("runs/run/checkpoints")).unwrap();
    assert!(kept.len() >= 2, "{kept:?}");
    let state = kept[0].path.join("state.safetensors");
    let mut bytes = fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&state, bytes).unwrap();
    let wish = ResumeOptions { from: CheckpointSelector::Step(kept[0].step), force: false, set: Vec::new() };
    let error = finish(resume(&tiny, "run", wish).unwrap()).unwrap_err().to_string();
    let message =
        format!("its checksum does not match; the newest intact one is of step {0}: use --from {0}", kept[1].step);
    assert!(error.contains(&message), "{error}");
    let told = finish(resume(&tiny, "run", NEWEST).unwrap()).unwrap();
    let passed =
        |event: &Event| matches!(event, Event::Log { message, .. } if message.contains("skipped a damaged checkpoint"));
    assert!(told.iter().any(passed));
    assert_eq!(numbers(&read_events(&tiny.path("runs/run/events.jsonl")).unwrap()), numbers(&whole));
}

/// What a checkpoint says it was computed on, with the tests' device and with another.
fn hardware() -> [&'static str; 2] {
    let mut both = ["cpu, 1 threads", "cuda"];
    if place::device().is_cuda() {
        both.reverse();
    }
    both
}

/// The events that are the same in every repetition of a run.
pub(crate) fn numbers(events: &[Event]) -> Vec<Event> {
    let numbers = events.iter().filter_map(|event| match event.clone() {
        Event::Step(step) => Some(Event::Step(Step { tokens_per_second: 0.0, elapsed: 0.0, eta: None, ..step })),
        Event::Reselected(again) => Some(Event::Reselected(Reselected { seconds: 0.0, ..again })),
        Event::Selected(_) | Event::Eval(Eval { .. }) | Event::Mass(Mass { .. }) | Event::Memory(_) => {
            Some(event.clone())
        }
        Event::Phase { phase: Phase::Selecting } => Some(event.clone()),
        _ => None,
    });
    numbers.collect()
}

fn steps(events: &[Event]) -> impl Iterator<Item = &Step> {
    events.iter().filter_map(|event| if let Event::Step(step) = event { Some(step) } else { None })
}

/// The tensors of the newest checkpoint of a run.
pub(crate) fn state(run: &Path) -> Vec<u8> {
    let newest = &checkpoint::list(&run.join("checkpoints")).unwrap()[0];
    checkpoint::StoredCheckpoint::open(&newest.path).unwrap().read(checkpoint::STATE).unwrap()
}
