//! Full fine-tuning, the head alone and LoRA: runs that resume exactly, and what their checkpoints become.

use std::fs;
use std::path::Path;
use std::process::Command;

use finesift::chat::ChatModel;
use finesift::data::{Example, Label};
use finesift::delta::Changes;
use finesift::eval::{DeviceBatch, Predictor, PredictorOptions};
use finesift::export::{ExportControl, lora, merged};
use finesift::hub::Hub;
use finesift::model::{Head, LoadOptions, LoraConfig, Network};
use finesift::protocol::{self, Event, LoraFacts, Started, TrainingMethod};
use finesift::runs::checkpoint::{StoredCheckpoint, best, list};
use finesift::runs::{RealDisk, read_events};
use safetensors::SafeTensors;
use tch::{Device, Kind, Tensor};

use crate::place;
use crate::resume::{NEWEST, numbers, state};
use crate::run::{complete, finish, losses, resume, spawn, spawn_in, stopped_at, turn};
use crate::sift::{batch, classifier, tiny_bert};
use crate::tiny::{self, Tiny};

/// The preset of a tiny run with a method, and what to add to `[train]` and to `[lora]`.
fn preset(tiny: &Tiny, method: &str, train: &str, lora: &str) -> String {
    let preset = format!("method = \"{method}\"\n{}[lora]\n{lora}\n", tiny.preset(train));
    if train.contains("batch") { preset.replace("batch = 8\n", "") } else { preset }
}

fn started(events: &[Event]) -> &Started {
    events.iter().find_map(|event| if let Event::Started(started) = event { Some(started) } else { None }).unwrap()
}

#[test]
fn a_resumed_run_of_each_method_has_the_numbers_of_the_uninterrupted_one() {
    let _turn = turn();
    for (case, method, dropout, train, lora, stop) in [
        ("full", "full", 0.1, "epochs = 2\naccumulate = 2\nweight_decay = 0.1", "", 3),
        ("full, checkpointing", "full", 0.1, "epochs = 1\ngradient_checkpointing = true", "", 5),
        ("head", "head", 0.1, "epochs = 2\neval_every = 4", "", 4),
        ("LoRA", "lora", 0.1, "epochs = 2\naccumulate = 2\nweight_decay = 0.1", "dropout = 0.2", 3),
        ("LoRA, checkpointing", "lora", 0.1, "epochs = 1\ngradient_checkpointing = true", "dropout = 0.2\nr = 3", 5),
        ("LoRA, bf16", "lora", 0.1, "epochs = 1", "dropout = 0.1\nalpha = 32", 2),
    ] {
        let tiny = Tiny::new(dropout);
        let mut preset = preset(&tiny, method, train, lora);
        if case.contains("bf16") {
            preset = preset.replace("[data]", "dtype = \"bf16\"\n[data]");
        }
        let whole = complete(&tiny, &preset, "whole");
        stopped_at(spawn(&tiny, &preset, "parts").unwrap(), stop, true);
        finish(resume(&tiny, "parts", NEWEST).unwrap()).unwrap();
        let parts = read_events(&tiny.path("runs/parts/events.jsonl")).unwrap();
        assert_eq!(numbers(&parts), numbers(&whole), "{case}");
        assert!(parts.iter().any(|event| matches!(event, Event::Resumed(_))), "{case}");
        assert!(
            state(&tiny.path("runs/parts")) == state(&tiny.path("runs/whole")),
            "{case}: the last checkpoints differ"
        );
        let losses: Vec<f64> = losses(&whole).into_iter().map(|(_, loss)| loss).collect();
        assert!(losses.iter().all(|loss| loss.is_finite()) && losses.first() != losses.last(), "{case}: {losses:?}");
    }
}

#[test]
fn gradient_checkpointing_changes_no_loss_of_lora() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let run = |name: &str, train: &str| losses(&complete(&tiny, &preset(&tiny, "lora", train, "dropout = 0.2"), name));
    let plain = run("plain", "epochs = 1");
    assert_eq!(run("checkpointing", "epochs = 1\ngradient_checkpointing = true"), plain);
}

#[test]
fn a_run_trains_what_its_method_says_and_nothing_else() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let (base, _) = open(&tiny.path("model"));
    for (method, dense, log) in [
        ("full", 41, "full fine-tuning: all 108,482 parameters are trained"),
        ("head", 2, "head only: 130 parameters are trained (classifier.weight, classifier.bias)"),
        (
            "lora",
            18,
            "LoRA r 8, alpha 16, dropout 0: 8,192 parameters of adapters of 8 linear layers are trained, and 130 dense",
        ),
    ] {
        // Keys of other methods are no mistake: a sweep over methods has them all.
        let preset =
            preset(&tiny, method, "epochs = 2\nlearning_rate = 5e-3", "r = 8").replace("learning_rate = 1e-3\n", "");
        let events = complete(&tiny, &preset, method);
        let started = started(&events);
        assert_eq!(started.method.name(), method);
        let facts = LoraFacts { r: 8, alpha: 16.0, dropout: 0.0 };
        assert_eq!(started.lora, (method == "lora").then_some(facts));
        let said = |event: &Event| matches!(event, Event::Log { message, .. } if message.starts_with(log));
        assert!(events.iter().any(said), "{method}: {events:?}");
        let stored = newest(&tiny.path("runs").join(method));
        assert_eq!((stored.manifest.method.name(), stored.manifest.lora), (method, started.lora));
        let changes = Changes::of(&stored, &tiny.path("model")).unwrap();
        assert_eq!((changes.sparse.len(), changes.dense.len()), (0, dense), "{method}");
        let out = tiny.path(&format!("{method}-merged"));
        merged(&changes, &tiny.path("model"), &out, quiet()).unwrap();
        let (whole, none) = open(&out);
        assert!(none.is_empty(), "{none:?}");
        for spec in whole.parameters.specs() {
            let adapted = ["query", "key", "value", "attention.output.dense"]
                .iter()
                .any(|part| spec.name.ends_with(&format!("{part}.weight")) && method == "lora");
            let trained = method == "full" || spec.is_classifier() || adapted;
            let unchanged = whole.parameters.get(&spec.name).equal(&base.parameters.get(&spec.name));
            // Position 0 is that of padding, and some words occur in no text; the tables as a whole change.
            assert_eq!(unchanged, !trained, "{method}: {}", spec.name);
        }
        let card = fs::read_to_string(out.join("README.md")).unwrap();
        assert!(card.contains(&format!("- {method}\n---")), "{card}");
    }
}

#[test]
fn new_adapters_change_nothing_and_are_drawn_from_the_seed() {
    let _turn = turn();
    let modules = ["bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.1.output.dense"];
    let config = LoraConfig { r: 4, alpha: 6.0, dropout: 0.5, modules: modules.map(str::to_owned).into() };
    let adapted = |seed: u64| {
        let mut network = classifier(&tiny_bert());
        network.add_adapters(&config, seed);
        network
    };
    let (plain, first, again, other) = (classifier(&tiny_bert()), adapted(1), adapted(1), adapted(2));
    let inputs = DeviceBatch::new(&batch(4, 5..14, 1), place::device()).inputs;
    assert!(plain.logits(&inputs).equal(&first.logits(&inputs)));
    assert_eq!(first.parameters.specs().len(), plain.parameters.specs().len() + 4);
    for module in modules {
        let [a, b] = LoraConfig::names(module);
        let values = |network: &Network, name: &str| network.parameters.get(name);
        let inputs = values(&first, &format!("{module}.weight")).size()[1];
        assert_eq!((values(&first, &a).size(), values(&first, &b).size()[1]), (vec![4, inputs], 4));
        assert!(values(&first, &a).equal(&values(&again, &a)) && !values(&first, &a).equal(&values(&other, &a)));
        assert_eq!(values(&first, &b).abs().max().double_value(&[]), 0.0);
        // kaiming_uniform_(a=√5): uniform within ±1/√in, so of a standard deviation of 1/√(3·in).
        let (bound, a) = (1.0 / (inputs as f64).sqrt(), values(&first, &a));
        assert!(a.abs().max().double_value(&[]) <= bound);
        assert!((a.std(true).double_value(&[]) / (bound / 3f64.sqrt()) - 1.0).abs() < 0.1);
    }
}

#[test]
fn a_lora_run_is_evaluated_predicted_merged_and_exported_as_an_adapter() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let text = preset(&tiny, "lora", "epochs = 3\nlearning_rate = 5e-3", "r = 3\nalpha = 7\ndropout = 0.1");
    let events = complete(&tiny, &text.replace("learning_rate = 1e-3\n", ""), "run");
    let stored = StoredCheckpoint::open(&best(&tiny.path("runs/run")).unwrap()).unwrap();
    let changes = Changes::of(&stored, &tiny.path("model")).unwrap();
    let (base, whole, adapter) = (tiny.path("model"), tiny.path("merged"), tiny.path("adapter"));
    merged(&changes, &base, &whole, quiet()).unwrap();
    lora(&changes, &base, &adapter, quiet()).unwrap();

    // The adapted network, as it was trained, and the merged one.
    let options = PredictorOptions { device: place::device(), dtype: Kind::Float, max_length: 16 };
    let predictor = Predictor::changed(&changes, &base, options, &|_| {}).unwrap();
    let by_folder = Predictor::folder(&whole, options, &|_| {}).unwrap();
    let text = |text: &str| Example { text: text.into(), pair: None, label: Label::Class(0) };
    let texts = ["w1 good w2", "bad w7 w9 w4", "w3"].map(text);
    let logits = |predictor: &Predictor| predictor.logits(&texts, &|_| {}).unwrap().concat();
    let off = logits(&predictor).into_iter().zip(logits(&by_folder)).map(|(a, b)| (a - b).abs());
    assert!(off.fold(0f32, f32::max) < 1e-5);

    // Each adapted weight is W + alpha / r · B·A, in double precision rounded once.
    let bytes = fs::read(adapter.join("adapter_model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), 2 * 8 + 2);
    let tensor = |name: &str| {
        let view = tensors.tensor(&format!("base_model.model.{name}")).unwrap();
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        Tensor::from_data_size(view.data(), &shape, Kind::Float).to_kind(Kind::Double)
    };
    let ((before, _), (after, _)) = (open(&base), open(&whole));
    for module in &changes.adapters.as_ref().unwrap().modules {
        let weight = |network: &Network| network.parameters.get(&format!("{module}.weight")).to_kind(Kind::Double);
        let product = tensor(&format!("{module}.lora_B.weight")).matmul(&tensor(&format!("{module}.lora_A.weight")));
        let expected = weight(&before) + product * (7.0 / 3.0);
        let off = (weight(&after) - &expected).abs().max().double_value(&[]);
        assert!(off < 1e-6 && !weight(&after).equal(&weight(&before)), "{module}: {off}");
    }
    assert!(tensor("classifier.weight").to_kind(Kind::Float).equal(&after.parameters.get("classifier.weight")));
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(adapter.join("adapter_config.json")).unwrap()).unwrap();
    assert_eq!((&config["peft_type"], &config["task_type"]), (&"LORA".into(), &"SEQ_CLS".into()));
    assert_eq!((&config["r"], &config["lora_alpha"], &config["lora_dropout"]), (&3.into(), &7.into(), &0.1.into()));
    assert_eq!(config["modules_to_save"], serde_json::json!(["classifier"]));
    assert_eq!(config["target_modules"].as_array().unwrap().len(), 8);

    // `finesift eval` finds the scores of the run's best evaluation.
    let (code, out, told) = program(&tiny, &["eval", "run", "--device", &place::device_name(), "--json"]);
    assert_eq!(code, Some(0), "{told}");
    let scores: serde_json::Value = serde_json::from_str(&out).unwrap();
    let mut logged = events.iter().filter_map(|event| if let Event::Eval(eval) = event { Some(eval) } else { None });
    let logged = logged.rfind(|eval| eval.best).unwrap();
    // Its batches are of another size than the run's, so that sums are rounded otherwise.
    assert!((scores["loss"].as_f64().unwrap() - logged.loss).abs() < 1e-6 * logged.loss, "{scores} {logged:?}");
    assert_eq!(scores["accuracy"], logged.scores["accuracy"]);
}

#[test]
fn exports_that_do_not_fit_a_method_name_those_that_do() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    for method in ["full", "head", "lora", "sift"] {
        complete(&tiny, &preset(&tiny, method, "max_steps = 2", ""), method);
    }
    for (run, to, message) in [
        (
            "full",
            "delta",
            "full: full fine-tuning changes every parameter, so a delta would be the whole model; use --to merged",
        ),
        (
            "full",
            "shira",
            "full: full fine-tuning changes every component, and a SHiRA adapter holds few; use --to merged",
        ),
        ("full", "lora", "full: trained with method = \"full\", which has no LoRA adapter; use --to merged"),
        (
            "lora",
            "delta",
            "lora: LoRA changes weights by adapters, which a delta cannot hold; use --to lora or --to merged",
        ),
        ("lora", "shira", "lora: a LoRA run has an adapter of its own; use --to lora"),
        (
            "head",
            "shira",
            "head: only the head was trained, so a SHiRA adapter would be empty; use --to merged or --to delta",
        ),
        ("sift", "lora", "sift: trained with method = \"sift\", which has no LoRA adapter; use --to merged"),
    ] {
        let run = format!("runs/{run}");
        let (code, _, told) = program(&tiny, &["export", &run, "--to", to, "--out", "out"]);
        assert!(code == Some(2) && told.contains(message) && !tiny.path("out").exists(), "{told}");
    }
    for (run, to) in [("full", "merged"), ("head", "merged"), ("head", "delta"), ("lora", "merged"), ("lora", "lora")] {
        let out = format!("{run}-{to}");
        let run = format!("runs/{run}");
        let (code, _, told) = program(&tiny, &["export", &run, "--to", to, "--out", &out]);
        assert!(code == Some(0) && tiny.path(&out).exists(), "{told}");
    }
}

#[test]
fn a_lora_run_of_a_language_model_chats_with_and_without_its_adapters() {
    let _turn = turn();
    let folder = tiny::chat();
    let path = |name: &str| folder.path().join(name);
    let preset = format!(
        "method = \"lora\"\n[model]\nid = {:?}\ndtype = \"bf16\"\n[data]\nformat = \"prompt_completion\"\npath = {:?}\nmax_length = 64\n\
         [lora]\ntarget_modules = [\"q_proj\", \"down_proj\"]\n[train]\nlearning_rate = 1e-2\nepochs = 2\nbatch = 8\n",
        path("model"),
        path("rows.jsonl")
    );
    let events = finish(spawn_in(std::sync::Arc::new(RealDisk), folder.path(), &preset, "run").unwrap()).unwrap();
    assert!(started(&events).method == TrainingMethod::Lora);
    let hub = Hub { endpoint: "http://127.0.0.1:9".into(), cache: path("hub"), token: None, offline: true };
    let load = |name: &str| {
        let model = ChatModel::find(name, &path("runs"), Path::new("/nowhere")).unwrap();
        model.load(None, &hub, place::device(), &|_| {}).unwrap()
    };
    let mut tuned = load("run");
    let options = LoadOptions {
        head: Head::as_stored(0),
        dtype: Kind::BFloat16,
        device: place::device(),
        offload: None,
        seed: 0,
    };
    let (base, _) = Network::open(&path("model"), &options, &|_| {}).unwrap();
    let logits = |network: &Network| {
        let ids = Tensor::from_slice(&[1i64, 50, 63, 40]).unsqueeze(0).to_device(place::device());
        let decoder = network.decoder().unwrap();
        decoder.logits(&decoder.forward_cached(&ids, &mut decoder.kv_cache(1, 16)))
    };
    let with = logits(&tuned.network);
    let mut delta = tuned.delta.take().unwrap();
    delta.exchange(&tuned.network);
    assert!(logits(&tuned.network).equal(&logits(&base)) && !with.equal(&logits(&base)));
    delta.exchange(&tuned.network);
    assert!(logits(&tuned.network).equal(&with));
}

#[test]
fn events_and_checkpoints_of_earlier_versions_are_of_sift() {
    let line = r#"{"event":"started","run":"r","preset":"p","model":"m","data":"d","device":"cpu","dtype":"f32","examples":1,
        "eval_examples":1,"steps":1,"epochs":1.0,"batch":1,"rate":0.1,"select":"gradient","parameters":1,"best":"accuracy","version":"0"}"#;
    let Event::Started(started) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
    assert_eq!((started.method, started.lora, started.method_words()), (TrainingMethod::Sift, None, None));
    for (method, lora, words) in [
        (TrainingMethod::Full, None, "full fine-tuning"),
        (TrainingMethod::Head, None, "head only"),
        (TrainingMethod::Lora, Some(LoraFacts { r: 8, alpha: 16.0, dropout: 0.0 }), "LoRA r 8"),
    ] {
        let event = Event::Started(protocol::Started { method, lora, ..started.clone() });
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.contains(&format!("\"method\":\"{}\"", method.name())), "{json}");
        let Event::Started(read) = serde_json::from_str(&json).unwrap() else { panic!("{json}") };
        assert_eq!(read.method_words().as_deref(), Some(words));
    }
}

fn newest(run: &Path) -> StoredCheckpoint {
    StoredCheckpoint::open(&list(&run.join("checkpoints")).unwrap()[0].path).unwrap()
}

/// A model of a folder, on the CPU: what is compared is what its files hold.
fn open(folder: &Path) -> (Network, Vec<String>) {
    let options =
        LoadOptions { head: Head::as_stored(2), dtype: Kind::Float, device: Device::Cpu, offload: None, seed: 42 };
    let (network, report) = Network::open(folder, &options, &|_| {}).unwrap();
    (network, report.newly_initialized)
}

fn quiet() -> ExportControl<'static> {
    ExportControl { on_progress: &|_| {}, cancel: Box::leak(Box::default()) }
}

/// Status, stdout and stderr of the program.
fn program(tiny: &Tiny, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(place::program());
    let output = command.current_dir(tiny.path("")).args(arguments).env("HF_HUB_OFFLINE", "1").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
