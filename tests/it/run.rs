//! Whole training runs through the session, without a terminal.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use finesift::chat::{Chat, Partner, Voice};
use finesift::hub::Hub;
use finesift::model::{GREEDY, LoadOptions, Network};
use finesift::preset::Preset;
use finesift::protocol::{Command, Event, Phase, Reason};
use finesift::runs::{EventLog, RunFolder, read_events};
use finesift::session::Session;
use finesift::train::{DeviceChoice, Increment, Job, run};

use crate::hub_server::HubServer;
use crate::tiny::{self, Tiny};

/// libtorch has one generator for the whole process: runs with dropout take turns.
static GENERATOR: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    GENERATOR.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[test]
fn a_run_tells_its_story_in_order_and_leaves_it_on_disk() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let events = complete(&tiny, &tiny.preset("epochs = 2"), "whole");
    let names: Vec<String> = events
        .iter()
        .filter(|event| !matches!(event, Event::Progress(_) | Event::System(_) | Event::Log { .. }))
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
            "training".into(),
        ],
        step(4),
        vec!["mass".into()],
        step(4),
        vec!["mass".into()],
        step(1),
        vec!["evaluating".into(), "eval".into(), "checkpointed".into(), "training".into()],
    ]
    .concat();
    assert_eq!(names[..expected.len()], expected);
    let Some(Event::Finished(finished)) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!((finished.reason, finished.step), (Reason::Completed, 18));

    let started =
        events.iter().find_map(|event| if let Event::Started(started) = event { Some(started) } else { None }).unwrap();
    assert_eq!((started.examples, started.eval_examples, started.steps, started.batch), (72, 24, 18, 8));
    let selected = events
        .iter()
        .find_map(|event| if let Event::Selected(selected) = event { Some(selected) } else { None })
        .unwrap();
    // 2 layers of 4 weights of 64 x 64 and their biases.
    assert_eq!((selected.total, selected.of, selected.dense), (2 * 4 * (205 + 4), 2 * 4 * (4096 + 64), 130));
    let learnt = events
        .iter()
        .rev()
        .find_map(|event| if let Event::Eval(eval) = event { Some(eval.clone()) } else { None })
        .unwrap();
    assert_eq!(learnt.scores.keys().collect::<Vec<_>>(), ["accuracy", "f1"]);

    let folder = tiny.path("runs/whole");
    let kept = read_events(&folder.join("events.jsonl")).unwrap();
    assert_eq!(kept.len(), events.len());
    for (kept, told) in kept.iter().zip(&events) {
        assert_eq!(kept, told);
    }
    for file in ["preset.toml", "best/state.safetensors", "checkpoints/step-00000018/checkpoint.json"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_pause_holds_within_a_step_and_changes_no_number() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let unpaused = losses(&complete(&tiny, &tiny.preset("epochs = 3\naccumulate = 2"), "unpaused"));
    let mut session = spawn(&tiny, &tiny.preset("epochs = 3\naccumulate = 2"), "paused").unwrap();
    let (mut events, mut pauses) = (Vec::new(), 0);
    while let Some(event) = session.blocking_next() {
        match &event {
            Event::Step(step) if step.step % 5 == 2 => {
                session.send(Command::Pause);
                // What comes until it holds: the step that was under way, at most.
                let mut steps = 0;
                loop {
                    let Some(next) = session.blocking_next() else { panic!("it ended") };
                    steps += usize::from(matches!(next, Event::Step(_)));
                    let holds = matches!(next, Event::Phase { phase: Phase::Paused });
                    events.push(next);
                    if holds {
                        break;
                    }
                }
                // The order may have come just after the trainer looked.
                assert!(steps <= 2, "{steps} steps after the order");
                let before = cpu_time();
                session.send(Command::Checkpoint);
                while !matches!(session.blocking_next(), Some(Event::Checkpointed { .. })) {}
                assert!(cpu_time() - before < 1.0);
                pauses += 1;
                session.send(Command::Resume);
            }
            _ => {}
        }
        events.push(event);
    }
    session.join().unwrap();
    assert!(pauses >= 2);
    events.sort_by_key(|event| if let Event::Step(step) = event { step.step } else { 0 });
    assert_eq!(losses(&events), unpaused);
}

#[test]
fn a_stop_keeps_what_was_reached() {
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
fn gradient_selection_learns_where_the_label_is_a_word() {
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
fn what_the_user_can_mend_is_said_before_anything_is_trained() {
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("epochs = 1");
    fs::write(tiny.path("wrong.csv"), "text,label\nw1 good,yes\nw2 bad,perhaps\n").unwrap();
    fs::write(tiny.path("empty.csv"), "text,label\n").unwrap();
    let texts = format!("{:?}", tiny.path("texts.csv"));
    for (from, to, message) in [
        (
            texts.clone(),
            format!("{:?}", tiny.path("wrong.csv")),
            "wrong.csv:3: label \"perhaps\" is none of 0 to 1 (no, yes)",
        ),
        (texts.clone(), format!("{:?}", tiny.path("empty.csv")), "empty.csv: no training examples"),
        (texts, format!("{:?}", tiny.path("none.csv")), "none.csv: no such file"),
        (
            format!("{:?}", tiny.path("model")),
            "\"./no/such/model\"".into(),
            "\"./no/such/model\" is neither a folder that exists nor a hub id",
        ),
        (
            "\"query\", \"key\"".into(),
            "\"qurey\", \"key\"".into(),
            "sift.modules: \"qurey\" is in none of the model's 41 parameter names; nearest are query, ",
        ),
        (
            "[\"classifier\"]".into(),
            "[\"clasifier\"]".into(),
            "sift.dense: \"clasifier\" is in none of the model's 41 parameter names; nearest are classifier, ",
        ),
        ("max_length = 16".into(), "max_length = 999".into(), "data.max_length is 999, but"),
        (
            "[keep]".into(),
            "[keep]\nbest = \"mcc\"".into(),
            "keep.best is \"mcc\", but texts is scored by accuracy and f1",
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
fn a_language_model_learns_to_answer_and_is_asked_at_every_evaluation() {
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
    let session = spawn_in(folder.path(), &preset, "chat").unwrap();
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
        let told = events.iter().filter_map(|event| match event {
            Event::Sample { prompt, text, .. } if prompt == asked => Some(text.clone()),
            _ => None,
        });
        told.collect()
    };
    assert_eq!(samples("3? ").len(), evals.len());
    assert_eq!(samples("3? ").last().unwrap(), "no");
    assert_eq!(samples("5? ").len(), 1);

    // What the run has made can be talked to, and what it was made of too.
    let partner = Partner::find("chat", &path("runs"), Path::new("/nowhere")).unwrap();
    assert!(partner.checkpoint.as_ref().unwrap().ends_with("best"));
    let hub = Hub { endpoint: "http://127.0.0.1:9".into(), cache: path("hub"), token: None, offline: true };
    let mut chat = Chat::open(&partner, &hub, tch::Device::Cpu, &|_| {}).unwrap();
    chat.ask("3? ");
    let mut answer = |voice| {
        let mut told = String::new();
        let whole = chat.answer(voice, 5, &GREEDY, &mut |piece| {
            told += piece;
            true
        });
        assert_eq!(whole.as_ref().unwrap(), &told);
        told
    };
    assert_eq!(answer(Voice::Tuned), "no");
    assert_ne!(answer(Voice::Base), "no");
    assert_eq!(answer(Voice::Tuned), "no");

    let open = || {
        let options = LoadOptions { labels: 0, dtype: tch::Kind::Float, device: tch::Device::Cpu, seed: 0 };
        Network::open(&path("model"), &options, &|_| {}).unwrap().0
    };
    let (base, tuned) = (open(), open());
    let mut increment = Increment::read(&path("runs/chat/best"), &tuned).unwrap();
    increment.exchange(&tuned);
    let differs = |name: &str| !base.parameters.get(name).equal(&tuned.parameters.get(name));
    assert!(base.parameters.specs().iter().all(|spec| differs(&spec.name) == (spec.shape.len() == 2)));
    increment.exchange(&tuned);
    assert!(base.parameters.specs().iter().all(|spec| !differs(&spec.name)));

    let state = path("runs/chat/best/state.safetensors");
    let bytes = fs::read(&state).unwrap();
    fs::write(&state, &bytes[..bytes.len() / 2]).unwrap();
    assert!(Increment::read(&path("runs/chat/best"), &tuned).is_err());
}

#[test]
fn instructions_of_the_hub_are_fetched_and_learnt() {
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
    assert!(server.asked().iter().all(|request| !request.contains("test-1")));
}

#[test]
fn models_and_data_of_different_kinds_are_told_apart() {
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

fn spawn(tiny: &Tiny, preset: &str, name: &str) -> anyhow::Result<Session> {
    spawn_in(&tiny.path(""), preset, name)
}

fn spawn_in(place: &Path, preset: &str, name: &str) -> anyhow::Result<Session> {
    let hub = Hub { endpoint: "http://127.0.0.1:9".into(), cache: place.join("hub"), token: None, offline: true };
    spawn_with(place, hub, preset, name)
}

fn spawn_with(place: &Path, hub: Hub, preset: &str, name: &str) -> anyhow::Result<Session> {
    let preset = Preset::parse("tiny", "tiny.toml", preset, &[], Path::new("/nowhere"))?;
    let folder = RunFolder::create(&place.join("runs"), Some(name), &preset.name, &preset.toml)?;
    let log = EventLog::open(&folder.events())?;
    let job = Job { preset, folder, device: DeviceChoice::Cpu, hub, cache: place.join("cache") };
    Ok(Session::spawn(Some(log), move |port| run(job, port))?)
}

fn finish(mut session: Session) -> anyhow::Result<Vec<Event>> {
    let events = std::iter::from_fn(|| session.blocking_next()).collect();
    session.join()?;
    Ok(events)
}

fn complete(tiny: &Tiny, preset: &str, name: &str) -> Vec<Event> {
    finish(spawn(tiny, preset, name).unwrap()).unwrap()
}

fn losses(events: &[Event]) -> Vec<(u64, f64)> {
    events
        .iter()
        .filter_map(|event| if let Event::Step(step) = event { Some((step.step, step.loss)) } else { None })
        .collect()
}

fn name(event: &Event) -> String {
    let json = serde_json::to_value(event).unwrap();
    json.get("phase").unwrap_or(&json["event"]).as_str().unwrap().to_owned()
}

/// Seconds of processor time that this process has used.
fn cpu_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
