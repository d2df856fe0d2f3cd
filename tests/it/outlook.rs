//! What a run would take, worked out beforehand, against what the run then tells.

use std::fs;
use std::path::Path;

use finesift::hub::Hub;
use finesift::outlook::{Outlook, PieceRole};
use finesift::preset::Preset;
use finesift::protocol::Event;
use finesift::runs::{EventLog, RunFolder};
use finesift::session::Session;
use finesift::train::{Destination, DeviceChoice, Job, Places, outlook, run};

use crate::run::turn;
use crate::tiny::Tiny;

/// A hub that would fail loudly if it were asked.
fn hub(tiny: &Tiny) -> Hub {
    Hub { endpoint: "http://127.0.0.1:9".into(), cache: tiny.path("hub"), token: None, offline: false }
}

fn preset(tiny: &Tiny, text: &str) -> Preset {
    Preset::parse("tiny", "tiny.toml", text, &[], &tiny.path("cache")).unwrap()
}

fn look(tiny: &Tiny, preset: &Preset) -> anyhow::Result<Outlook> {
    let (hub, cache, runs) = (hub(tiny), tiny.path("cache"), tiny.path("runs"));
    outlook(preset, Destination::Here(DeviceChoice::Cpu), &Places { hub: &hub, cache: &cache, runs: &runs })
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
    };
    let mut session = Session::spawn(Some(log), move |port| run(job, port)).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| session.blocking_next()).collect();
    session.join().unwrap();
    events
}

#[test]
fn what_was_foreseen_is_what_the_run_takes() {
    let tiny = Tiny::new(0.0);
    for (more, name) in [("epochs = 2", "f32"), ("epochs = 2\naccumulate = 3", "bf16")] {
        let _ = fs::remove_dir_all(tiny.path("runs"));
        let text = tiny.preset(more).replace("[data]", &format!("dtype = \"{name}\"\n[data]"));
        let preset = preset(&tiny, &text);
        let before = look(&tiny, &preset).unwrap();
        assert!(before.missing.is_empty() && before.pace.is_none(), "{before:?}");
        let (model, data) = (before.model.unwrap(), before.data.unwrap());
        let part = |name: &str| model.memory.iter().find(|part| part.name == name).unwrap();
        let mut told = 0;
        for event in run_it(&tiny, &preset) {
            match event {
                Event::Started(started) => {
                    assert_eq!(
                        (data.examples, data.eval_examples, data.steps),
                        (started.examples, started.eval_examples, started.steps)
                    );
                    assert_eq!(model.parameters, started.parameters);
                    told += 1;
                }
                Event::Selected(selected) => {
                    assert_eq!((model.selected, model.of, model.dense), (selected.total, selected.of, selected.dense));
                    told += 1;
                }
                Event::Memory(memory) => {
                    assert_eq!(part("weights").bytes, memory.weights);
                    let state = part("selected state").bytes + part("head state").bytes;
                    assert_eq!(state, memory.optimizer + memory.indices);
                    told += 1;
                }
                _ => {}
            }
        }
        assert_eq!(told, 3);
        assert!(part("activations").bytes > 0 && part("activations").estimated);
        let [kept, twice] = &model.fits[..] else { panic!("{:?}", model.fits) };
        assert!(!kept.checkpointing && twice.checkpointing && kept.memory == model.memory);
        assert!(twice.bytes() < kept.bytes() && kept.largest.unwrap() > 8 && twice.largest > kept.largest);
        let pace = look(&tiny, &preset).unwrap().pace.unwrap();
        assert!(pace.run == "one" && pace.seconds_per_step > 0.0, "{pace:?}");
    }
}

#[test]
fn the_preview_is_the_first_batch() {
    let tiny = Tiny::new(0.0);
    let data = look(&tiny, &preset(&tiny, &tiny.preset("epochs = 1"))).unwrap().data.unwrap();
    assert_eq!(data.preview.len(), 8);
    let length = data.preview[0].len();
    for row in &data.preview {
        assert_eq!(row.len(), length, "a row is padded to the batch's length, and then comes its label");
        let words: Vec<&str> = row.iter().map(|piece| piece.text.trim()).collect();
        assert_eq!((words[0], row[0].role), ("[CLS]", PieceRole::Special));
        let label = row.last().unwrap();
        assert_eq!(label.role, PieceRole::Label);
        let good = words.contains(&"good");
        assert_eq!(label.text, if good { "yes" } else { "no" });
        let end = row.iter().rposition(|piece| piece.role == PieceRole::Special).unwrap();
        assert_eq!(words[end], "[SEP]");
        assert!(row[1..end].iter().all(|piece| piece.role == PieceRole::Read));
        let padding = &row[end + 1..length - 1];
        assert!(padding.iter().all(|piece| piece.role == PieceRole::Padding && piece.text.trim() == "[PAD]"));
    }
    assert_eq!(data.longest, 14);
}

#[test]
fn what_is_not_here_is_said_and_not_fetched() {
    let tiny = Tiny::new(0.0);
    let text = tiny.preset("epochs = 1").replace(&format!("{:?}", tiny.path("model")), "\"org/model\"");
    let outlook = look(&tiny, &preset(&tiny, &text)).unwrap();
    assert_eq!(outlook.missing, ["the model org/model is not here yet; launching downloads it"]);
    assert_eq!((outlook.model, outlook.data.unwrap().steps), (None, 9));

    let glue = format!(
        "[model]\nid = {:?}\n[data]\ntask = \"rte\"\n[sift]\nmodules = [\"query\"]\n[train]\nlearning_rate = 1.0\n",
        tiny.path("model")
    );
    let glue = glue.replace("task = \"rte\"", "task = \"rte\"\nmax_length = 16");
    let outlook = look(&tiny, &preset(&tiny, &glue)).unwrap();
    assert_eq!(outlook.missing, ["the dataset nyu-mll/glue is not here yet; launching downloads it"]);
    assert!(outlook.model.is_some() && outlook.data.is_none());
    assert!(!tiny.path("hub").exists());

    let demo = tiny.preset("epochs = 1").replace(&format!("{:?}", tiny.path("model")), "\"cache:demo/minilm\"");
    let outlook = look(&tiny, &preset(&tiny, &demo)).unwrap();
    assert!(outlook.missing[0].contains("`finesift download demo`"), "{:?}", outlook.missing);
}

#[test]
fn mistakes_show_beforehand() {
    let tiny = Tiny::new(0.0);
    let text = tiny.preset("epochs = 1");
    for (from, to, message) in [
        ("[\"classifier\"]", "[\"clasifier\"]", "sift.dense: \"clasifier\" is in none of the model's"),
        ("max_length = 16", "max_length = 4000", "data.max_length is 4000, but"),
        ("texts.csv", "text.csv", "no such file"),
    ] {
        let error = look(&tiny, &preset(&tiny, &text.replace(from, to))).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    assert!(Path::new(&tiny.path("runs")).read_dir().is_err(), "nothing is made");
}
