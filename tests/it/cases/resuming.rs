//! Training a run for longer, stopping it early, and the order of its examples.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command as Program, Stdio};

use finesift::Usage;
use finesift::data::{BatchSampler, ShortBatch};
use finesift::protocol::{Command, Eval, Event, Finished, Reason, Step};
use finesift::runs::checkpoint::{self, StoredCheckpoint};
use finesift::runs::{History, RunEnd, read_events};
use finesift::train::CheckpointSelector::{self, Newest};

use crate::place;
use crate::pty::Pty;
use crate::resume::{NEWEST, numbers, state};
use crate::run::{complete, finish, resume, resume_with, spawn, stopped_at, turn};
use crate::tiny::Tiny;

/// 75 training examples in batches of 8: an epoch ends with a short one.
fn tiny() -> Tiny {
    let tiny = Tiny::new(0.1);
    tiny.write_texts(100);
    tiny
}

fn events(tiny: &Tiny, run: &str) -> Vec<Event> {
    read_events(&tiny.path("runs").join(run).join("events.jsonl")).unwrap()
}

fn steps(events: &[Event]) -> Vec<&Step> {
    events.iter().filter_map(|event| if let Event::Step(step) = event { Some(step) } else { None }).collect()
}

fn evals(events: &[Event]) -> Vec<&Eval> {
    events.iter().filter_map(|event| if let Event::Eval(eval) = event { Some(eval) } else { None }).collect()
}

fn log(events: &[Event]) -> String {
    let lines =
        events.iter().filter_map(|event| if let Event::Log { message, .. } = event { Some(message) } else { None });
    lines.map(|line| format!("{line}\n")).collect()
}

fn finished(events: &[Event]) -> &Finished {
    match events.last() {
        Some(Event::Finished(finished)) => finished,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_epochs_and_two_more_are_four_bit_for_bit() {
    let _turn = turn();
    let tiny = tiny();
    let preset = |epochs: u64| {
        tiny.preset(&format!(
            "epochs = {epochs}\nschedule = \"constant\"\nwarmup = 0\naccumulate = 2\nweight_decay = 0.1"
        ))
    };
    let whole = complete(&tiny, &preset(4), "whole");
    complete(&tiny, &preset(2), "parts");
    let told = finish(resume_with(&tiny, "parts", Newest, &["train.epochs=4"]).unwrap()).unwrap();
    let parts = events(&tiny, "parts");
    assert_eq!(numbers(&parts), numbers(&whole));
    assert_eq!(steps(&parts).len(), 20);
    assert!(state(&tiny.path("runs/parts")) == state(&tiny.path("runs/whole")), "the last checkpoints differ");
    let said = log(&told);
    assert!(said.contains("train.epochs was 2 and is 4\n"), "{said}");
    let schedule = "training to step 20 instead of 10; the schedule continues as that of a run of 20 steps (constant): the \
                    learning rate stays at 1e-3 at step 11\n";
    assert!(said.contains(schedule), "{said}");
    // The first end no longer counts, and the axes go on.
    assert_eq!(parts.iter().filter(|event| event.is_last()).count(), 1);
    let mut history = History::default();
    parts.into_iter().for_each(|event| history.apply(event));
    let started = history.started.as_ref().unwrap();
    assert_eq!((history.steps, started.steps, started.epochs, history.taken), (20, 20, 4.0, 20));
    assert!(matches!(&history.end, Some(RunEnd::Finished(finished)) if finished.reason == Reason::Completed));
    let times: Vec<f64> = history.loss.raw.buckets().iter().map(|bucket| bucket.last.time).collect();
    assert!(times.is_sorted() && times.len() == 20, "{times:?}");
    // The run's preset is the new one, and the earlier one is kept.
    let read = |file: &str| fs::read_to_string(tiny.path("runs/parts").join(file)).unwrap();
    assert!(
        read("preset.toml").contains("epochs = 4") && read("abandoned/preset-00000010.toml").contains("epochs = 2")
    );
}

#[test]
fn a_decayed_learning_rate_goes_on_as_in_the_longer_run() {
    let _turn = turn();
    let tiny = tiny();
    for schedule in ["linear", "cosine"] {
        let preset = |epochs: u64| tiny.preset(&format!("epochs = {epochs}\nschedule = \"{schedule}\""));
        let [whole, parts] = ["whole", "parts"].map(|name| format!("{schedule}-{name}"));
        let whole = complete(&tiny, &preset(4), &whole);
        complete(&tiny, &preset(2), &parts);
        let told = finish(resume_with(&tiny, &parts, Newest, &["train.epochs=4"]).unwrap()).unwrap();
        let rates = |events: &[Event]| steps(events).iter().map(|step| step.learning_rate).collect::<Vec<_>>();
        assert_eq!(rates(&events(&tiny, &parts))[20..], rates(&whole)[20..]);
        let rate = if schedule == "linear" { "5.41e-4" } else { "5.64e-4" };
        let line = format!("({schedule}): the learning rate goes from 0 to {rate} at step 21\n");
        assert!(log(&told).contains(&line), "{}", log(&told));
    }
}

#[test]
fn a_longer_run_that_is_killed_before_its_first_checkpoint_stays_longer() {
    let _turn = turn();
    let tiny = tiny();
    let preset = |epochs: u64| tiny.preset(&format!("epochs = {epochs}\nschedule = \"constant\"\nwarmup = 0"));
    let whole = complete(&tiny, &preset(3), "whole");
    complete(&tiny, &preset(2), "parts");
    stopped_at(resume_with(&tiny, "parts", Newest, &["train.epochs=3"]).unwrap(), 22, false);
    // Without --set and without --force.
    finish(resume(&tiny, "parts", NEWEST).unwrap()).unwrap();
    assert_eq!(numbers(&events(&tiny, "parts")), numbers(&whole));
}

#[test]
fn a_run_is_trained_for_longer_from_its_best_checkpoint_with_another_learning_rate() {
    let _turn = turn();
    let tiny = tiny();
    complete(&tiny, &tiny.preset("epochs = 2\neval_every = 7"), "run");
    let best = fs::read_link(tiny.path("runs/run/best")).unwrap();
    let best: u64 = best.file_name().unwrap().to_str().unwrap().strip_prefix("step-").unwrap().parse().unwrap();
    let set =
        ["train.max_steps=30", "train.epochs=9", "train.learning_rate=2e-3", "keep.checkpoints=5", "train.patience=50"];
    let told = finish(resume_with(&tiny, "run", CheckpointSelector::Best, &set).unwrap()).unwrap();
    let Some(Event::Resumed(resumed)) = told.iter().find(|event| matches!(event, Event::Resumed(_))) else {
        panic!("not resumed")
    };
    assert_eq!((resumed.step, resumed.steps, resumed.patience.map(|patience| patience.of)), (best, 30, Some(50)));
    assert_eq!((finished(&told).step, finished(&told).reason), (30, Reason::Completed));
    for key in ["train.max_steps was the default and is 30", "train.learning_rate was 0.001 and is 0.002"] {
        assert!(log(&told).contains(key), "{}", log(&told));
    }
    // What was set needs no --force later either.
    let kept = checkpoint::list(&tiny.path("runs/run/checkpoints")).unwrap();
    let from = kept.iter().find(|kept| kept.step < 30 && kept.step > best).map_or(best, |kept| kept.step);
    let again =
        finish(resume_with(&tiny, "run", CheckpointSelector::Step(from), &["train.patience=0"]).unwrap()).unwrap();
    assert_eq!(finished(&again).step, 30);
}

#[test]
fn what_leaves_nothing_to_train_or_is_another_run_is_refused_and_changes_nothing() {
    let _turn = turn();
    let tiny = tiny();
    complete(&tiny, &tiny.preset("epochs = 2\npatience = 9"), "run");
    let run = tiny.path("runs/run");
    let read = || ["events.jsonl", "preset.toml"].map(|file| fs::read_to_string(run.join(file)).unwrap());
    let before = read();
    for (set, message) in [
        (
            &["train.epochs=1"][..],
            "train.epochs = 1, which is 10 steps, leaves nothing to train: the checkpoint has taken 20 steps (2.00 epochs). Set a larger one",
        ),
        (&["keep.checkpoints=3"], "train.epochs = 2, which is 20 steps, leaves nothing to train"),
        (&["train.epochs=5", "train.max_steps=20"], "train.max_steps = 20 leaves nothing to train"),
        (
            &["train.epochs=5", "sift.rate=0.5"],
            "another experiment; start a new run instead: sift.rate was 0.05 and is 0.5",
        ),
        (
            &["train.epochs=5", "train.seed=1"],
            "another experiment; start a new run instead: train.seed was the default and is 1",
        ),
    ] {
        let error = finish(resume_with(&tiny, "run", Newest, set).unwrap()).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains(message), "{set:?}: {error}");
        assert!(read() == before && !run.join("abandoned").exists(), "{set:?}");
    }
    // Another key that was changed by hand still needs --force.
    fs::write(run.join("preset.toml"), before[1].replace("[train]", "[train]\nclip = 0.5")).unwrap();
    let error = finish(resume_with(&tiny, "run", Newest, &["train.epochs=3"]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("train.clip was the default and is 0.5; --force resumes anyway"), "{error}");
}

#[test]
fn a_run_stops_early_and_a_resumed_one_at_the_same_evaluation() {
    let _turn = turn();
    let tiny = tiny();
    // Nothing improves after the first evaluation.
    let preset = |patience: u64| {
        let more = format!("epochs = 5\neval_every = 3\nschedule = \"constant\"\npatience = {patience}");
        tiny.preset(&more).replace("learning_rate = 1e-3", "learning_rate = 1e-12")
    };
    let whole = complete(&tiny, &preset(3), "whole");
    assert_eq!((finished(&whole).reason, finished(&whole).step), (Reason::EarlyStopped, 12));
    let left: Vec<u64> = evals(&whole).iter().map(|eval| eval.patience.unwrap().left).collect();
    assert_eq!(left, [3, 2, 1, 0]);
    let score = evals(&whole)[0].scores["accuracy"];
    let line = format!("early stopping: accuracy has not improved on {score:.4} (step 3) for 3 evaluations\n");
    assert!(log(&whole).contains(&line), "{}", log(&whole));

    // Stopped between two evaluations, after some that count; evaluating by hand counts for nothing.
    let mut session = spawn(&tiny, &preset(3), "parts").unwrap();
    let mut reached = 0;
    while let Some(event) = session.blocking_next() {
        if let Event::Step(step) = event {
            reached = step.step;
            if reached == 7 {
                session.send(Command::Pause);
                session.send(Command::Evaluate);
                session.send(Command::Stop { save: true });
            }
        }
    }
    session.join().unwrap();
    assert!((7..9).contains(&reached), "{reached}");
    let told = finish(resume(&tiny, "parts", NEWEST).unwrap()).unwrap();
    assert_eq!((finished(&told).reason, finished(&told).step), (Reason::EarlyStopped, 12));
    let Some(Event::Resumed(resumed)) = told.iter().find(|event| matches!(event, Event::Resumed(_))) else {
        panic!("not resumed")
    };
    assert_eq!(resumed.patience.map(|patience| patience.left), Some(2));
    let scheduled: Vec<Event> = numbers(&events(&tiny, "parts"))
        .into_iter()
        .filter(|event| !matches!(event, Event::Eval(eval) if eval.step % 3 != 0))
        .collect();
    assert_eq!(scheduled, numbers(&whole));

    // With more patience, or without, it trains on; with the same it would end at once.
    let error = finish(resume_with(&tiny, "parts", Newest, &["train.epochs=9"]).unwrap()).unwrap_err();
    let message =
        "train.patience = 3 stops the run at once: the checkpoint has 3 evaluations without improvement. Set a larger";
    assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
    let told = finish(resume_with(&tiny, "parts", Newest, &["train.patience=5"]).unwrap()).unwrap();
    assert_eq!((finished(&told).reason, finished(&told).step), (Reason::EarlyStopped, 18));
    let told = finish(resume_with(&tiny, "parts", Newest, &["train.patience=0"]).unwrap()).unwrap();
    assert_eq!((finished(&told).reason, finished(&told).step), (Reason::Completed, 50));
}

#[test]
fn the_loss_decides_and_lower_is_better() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("epochs = 4\nlearning_rate = 5e-3\npatience = 2").replace("learning_rate = 1e-3\n", "");
    let told = complete(&tiny, &preset.replace("[keep]", "[keep]\nbest = \"loss\""), "run");
    let mut least = f64::INFINITY;
    for eval in evals(&told) {
        assert_eq!(eval.best, eval.loss < least, "{eval:?}");
        least = least.min(eval.loss);
    }
    let best = finished(&told).best.as_ref().unwrap();
    assert_eq!(best.loss, least);
    assert!(evals(&told).iter().filter(|eval| eval.best).count() > 1, "the loss falls");
    let stored = StoredCheckpoint::open(&tiny.path("runs/run/best")).unwrap();
    assert_eq!(stored.manifest.step, best.step);
    let mut history = History::default();
    told.iter().cloned().for_each(|event| history.apply(event));
    let summary = finesift::runs::Summary::of(&history);
    assert_eq!(summary.best().map(|best| (best.name, best.score)), Some(("loss", least)));
}

#[test]
fn the_short_batch_differs_from_epoch_to_epoch() {
    // One of 33 examples is far longer than all others.
    let lengths: Vec<usize> = (0..33).map(|row| if row == 12 { 90 } else { 5 + row % 6 }).collect();
    let sampler = BatchSampler::new(lengths, 8, 42);
    let alone: Vec<Vec<usize>> = (0..200).map(|epoch| sampler.epoch(epoch).pop().unwrap()).collect();
    assert!(alone.iter().all(|batch| batch.len() == 1));
    let different: BTreeSet<usize> = alone.concat().into_iter().collect();
    assert_eq!(different.len(), 33, "every example is alone in some epoch");
    assert!(alone.windows(2).filter(|pair| pair[0] == pair[1]).count() < 20);
    assert!(alone.iter().filter(|batch| batch[..] == [12]).count() < 20);
}

#[test]
fn a_run_that_an_earlier_version_began_keeps_its_order() {
    let _turn = turn();
    let tiny = tiny();
    let preset = tiny.preset("epochs = 2");
    let mut losses = Vec::new();
    for (name, short_batch) in [("earlier", ShortBatch::Longest), ("now", ShortBatch::Random)] {
        stopped_at(spawn(&tiny, &preset, name).unwrap(), 3, true);
        let newest = || checkpoint::list(&tiny.path("runs").join(name).join("checkpoints")).unwrap().remove(0).path;
        let mut manifest = StoredCheckpoint::open(&newest()).unwrap().manifest;
        assert_eq!(manifest.short_batch, ShortBatch::Random);
        manifest.short_batch = short_batch;
        fs::write(newest().join("checkpoint.json"), manifest.seal().unwrap()).unwrap();
        let told = finish(resume(&tiny, name, NEWEST).unwrap()).unwrap();
        losses.push(steps(&told).iter().map(|step| step.loss).collect::<Vec<f64>>());
        assert_eq!(StoredCheckpoint::open(&newest()).unwrap().manifest.short_batch, short_batch);
    }
    assert_ne!(losses[0], losses[1]);
}

#[test]
fn a_run_whose_output_cannot_be_written_is_not_lost() {
    let tiny = tiny();
    fs::write(tiny.path("tiny.toml"), tiny.preset("epochs = 1")).unwrap();
    let train = |name: &str, stdout: Stdio, format: &str| {
        let mut command = Program::new(place::program());
        command.current_dir(tiny.path("")).env("OMP_NUM_THREADS", "1").env_remove("FINESIFT_RUNS");
        command.args(["train", "tiny.toml", "--device", "cpu", "--run", name, format]).stdin(Stdio::null());
        let output = command.stdout(stdout).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(finished(&events(&tiny, name)).reason, Reason::Completed, "{name}");
        String::from_utf8(output.stderr).unwrap()
    };
    let full = || fs::File::options().write(true).open("/dev/full").unwrap().into();
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer.into()
    };
    let continues = "training continues, and all events are in the run's events.jsonl";
    for (name, stdout, said) in [("full", full(), "No space left on device"), ("closed", closed(), "Broken pipe")] {
        let stderr = train(name, stdout, "--json");
        let first = stderr.lines().next().unwrap_or_default();
        assert!(first.contains(said) && first.ends_with(continues), "{stderr}");
        // Nobody reads a closed pipe, so the end needs no message.
        assert_eq!(stderr.lines().count(), if name == "full" { 2 } else { 1 }, "{stderr}");
    }
    let stderr = train("summary", full(), "--headless");
    assert!(stderr.ends_with("cannot write to stdout: No space left on device (os error 28)\n"), "{stderr}");
}

#[test]
fn the_screens_train_a_completed_run_for_longer_and_show_the_patience() {
    let tiny = tiny();
    let preset = tiny.preset("epochs = 1\neval_every = 5\npatience = 2");
    fs::write(tiny.path("tiny.toml"), preset.replace("learning_rate = 1e-3", "learning_rate = 1e-12")).unwrap();
    for (columns, rows) in [(80, 24), (120, 40), (200, 60)] {
        let run = format!("run-{columns}");
        let arguments = ["train", "tiny.toml", "--device", "cpu", "--run", &run];
        let mut pty = Pty::start_with(columns, rows, &tiny.path(""), &arguments, &[("OMP_NUM_THREADS", "1")]);
        // The first evaluation is the best, the second no better.
        pty.wait_for(&["● completed", "step 10/10", "patience 1/2"]);
        pty.press("R");
        let listed = |steps: &'static str| {
            let run = run.clone();
            move |screen: &vt100::Screen| {
                let contents = screen.contents();
                // The line of the list, not the first one with the run of this process.
                contents.lines().any(|line| ["▌", "✔", &run, steps].iter().all(|word| line.contains(word)))
            }
        };
        pty.wait_until("the run's end in the list", listed("10/10"));
        pty.press("r");
        pty.wait_for(&["Train for longer", "has completed 10 steps", "train.epochs=2_"]);
        pty.press("\u{15}train.epochs=9\r");
        pty.wait_for(&["● early-stopped", "step 15/90", "epoch 1.50/9", "patience 0/2"]);
        pty.press("6");
        if rows > 24 {
            pty.wait_for(&["epochs = 9"]);
        }
        pty.press("R");
        pty.wait_until("the run's second end in the list", listed("15/90"));
        pty.press("r");
        pty.wait_for(&["has stopped early after 15 steps", "train.patience=0_"]);
        pty.press("\u{1b}");
        pty.wait_until("the list alone", |screen| !screen.contents().contains("Train for longer"));
        pty.press("q");
        let (status, text) = pty.wait_exit();
        assert_eq!(status, 0, "{text}");
        assert!(text.contains("early-stopped after 15 steps"), "{text}");
    }
}
