//! The estimate of a preset against the run that follows.

use std::fs;
use std::path::Path;

use finesift::device::DeviceChoice;
use finesift::estimate::{Destination, Roots, estimate};
use finesift::estimate::{Estimate, TokenRole};
use finesift::hub::Hub;
use finesift::preset::Preset;
use finesift::protocol::Event;
use finesift::runs::{EventLog, RunFolder};
use finesift::session::Session;
use finesift::train::{Job, run};

use crate::run::turn;
use crate::tiny::Tiny;

/// A hub that fails if a request is sent.
fn hub(tiny: &Tiny) -> Hub {
    Hub { endpoint: "http://127.0.0.1:9".into(), cache: tiny.path("hub"), token: None, offline: false }
}

fn preset(tiny: &Tiny, text: &str) -> Preset {
    Preset::parse("tiny", "tiny.toml", text, &[], &tiny.path("cache")).unwrap()
}

fn look(tiny: &Tiny, preset: &Preset) -> anyhow::Result<Estimate> {
    let (hub, cache, runs) = (hub(tiny), tiny.path("cache"), tiny.path("runs"));
    estimate(preset, Destination::Here(DeviceChoice::Cpu), 1, &Roots { hub: &hub, cache: &cache, runs: &runs })
}

fn run_it(tiny: &Tiny, preset: &Preset) -> Vec<Event> {
    let _turn = turn();
    let folder = RunFolder::create(&tiny.path("runs"), Some("one"), "tiny", &preset.toml).unwrap();
    let log = EventLog::open(&folder.events()).unwrap();
    let job = Job {
        preset: preset.clone(),
        folder,
        device: DeviceChoice::Cpu,
        hub: hub(tiny),
        cache: tiny.path("cache"),
        disk: std::sync::Arc::new(finesift::runs::RealDisk),
        resume: None,
        read_every: None,
        ranks: finesift::distributed::Ranks::Alone,
    };
    let mut session = Session::spawn(Some(log), move |port| run(job, port)).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| session.blocking_next()).collect();
    session.join().unwrap();
    events
}

#[test]
fn the_estimate_matches_the_run() {
    let tiny = Tiny::new(0.0);
    for (method, sift, more, name) in [
        ("sift", "", "epochs = 4", "f32"),
        ("sift", "", "epochs = 9\naccumulate = 3", "bf16"),
        ("sift", "reselect_every = 5", "epochs = 4", "f32"),
        ("sift", "reselect_every = 9\nselect = \"random\"", "epochs = 9\naccumulate = 3", "bf16"),
        ("full", "reselect_every = 5", "epochs = 4", "f32"),
        ("head", "", "epochs = 4", "f32"),
        ("lora", "", "epochs = 9\naccumulate = 3", "bf16"),
    ] {
        let _ = fs::remove_dir_all(tiny.path("runs"));
        let more = format!("{more}\neval_every = 1000");
        let text = tiny.preset(&more).replace("probe_every = 4", &format!("probe_every = 4\n{sift}"));
        let text = text.replace("[data]", &format!("dtype = \"{name}\"\n[data]"));
        let text = format!("method = \"{method}\"\n{text}");
        let preset = preset(&tiny, &text);
        let before = look(&tiny, &preset).unwrap();
        assert!(before.missing.is_empty() && before.throughput.is_none(), "{before:?}");
        let (model, data) = (before.model.unwrap(), before.data.unwrap());
        let part = |name: &str| model.memory.iter().find(|part| part.name == name).unwrap();
        let (mut compared, mut state, mut deselected) = (0, 0, None);
        for event in run_it(&tiny, &preset) {
            match event {
                Event::Started(started) => {
                    assert_eq!(
                        (data.examples, data.eval_examples, data.steps),
                        (started.examples, started.eval_examples, started.steps)
                    );
                    assert_eq!(model.parameters, started.parameters);
                    compared += 1;
                }
                Event::Selected(selected) => {
                    assert_eq!((model.selected, model.of, model.dense), (selected.total, selected.of, selected.dense));
                    compared += 1;
                }
                Event::Memory(memory) => {
                    assert_eq!(part("weights").bytes, memory.weights);
                    state = memory.optimizer + memory.indices;
                }
                Event::Reselected(reselected) => deselected = Some(reselected.changed - reselected.total),
                _ => {}
            }
        }
        assert_eq!(compared, 2);
        // As at the end of the run: another selection adds the ages of the components.
        assert_eq!(part("sparse optimizer").bytes + part("dense optimizer").bytes, state);
        let at_most = model.memory.iter().find(|part| part.name == "deselected, at most").map(|part| part.bytes);
        assert_eq!(
            (at_most.is_some(), deselected.is_some()),
            (!sift.is_empty() && method == "sift", at_most.is_some())
        );
        if let (Some(at_most), Some(deselected)) = (at_most, deselected) {
            let each = 8 + 4 + if name == "f32" { 4 } else { 2 };
            assert!(deselected > 0 && deselected * each <= at_most, "{deselected} of {at_most} bytes");
        }
        // The head alone keeps no activations of blocks.
        assert!((part("activations").bytes > 0) == (method != "head") && part("activations").estimated);
        let [kept, twice] = &model.fits[..] else { panic!("{:?}", model.fits) };
        assert!(!kept.checkpointing && twice.checkpointing && kept.memory == model.memory);
        assert!(kept.largest.unwrap() > 8);
        assert!(twice.bytes() <= kept.bytes() && twice.largest >= kept.largest);
        // In full fine-tuning of a model this small, the update takes more than the activations do.
        if ["sift", "lora"].contains(&method) {
            assert!(twice.bytes() < kept.bytes() && twice.largest > kept.largest);
        }
        let throughput = look(&tiny, &preset).unwrap().throughput.unwrap();
        assert!(throughput.runs == ["one"] && throughput.seconds_per_step > 0.0, "{throughput:?}");
    }
}

#[test]
fn the_preview_shows_the_first_batch() {
    let tiny = Tiny::new(0.0);
    let data = look(&tiny, &preset(&tiny, &tiny.preset("epochs = 1"))).unwrap().data.unwrap();
    assert_eq!(data.preview.len(), 8);
    let length = data.preview[0].len();
    for row in &data.preview {
        assert_eq!(row.len(), length, "a row is padded to the length of the batch and ends with its label");
        let words: Vec<&str> = row.iter().map(|piece| piece.text.trim()).collect();
        assert_eq!((words[0], row[0].role), ("[CLS]", TokenRole::Special));
        let label = row.last().unwrap();
        assert_eq!(label.role, TokenRole::Label);
        let good = words.contains(&"good");
        assert_eq!(label.text, if good { "yes" } else { "no" });
        let end = row.iter().rposition(|piece| piece.role == TokenRole::Special).unwrap();
        assert_eq!(words[end], "[SEP]");
        assert!(row[1..end].iter().all(|piece| piece.role == TokenRole::Context));
        let padding = &row[end + 1..length - 1];
        assert!(padding.iter().all(|piece| piece.role == TokenRole::Padding && piece.text.trim() == "[PAD]"));
    }
    assert_eq!(data.longest, 14);
}

#[test]
fn missing_models_and_datasets_are_reported_and_not_downloaded() {
    let tiny = Tiny::new(0.0);
    let text = tiny.preset("epochs = 1").replace(&format!("{:?}", tiny.path("model")), "\"org/model\"");
    let estimate = look(&tiny, &preset(&tiny, &text)).unwrap();
    assert_eq!(estimate.missing, ["model org/model: not downloaded; launch will fetch it"]);
    assert_eq!((estimate.model, estimate.data.unwrap().steps), (None, 9));

    let glue = format!(
        "[model]\nid = {:?}\n[data]\ntask = \"rte\"\n[sift]\nmodules = [\"query\"]\n[train]\nlearning_rate = 1.0\n",
        tiny.path("model")
    );
    let glue = glue.replace("task = \"rte\"", "task = \"rte\"\nmax_length = 16");
    let estimate = look(&tiny, &preset(&tiny, &glue)).unwrap();
    assert_eq!(estimate.missing, ["dataset nyu-mll/glue: not downloaded; launch will fetch it"]);
    assert!(estimate.model.is_some() && estimate.data.is_none());
    assert!(!tiny.path("hub").exists());

    let demo = tiny.preset("epochs = 1").replace(&format!("{:?}", tiny.path("model")), "\"cache:demo/minilm\"");
    let estimate = look(&tiny, &preset(&tiny, &demo)).unwrap();
    assert!(estimate.missing[0].contains("`finesift download demo`"), "{:?}", estimate.missing);
}

#[test]
fn mistakes_show_in_the_estimate() {
    let tiny = Tiny::new(0.0);
    let text = tiny.preset("epochs = 1");
    for (from, to, message) in [
        ("[\"classifier\"]", "[\"clasifier\"]", "sift.dense: \"clasifier\" matches none of the model's"),
        ("max_length = 16", "max_length = 4000", "data.max_length is 4000, but"),
        ("texts.csv", "text.csv", "no such file"),
    ] {
        let error = look(&tiny, &preset(&tiny, &text.replace(from, to))).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    assert!(Path::new(&tiny.path("runs")).read_dir().is_err(), "an estimate creates no run");
}
