//! Whole training runs through the session, without a terminal.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use finesift::chat::{ChatModel, CompletionEnd, LoadedChatModel, Settings, Weights};
use finesift::data::instruct::Message;
use finesift::delta::WeightDelta;
use finesift::distributed::{Ranks, World};
use finesift::hub::Hub;
use finesift::model::{Head, LoadOptions, Network};
use finesift::preset::Preset;
use finesift::protocol::{Command, Event, Phase, Reason};
use finesift::runs::checkpoint::{self, StoredCheckpoint};
use finesift::runs::{Disk, EventLog, RealDisk, RunFolder, read_events};
use finesift::session::{Port, Session};
use finesift::train::{CheckpointSelector, Job, ResumeOptions, run};

use crate::hub_server::HubServer;
use crate::place;
use crate::tiny::{self, Tiny};

/// libtorch has one random generator per process, so training tests take turns.
static GENERATOR: Mutex<()> = Mutex::new(());

pub(crate) fn turn() -> MutexGuard<'static, ()> {
    GENERATOR.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[test]
fn a_run_reports_its_events_in_order_and_writes_them_to_disk() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let events = complete(&tiny, &tiny.preset("epochs = 2"), "whole");
    let names: Vec<String> = events
        .iter()
        // Checkpoints are written off the training thread, so their place among the steps varies.
        .filter(|event| {
            !matches!(event, Event::Progress(_) | Event::System(_) | Event::Log { .. } | Event::Checkpointed { .. })
        })
        .map(name)
        .collect();
    let step = |n: usize| vec!["step".to_owned(); n];
    let expected = [
        vec![
            "preparing".into(),
            "started".into(),
            "selecting".into(),
            "selected".into(),
            "memory".into(),
            "mass".into(),
            "structures".into(),
            "training".into(),
        ],
        step(4),
        vec!["mass".into()],
        step(4),
        vec!["mass".into()],
        step(1),
        vec!["evaluating".into(), "eval".into(), "examples".into(), "training".into()],
    ]
    .concat();
    assert_eq!(names[..expected.len()], expected);
    let Some(Event::Finished(finished)) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!((finished.reason, finished.step), (Reason::Completed, 18));

    let started =
        events.iter().find_map(|event| if let Event::Started(started) = event { Some(started) } else { None }).unwrap();
    assert_eq!((started.examples, started.eval_examples, started.steps, started.batch), (72, 24, 18, 8));
    assert_eq!(started.clip, Some(1.0));
    let selected = events
        .iter()
        .find_map(|event| if let Event::Selected(selected) = event { Some(selected) } else { None })
        .unwrap();
    // 2 layers of 4 weights of 64 x 64 and their biases.
    assert_eq!((selected.total, selected.of, selected.dense), (2 * 4 * (205 + 4), 2 * 4 * (4096 + 64), 130));
    let least = 16 * selected.total + 12 * selected.dense;
    for event in &events {
        if let Event::Checkpointed { bytes, .. } = event {
            assert!((least..least + (64 << 10)).contains(bytes), "{bytes}");
        }
    }
    let eval = events
        .iter()
        .rev()
        .find_map(|event| if let Event::Eval(eval) = event { Some(eval.clone()) } else { None })
        .unwrap();
    assert_eq!(eval.scores.keys().collect::<Vec<_>>(), ["accuracy", "f1"]);
    let examples = events.iter().rev().find_map(|event| match event {
        Event::Examples(examples) => Some(examples),
        _ => None,
    });
    let examples = examples.unwrap();
    assert_eq!((examples.step, examples.of, examples.examples.len()), (eval.step, 24, 24));
    assert!(examples.examples.is_sorted_by(|a, b| a.loss >= b.loss), "highest loss first");
    let mean = examples.examples.iter().map(|example| example.loss).sum::<f64>() / 24.0;
    assert!((mean - eval.loss).abs() < 1e-5, "{mean} against {}", eval.loss);
    let wrong = examples.examples.iter().filter(|example| example.prediction != example.label).count();
    assert_eq!(examples.wrong, Some(wrong as u64));
    assert!((1.0 - wrong as f64 / 24.0 - eval.scores["accuracy"]).abs() < 1e-9);
    // All examples are listed, so that the cells of the matrix can be counted here.
    let confusion = examples.confusion.as_ref().unwrap();
    assert_eq!((confusion.classes.as_slice(), confusion.of), (["no".to_owned(), "yes".to_owned()].as_slice(), 2));
    assert_eq!(confusion.counts.iter().flatten().sum::<u64>(), examples.of);
    for (label, predicted) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (names, listed) = (&confusion.classes, &examples.examples);
        let of_cell = listed.iter().filter(|e| e.label == names[label] && e.prediction == names[predicted]);
        assert_eq!(confusion.count(label, predicted), of_cell.count() as u64, "{label} as {predicted}");
    }
    for example in &examples.examples {
        let word = if example.label == "yes" { "good" } else { "bad" };
        assert!(example.text.ends_with(word), "{example:?}");
        // The likelier of two classes has at least half, and the loss follows from the true label's probability.
        let confidence = example.confidence.unwrap();
        let of_label = if example.prediction == example.label { confidence } else { 1.0 - confidence };
        assert!(confidence >= 0.5 && (example.loss + of_label.ln()).abs() < 1e-3, "{example:?}");
    }
    let updates: Vec<f64> = events
        .iter()
        .filter_map(|event| if let Event::Mass(mass) = event { Some(mass) } else { None })
        .map(|mass| mass.targets[0].update.unwrap())
        .collect();
    assert!(updates[0] == 0.0 && updates.iter().skip(1).all(|update| (1e-3..100.0).contains(update)), "{updates:?}");

    // The first evaluation is the best so far and is saved, as is the last step.
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let checkpoint = |number| place(&|event| matches!(event, Event::Checkpointed { step, .. } if *step == number));
    let eval = place(&|event| matches!(event, Event::Eval(_)));
    assert!(eval < checkpoint(9) && checkpoint(9) < checkpoint(18) && checkpoint(18) < events.len() - 1);

    let folder = tiny.path("runs/whole");
    let kept = read_events(&folder.join("events.jsonl")).unwrap();
    assert_eq!(kept.len(), events.len());
    for (kept, event) in kept.iter().zip(&events) {
        assert_eq!(kept, event);
    }
    for file in ["preset.toml", "best/state.safetensors", "checkpoints/step-00000018/checkpoint.json", "lock"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_pause_takes_effect_within_a_step_and_changes_no_result() {
    const PAUSES: usize = 3;
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    // Far more steps than the test waits for, so the run is still in progress on a slow machine.
    let preset =
        tiny.preset("epochs = 100000\neval_every = 10000000\naccumulate = 2\nschedule = \"constant\"\nwarmup = 0");
    let (mut session, thread) = spawn_known(&tiny, &preset, "paused");
    let (mut events, mut pauses) = (Vec::new(), 0);
    while let Some(event) = session.blocking_next() {
        let due = matches!(&event, Event::Step(step) if step.step % 5 == 2) && pauses < PAUSES;
        events.push(event);
        if !due {
            continue;
        }
        session.send(Command::Pause);
        let before = steps_on_disk(&tiny, "paused");
        events.extend(up_to(&mut session, |event| matches!(event, Event::Phase { phase: Phase::Paused })));
        let after = steps_on_disk(&tiny, "paused");
        assert!(after - before <= 1, "{} steps after the command", after - before);
        if pauses == 0 {
            let before = ticks(&thread);
            // Samples come once a second.
            let system = |event: &Event| matches!(event, Event::System(_));
            events.extend((0..3).flat_map(|_| up_to(&mut session, system)));
            assert!(ticks(&thread) - before <= 1, "a paused run uses the processor");
        }
        session.send(Command::Checkpoint);
        events.extend(up_to(&mut session, |event| matches!(event, Event::Checkpointed { .. })));
        pauses += 1;
        session.send(if pauses == PAUSES { Command::Stop { save: false } } else { Command::Resume });
    }
    session.join().unwrap();
    let paused = losses(&events);
    assert_eq!((pauses, paused.len()), (PAUSES, steps_on_disk(&tiny, "paused")));

    let steps = paused.len() as u64;
    let mut session = spawn(&tiny, &preset, "unpaused").unwrap();
    let mut unpaused = losses(&up_to(&mut session, |event| matches!(event, Event::Step(step) if step.step == steps)));
    session.send(Command::Stop { save: false });
    finish(session).unwrap();
    unpaused.truncate(paused.len());
    assert_eq!(paused, unpaused);
}

/// The events up to and including the first that matches.
fn up_to(session: &mut Session, last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        events.push(session.blocking_next().expect("it ended"));
        if events.last().is_some_and(&last) {
            return events;
        }
    }
}

fn steps_on_disk(tiny: &Tiny, run: &str) -> usize {
    losses(&read_events(&tiny.path("runs").join(run).join("events.jsonl")).unwrap()).len()
}

#[test]
fn a_stopped_run_saves_its_latest_step() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let mut session = spawn(&tiny, &tiny.preset("epochs = 50"), "stopped").unwrap();
    let mut last = None;
    while let Some(event) = session.blocking_next() {
        if matches!(&event, Event::Step(step) if step.step == 3) {
            session.send(Command::Stop { save: true });
        }
        last = Some(event);
    }
    session.join().unwrap();
    let Some(Event::Finished(finished)) = last else { panic!("{last:?}") };
    assert_eq!(finished.reason, Reason::Stopped);
    assert!(
        tiny.path("runs/stopped").join(format!("checkpoints/step-{:08}/state.safetensors", finished.step)).is_file()
    );
}

#[test]
fn gradient_selection_learns_labels_that_depend_on_one_word() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let events = complete(
        &tiny,
        &tiny.preset("epochs = 12\nlearning_rate = 5e-3").replace("learning_rate = 1e-3\n", ""),
        "learn",
    );
    let Some(Event::Finished(finished)) = events.last() else { panic!("{:?}", events.last()) };
    let accuracy = finished.best.as_ref().unwrap().scores["accuracy"];
    assert!(accuracy > 0.9, "{accuracy}");
}

#[test]
fn mistakes_in_a_preset_are_reported_before_training() {
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("epochs = 1");
    fs::write(tiny.path("wrong.csv"), "text,label\nw1 good,yes\nw2 bad,perhaps\n").unwrap();
    fs::write(tiny.path("empty.csv"), "text,label\n").unwrap();
    let texts = format!("{:?}", tiny.path("texts.csv"));
    for (from, to, message) in [
        (
            texts.clone(),
            format!("{:?}", tiny.path("wrong.csv")),
            "wrong.csv:3: unknown label \"perhaps\"; expected one of no, yes",
        ),
        (texts.clone(), format!("{:?}", tiny.path("empty.csv")), "empty.csv: no training examples"),
        (texts, format!("{:?}", tiny.path("none.csv")), "none.csv: no such file"),
        (format!("{:?}", tiny.path("model")), "\"./no/such/model\"".into(), "./no/such/model: no such folder"),
        (
            "\"query\", \"key\"".into(),
            "\"qurey\", \"key\"".into(),
            "sift.modules: \"qurey\" matches none of the model's 41 parameter names; did you mean one of query, ",
        ),
        (
            "[\"classifier\"]".into(),
            "[\"clasifier\"]".into(),
            "sift.dense: \"clasifier\" matches none of the model's 41 parameter names; did you mean one of classifier, ",
        ),
        ("max_length = 16".into(), "max_length = 999".into(), "data.max_length is 999, but"),
        (
            "[keep]".into(),
            "[keep]\nbest = \"mcc\"".into(),
            "keep.best is \"mcc\", but texts is scored by accuracy, f1 and loss",
        ),
    ] {
        assert!(preset.contains(&from), "{from}");
        let session = spawn(&tiny, &preset.replace(&from, &to), "wrong").unwrap();
        let error = finish(session).unwrap_err();
        assert!(error.is::<finesift::Usage>(), "{error}");
        assert!(error.to_string().contains(message), "{error}");
        fs::remove_dir_all(tiny.path("runs/wrong")).unwrap();
    }
}

#[test]
fn a_language_model_learns_completions_and_samples_at_every_evaluation() {
    let _turn = turn();
    let folder = tiny::chat();
    let path = |name: &str| folder.path().join(name);
    let preset = format!(
        r#"[model]
id = {:?}
[data]
format = "prompt_completion"
path = {:?}
eval_fraction = 0.25
max_length = 64
packing = true
[sift]
rate = 0.2
modules = ["proj", "embed_tokens"]
[train]
epochs = 40
batch = 2
accumulate = 2
learning_rate = 3e-3
eval_every = 20
[sample]
prompts = ["3? "]
tokens = 5
[keep]
every_minutes = 0
"#,
        path("model"),
        path("rows.jsonl")
    );
    let session = spawn_in(Arc::new(RealDisk), folder.path(), &preset, "chat").unwrap();
    session.send(Command::Sample { prompt: "5? ".into() });
    let events = finish(session).unwrap();
    let evals: Vec<_> =
        events.iter().filter_map(|event| if let Event::Eval(eval) = event { Some(eval) } else { None }).collect();
    let (first, last) = (evals[0], evals[evals.len() - 1]);
    println!("loss {:.3} before, {:.3} after", first.loss, last.loss);
    assert!(first.step == 0 && last.loss < 0.3 * first.loss, "{} to {}", first.loss, last.loss);
    for eval in &evals {
        assert_eq!(eval.scores.keys().collect::<Vec<_>>(), ["perplexity"]);
        assert!((eval.scores["perplexity"].ln() - eval.loss).abs() < 1e-9);
    }
    let Some(Event::Finished(finished)) = events.last() else { panic!("{:?}", events.last()) };
    let best = finished.best.as_ref().unwrap();
    assert!(evals.iter().all(|eval| eval.loss >= best.loss));
    let samples = |asked: &str| -> Vec<String> {
        let texts = events.iter().filter_map(|event| match event {
            Event::Sample { prompt, text, .. } if prompt == asked => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    };
    assert_eq!(samples("3? ").len(), evals.len());
    assert_eq!(samples("3? ").last().unwrap(), "no");
    assert_eq!(samples("5? ").len(), 1);

    // Chat works with the fine-tuned model and with its base model.
    let partner = ChatModel::find("chat", &path("runs"), Path::new("/nowhere")).unwrap();
    assert_eq!(partner.run.as_deref(), Some(path("runs/chat").as_path()));
    let hub = Hub { endpoint: "http://127.0.0.1:9".into(), cache: path("hub"), token: None, offline: true };
    let mut chat = partner.load(None, &hub, place::device(), &|_| {}).unwrap();
    assert!(chat.warnings.is_empty() && chat.step.is_some(), "{:?}", chat.warnings);
    let settings = Settings { temperature: 0.0, max_new_tokens: 5, ..Settings::default() };
    let prompt = chat.encode(&[Message::plain("user", "3? ".into())], 5).unwrap();
    let mut answer = |weights| {
        let mut streamed = String::new();
        let whole = chat.complete(&prompt.ids, weights, &settings, &mut |piece, _| {
            streamed += piece;
            true
        });
        assert_eq!(whole.as_ref().unwrap().text, streamed);
        streamed
    };
    assert_eq!(answer(Weights::FineTuned), "no");
    assert_ne!(answer(Weights::Base), "no");
    assert_eq!(answer(Weights::FineTuned), "no");
    // Swapping the base weights in and out again leaves every bit of the logits as it was.
    let ids = tch::Tensor::from_slice(&prompt.ids).unsqueeze(0).to_device(place::device());
    let logits = |chat: &LoadedChatModel| {
        let decoder = chat.network.decoder().unwrap();
        decoder.logits(&decoder.forward_cached(&ids, &mut decoder.kv_cache(1, 16)))
    };
    let before = logits(&chat);
    let base = ChatModel::find(&path("model").display().to_string(), &path("runs"), Path::new("/nowhere")).unwrap();
    let base = logits(&base.load(None, &hub, place::device(), &|_| {}).unwrap());
    let mut delta = chat.delta.take().unwrap();
    delta.exchange(&chat.network);
    assert!(logits(&chat).equal(&base) && !before.equal(&base), "the base model in place is the base model");
    delta.exchange(&chat.network);
    assert!(logits(&chat).equal(&before));
    chat.delta = Some(delta);
    let one = chat.complete(&prompt.ids, Weights::Base, &Settings { max_new_tokens: 1, ..settings }, &mut |_, _| true);
    assert_eq!(one.unwrap().end, CompletionEnd::MaxNewTokens);
    assert!(logits(&chat).equal(&before), "an answer of the base model leaves the fine-tuned weights in place");

    let open = || {
        let options = LoadOptions {
            head: Head::as_stored(0),
            dtype: tch::Kind::Float,
            device: place::device(),
            offload: None,
            seed: 0,
        };
        Network::open(&path("model"), &options, &|_| {}).unwrap().0
    };
    let (base, mut tuned) = (open(), open());
    let stored = StoredCheckpoint::open(&checkpoint::best(&path("runs/chat")).unwrap()).unwrap();
    let mut delta = WeightDelta::read(&stored, &mut tuned).unwrap();
    delta.exchange(&tuned);
    let differs = |name: &str| !base.parameters.get(name).equal(&tuned.parameters.get(name));
    assert!(base.parameters.specs().iter().all(|spec| differs(&spec.name) == (spec.shape.len() == 2)));
    delta.exchange(&tuned);
    assert!(base.parameters.specs().iter().all(|spec| !differs(&spec.name)));

    // A single flipped bit makes chat skip the best checkpoint; without an intact one it refuses the run.
    let flip = |folder: &Path| {
        let mut bytes = fs::read(folder.join("state.safetensors")).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(folder.join("state.safetensors"), bytes).unwrap();
    };
    flip(&stored.path);
    assert!(WeightDelta::read(&stored, &mut tuned).is_err_and(|error| error.0.contains("its checksum does not match")));
    let weights = &stored.manifest.base.weights;
    let checkpoints = checkpoint::list(&path("runs/chat/checkpoints")).unwrap();
    let newest = checkpoints.iter().find(|listed| listed.path != stored.path).unwrap();
    let found = WeightDelta::of_run(&path("runs/chat"), &mut tuned, weights).unwrap();
    assert_eq!((found.step, found.damage.len()), (newest.step, 1));
    let warnings = partner.load(None, &hub, place::device(), &|_| {}).unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("its checksum does not match"), "{warnings:?}");
    let mut refused = |weights| WeightDelta::of_run(&path("runs/chat"), &mut tuned, weights).err().unwrap();
    let error = refused("others");
    assert!(
        error.is::<finesift::Usage>() && error.to_string().contains("are not those this run was started from"),
        "{error}"
    );
    for listed in checkpoints.iter().filter(|listed| listed.path != stored.path) {
        flip(&listed.path);
    }
    let error = refused(weights);
    assert!(error.is::<finesift::Usage>() && error.to_string().contains("every checkpoint is damaged"), "{error}");
}

#[test]
fn instructions_are_downloaded_from_the_hub() {
    let _turn = turn();
    let folder = tiny::chat();
    let rows = fs::read(folder.path().join("rows.jsonl")).unwrap();
    let files = [("data/train-1.jsonl", rows), ("data/test-1.jsonl", b"not read".to_vec()), ("README.md", vec![])];
    let server = HubServer::start(HubServer::repository("datasets/org/rows", "datasets/org/rows", &files));
    let preset = format!(
        r#"[model]
id = {:?}
[data]
format = "prompt_completion"
hub = "org/rows"
path = "data/train-"
max_length = 64
[sift]
modules = ["proj"]
[train]
learning_rate = 1e-3
max_steps = 2
"#,
        folder.path().join("model")
    );
    let hub = Hub { endpoint: server.endpoint.clone(), cache: folder.path().join("hub"), token: None, offline: false };
    let events = finish(spawn_with(folder.path(), hub, &preset, "hub").unwrap()).unwrap();
    let started =
        events.iter().find_map(|event| if let Event::Started(started) = event { Some(started) } else { None });
    assert_eq!(started.unwrap().examples + started.unwrap().eval_examples, 64);
    assert!(server.requests().iter().all(|request| !request.contains("test-1")));
}

#[test]
fn an_encoder_refuses_instructions_and_a_decoder_refuses_labels() {
    let folder = tiny::chat();
    let tiny = Tiny::new(0.0);
    let language = format!("{:?}", folder.path().join("model"));
    let wrong = tiny.preset("epochs = 1").replace(&format!("{:?}", tiny.path("model")), &language);
    let wrong = wrong
        .replace("dense = [\"classifier\"]", "")
        .replace("\"query\", \"key\", \"value\", \"attention.output.dense\"", "\"q_proj\"");
    let error = finish(spawn(&tiny, &wrong, "language").unwrap()).unwrap_err();
    assert!(error.is::<finesift::Usage>() && error.to_string().starts_with("data.format is missing: "), "{error}");
    let labels = "eval_fraction = 0.25\nlabels = [\"no\", \"yes\"]";
    let wrong = tiny.preset("epochs = 1").replace(labels, "format = \"alpaca\"");
    let error = finish(spawn(&tiny, &wrong, "encoder").unwrap()).unwrap_err();
    assert!(error.is::<finesift::Usage>() && error.to_string().starts_with("data.format: "), "{error}");
}

pub(crate) fn spawn(tiny: &Tiny, preset: &str, name: &str) -> anyhow::Result<Session> {
    spawn_on(Arc::new(RealDisk), tiny, preset, name)
}

/// A new run that writes its checkpoints to this disk.
pub(crate) fn spawn_on(disk: Arc<dyn Disk>, tiny: &Tiny, preset: &str, name: &str) -> anyhow::Result<Session> {
    spawn_in(disk, &tiny.path(""), preset, name)
}

pub(crate) fn spawn_in(disk: Arc<dyn Disk>, place: &Path, preset: &str, name: &str) -> anyhow::Result<Session> {
    let job = |preset, folder| Job { disk, ..job(place, preset, folder) };
    begin(place, preset, name, job)
}

/// A new run whose step results are read at this interval.
pub(crate) fn spawn_ahead(tiny: &Tiny, preset: &str, name: &str, every: Duration) -> anyhow::Result<Session> {
    let job = |preset, folder| Job { read_every: Some(every), ..job(&tiny.path(""), preset, folder) };
    begin(&tiny.path(""), preset, name, job)
}

/// A new run of these ranks, of which this is the first.
pub(crate) fn spawn_among(ranks: Ranks, tiny: &Tiny, preset: &str, name: &str) -> anyhow::Result<Session> {
    let job = |preset, folder| Job { ranks, ..job(&tiny.path(""), preset, folder) };
    begin(&tiny.path(""), preset, name, job)
}

/// Takes part in a run of another rank.
pub(crate) fn join(world: World, tiny: &Tiny, preset: &str) -> anyhow::Result<Session> {
    let folder = PathBuf::from(String::from_utf8(world.broadcast(Vec::new())?)?);
    let preset = Preset::parse("tiny", "tiny.toml", preset, &[], Path::new("/nowhere"))?;
    let job = job(&tiny.path(""), preset, RunFolder::of_other_process(folder));
    let job = Job { ranks: Ranks::Joined(world), ..job };
    Ok(Session::spawn(None, move |port| alone(job, port))?)
}

/// A new run that may download from this hub.
fn spawn_with(place: &Path, hub: Hub, preset: &str, name: &str) -> anyhow::Result<Session> {
    let job = |preset, folder| Job { hub, ..job(place, preset, folder) };
    begin(place, preset, name, job)
}

fn begin(
    place: &Path,
    preset: &str,
    name: &str,
    job: impl FnOnce(Preset, RunFolder) -> Job,
) -> anyhow::Result<Session> {
    let preset = Preset::parse("tiny", "tiny.toml", preset, &[], Path::new("/nowhere"))?;
    let folder = RunFolder::create(&place.join("runs"), Some(name), &preset.name, &preset.toml)?;
    let log = EventLog::open(&folder.events())?;
    let job = job(preset, folder);
    Ok(Session::spawn(Some(log), move |port| alone(job, port))?)
}

/// Resumes a run with the preset in its folder.
pub(crate) fn resume(tiny: &Tiny, name: &str, resume: ResumeOptions) -> anyhow::Result<Session> {
    resume_on(Arc::new(RealDisk), tiny, name, resume)
}

pub(crate) fn resume_on(
    disk: Arc<dyn Disk>,
    tiny: &Tiny,
    name: &str,
    resume: ResumeOptions,
) -> anyhow::Result<Session> {
    let folder = RunFolder::open(&tiny.path("runs"), name)?;
    let preset = fs::read_to_string(folder.preset())?;
    let preset = Preset::parse("tiny", "preset.toml", &preset, &[], Path::new("/nowhere"))?;
    let job = Job { disk, resume: Some(resume), ..job(&tiny.path(""), preset, folder) };
    Ok(Session::spawn(None, move |port| alone(job, port))?)
}

/// Resumes a run with these keys of its preset changed, as with `--set`.
pub(crate) fn resume_with(tiny: &Tiny, name: &str, from: CheckpointSelector, set: &[&str]) -> anyhow::Result<Session> {
    let folder = RunFolder::open(&tiny.path("runs"), name)?;
    let preset = fs::read_to_string(folder.preset())?;
    let assignments: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
    let preset = Preset::parse("tiny", "preset.toml", &preset, &assignments, Path::new("/nowhere"))?;
    let set = set.iter().filter_map(|set| Some(set.split_once('=')?.0.to_owned())).collect();
    let resume = Some(ResumeOptions { from, force: false, set });
    let job = Job { resume, ..job(&tiny.path(""), preset, folder) };
    Ok(Session::spawn(None, move |port| alone(job, port))?)
}

/// On one core: at this size threads only wait for each other.
fn alone(job: Job, port: &Port) -> anyhow::Result<()> {
    tch::set_num_threads(1);
    run(job, port)
}

fn job(place: &Path, preset: Preset, folder: RunFolder) -> Job {
    let hub = Hub { endpoint: "http://127.0.0.1:9".into(), cache: place.join("hub"), token: None, offline: true };
    let (device, cache) = (place::device_choice(), place.join("cache"));
    // By default a run reads a GPU's results ten times a second, and these runs are over by then: a test that stops one at a
    // step has to see that step. Tests of reading late ask for it.
    let read_every = place::device().is_cuda().then_some(Duration::ZERO);
    Job { preset, folder, device, hub, cache, disk: Arc::new(RealDisk), resume: None, read_every, ranks: Ranks::Alone }
}

pub(crate) fn finish(mut session: Session) -> anyhow::Result<Vec<Event>> {
    let events = std::iter::from_fn(|| session.blocking_next()).collect();
    session.join()?;
    Ok(events)
}

/// Stops a run at a step.
pub(crate) fn stopped_at(mut session: Session, at: u64, save: bool) {
    while let Some(event) = session.blocking_next() {
        if matches!(&event, Event::Step(step) if step.step == at) {
            session.send(Command::Stop { save });
        }
    }
    session.join().unwrap();
}

pub(crate) fn complete(tiny: &Tiny, preset: &str, name: &str) -> Vec<Event> {
    finish(spawn(tiny, preset, name).unwrap()).unwrap()
}

pub(crate) fn losses(events: &[Event]) -> Vec<(u64, f64)> {
    events
        .iter()
        .filter_map(|event| if let Event::Step(step) = event { Some((step.step, step.loss)) } else { None })
        .collect()
}

fn name(event: &Event) -> String {
    let json = serde_json::to_value(event).unwrap();
    json.get("phase").unwrap_or(&json["event"]).as_str().unwrap().to_owned()
}

/// A new run, and the `/proc` folder of its training thread.
fn spawn_known(tiny: &Tiny, preset: &str, name: &str) -> (Session, PathBuf) {
    let preset = Preset::parse("tiny", "tiny.toml", preset, &[], Path::new("/nowhere")).unwrap();
    let folder = RunFolder::create(&tiny.path("runs"), Some(name), &preset.name, &preset.toml).unwrap();
    let log = EventLog::open(&folder.events()).unwrap();
    let job = job(&tiny.path(""), preset, folder);
    let (sender, thread) = std::sync::mpsc::channel();
    let session = Session::spawn(Some(log), move |port| {
        sender.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
        alone(job, port)
    });
    (session.unwrap(), Path::new("/proc").join(thread.recv().unwrap()))
}

/// Hundredths of a second of processor time that a thread has used.
fn ticks(thread: &Path) -> u64 {
    let stat = fs::read_to_string(thread.join("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
