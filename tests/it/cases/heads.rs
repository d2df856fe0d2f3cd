//! Classification heads of base models: kept by name, or replaced with a warning.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use finesift::data::{Classes, Example, LabelSet, LabelledInput};
use finesift::delta::Changes;
use finesift::eval::{Predictor, PredictorOptions};
use finesift::export::{CancelToken, ExportControl, merged};
use finesift::protocol::{Eval, Event, Finished};
use finesift::runs::checkpoint::{StoredCheckpoint, best};
use finesift::{Usage, data};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tch::{Device, Kind};

use crate::place;
use crate::run::{complete, finish, spawn, turn};
use crate::tiny::Tiny;

const CLASSES: [&str; 3] = ["bad", "fair", "good"];

/// A classifier with a random head of three classes, whose texts have these classes.
fn classifier() -> Tiny {
    let tiny = Tiny::new(0.0);
    let fixture = place::fixture("models/tiny-bert/model.safetensors");
    fs::copy(fixture, tiny.path("model/model.safetensors")).unwrap();
    write_labels(&tiny.path("model"), &CLASSES);
    let mut texts = String::from("text,label\n");
    for number in 0..60 {
        texts += &format!("w{} w{} w{},{}\n", number * 7 % 90, number * 31 % 80, number % 60, CLASSES[number % 3]);
    }
    fs::write(tiny.path("texts.csv"), texts).unwrap();
    tiny
}

fn write_labels(model: &Path, names: &[&str]) {
    let path = model.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let numbered = || names.iter().enumerate();
    config["id2label"] = numbered().map(|(id, name)| (id.to_string(), json!(name))).collect();
    config["label2id"] = numbered().map(|(id, name)| ((*name).to_owned(), json!(id))).collect();
    fs::write(path, config.to_string()).unwrap();
}

/// The classifier in a new folder, with output `i` being what output `order[i]` was, names included. Others are left out.
fn permuted(tiny: &Tiny, order: &[usize], name: &str) -> PathBuf {
    let (from, to) = (tiny.path("model"), tiny.path(name));
    fs::create_dir(&to).unwrap();
    for file in ["config.json", "tokenizer.json"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let bytes = fs::read(from.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let rows = |name: &str| {
        let view = tensors.tensor(name).unwrap();
        let row = view.data().len() / view.shape()[0];
        order.iter().flat_map(|&place| view.data()[place * row..][..row].to_vec()).collect::<Vec<u8>>()
    };
    let heads: BTreeMap<&str, Vec<u8>> = ["classifier.weight", "classifier.bias"].map(|name| (name, rows(name))).into();
    let views = tensors.tensors().into_iter().map(|(name, view)| match heads.get(name.as_str()) {
        Some(bytes) => {
            let shape = [&[order.len()], &view.shape()[1..]].concat();
            let view = safetensors::tensor::TensorView::new(view.dtype(), shape, bytes).unwrap();
            (name, view)
        }
        None => (name, view),
    });
    fs::write(to.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    write_labels(&to, &order.iter().map(|&place| CLASSES[place]).collect::<Vec<_>>());
    to
}

/// A preset that trains this model; `dense` are the dense parameters, and `more` follows in `[train]`.
fn preset(tiny: &Tiny, model: &Path, dense: &str, more: &str) -> String {
    tiny.preset(more)
        .replace(&format!("{:?}", tiny.path("model")), &format!("{model:?}"))
        .replace("labels = [\"no\", \"yes\"]\n", "")
        .replace("dense = [\"classifier\"]", &format!("dense = {dense}"))
}

fn without_training(tiny: &Tiny, model: &Path, dense: &str) -> String {
    preset(tiny, model, dense, "max_steps = 2").replace("learning_rate = 1e-3", "learning_rate = 0")
}

fn options() -> PredictorOptions {
    PredictorOptions { device: Device::Cpu, dtype: Kind::Float, max_length: 16 }
}

/// Logits by class name, and the scores on all texts, of a classifier whatever its order of outputs.
fn predictions(mut predictor: Predictor, examples: &[Example]) -> (Vec<BTreeMap<String, u32>>, BTreeMap<String, f64>) {
    let logits = predictor.logits(examples, &|_| {}).unwrap();
    let LabelSet::Classes(Classes { names, .. }) = &predictor.labels else { panic!() };
    let named = |row: Vec<f32>| names.iter().cloned().zip(row.into_iter().map(f32::to_bits)).collect();
    let named: Vec<BTreeMap<String, u32>> = logits.into_iter().map(named).collect();
    let labels = LabelSet::Classes(Classes::named(CLASSES.map(str::to_owned).into()));
    predictor.follow(&labels, "the data").unwrap();
    let split = data::Split { name: "validation".into(), examples: examples.to_vec() };
    let scores = predictor.scores(vec![split], labels.metrics(), &|_| {}).unwrap();
    let mut all = scores.scores;
    all.insert("loss".into(), scores.loss);
    (named, all)
}

fn examples(tiny: &Tiny) -> Vec<Example> {
    let columns = data::Columns {
        label_kind: data::LabelKind::Classes(Some(CLASSES.map(str::to_owned).into())),
        ..data::Columns::default()
    };
    let input = LabelledInput { path: &tiny.path("texts.csv"), task: None, names: "data.labels" };
    data::read_labelled(&input, &columns, &|_| {}).unwrap().examples
}

fn log(events: &[Event]) -> Vec<&str> {
    let lines = events.iter().map(|event| match event {
        Event::Log { message, .. } => message.as_str(),
        _ => "",
    });
    lines.filter(|line| !line.is_empty()).collect()
}

fn best_of(events: &[Event]) -> Eval {
    match events.last() {
        Some(Event::Finished(Finished { best: Some(best), .. })) => best.clone(),
        other => panic!("{other:?}"),
    }
}

fn changes(tiny: &Tiny, run: &str, model: &Path) -> Changes {
    let stored = StoredCheckpoint::open(&best(&tiny.path("runs").join(run)).unwrap()).unwrap();
    Changes::of(&stored, model).unwrap()
}

#[test]
fn any_order_of_a_heads_rows_gives_the_same_scores_everywhere() {
    let _turn = turn();
    let tiny = classifier();
    let examples = examples(&tiny);
    let expected = predictions(Predictor::folder(&tiny.path("model"), options(), &|_| {}).unwrap(), &examples);
    let mut trained = None;
    for (number, order) in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].iter().enumerate() {
        let model = permuted(&tiny, order, &format!("model-{number}"));
        let opened = Predictor::folder(&model, options(), &|_| {}).unwrap();
        assert_eq!(predictions(opened, &examples), expected, "eval and predict, {order:?}");
        // A head that is trained densely, and one that is frozen.
        for (kind, dense) in [("dense", "[\"classifier\"]"), ("frozen", "[]")] {
            let run = format!("{kind}-{number}");
            let events = complete(&tiny, &without_training(&tiny, &model, dense), &run);
            let scores = best_of(&events);
            let first: &(f64, BTreeMap<String, f64>) = trained.get_or_insert((scores.loss, scores.scores.clone()));
            assert_eq!(*first, (scores.loss, scores.scores), "train, {order:?}");
            let follows = log(&events).iter().any(|line| line.contains("its rows follow the names"));
            assert_eq!(follows, *order != [0, 1, 2], "{:?}", log(&events));

            let changes = changes(&tiny, &run, &model);
            let of_run = Predictor::changed(&changes, &model, options(), &|_| {}).unwrap();
            assert_eq!(predictions(of_run, &examples), expected, "{run}, {order:?}");
            let out = tiny.path(&format!("merged-{run}"));
            let cancel = CancelToken::default();
            merged(&changes, &model, &out, ExportControl { on_progress: &|_| {}, cancel: &cancel }).unwrap();
            let back = Predictor::folder(&out, options(), &|_| {}).unwrap();
            assert_eq!(predictions(back, &examples), expected, "export {run}, {order:?}");
        }
    }
}

#[test]
fn a_trained_head_in_another_order_is_exported_and_resumed_as_it_was_trained() {
    let _turn = turn();
    let tiny = classifier();
    let examples = examples(&tiny);
    let (same, other) = (permuted(&tiny, &[0, 1, 2], "same"), permuted(&tiny, &[2, 0, 1], "other"));
    // Sparse components of the head: their indices are those of the run's order.
    for (kind, dense, modules) in [
        ("dense", "[\"classifier\"]", "\"query\""),
        ("sparse", "[]", "\"query\", \"classifier\""),
        ("frozen", "[]", "\"query\""),
    ] {
        let trained = [("same", &same), ("other", &other)].map(|(name, model)| {
            let text = preset(&tiny, model, dense, "epochs = 2\nschedule = \"constant\"");
            let from = text.find("modules = ").unwrap();
            let to = from + text[from..].find('\n').unwrap();
            let text = format!("{}modules = [{modules}]{}", &text[..from], &text[to..]);
            let run = format!("{kind}-{name}");
            complete(&tiny, &text, &run);
            predictions(Predictor::changed(&changes(&tiny, &run, model), model, options(), &|_| {}).unwrap(), &examples)
        });
        assert_eq!(trained[0], trained[1], "{kind}");
        let changes = changes(&tiny, &format!("{kind}-other"), &other);
        let out = tiny.path(&format!("merged-{kind}"));
        let cancel = CancelToken::default();
        merged(&changes, &other, &out, ExportControl { on_progress: &|_| {}, cancel: &cancel }).unwrap();
        assert_eq!(predictions(Predictor::folder(&out, options(), &|_| {}).unwrap(), &examples), trained[0], "{kind}");
    }
}

#[test]
fn a_head_for_other_classes_is_replaced_with_a_warning_or_refused() {
    let _turn = turn();
    let tiny = classifier();
    let model = tiny.path("model");
    let two = |text: String| text.replace("learning_rate = 1e-3", "learning_rate = 1e-3\nmax_steps = 2");
    let text = two(preset(&tiny, &model, "[\"classifier\"]", ""));
    let keep = text.replace("[data]", "head = \"keep\"\n[data]");

    // Another number of classes, as a model for MNLI has for RTE.
    tiny.write_texts(40);
    let events = complete(&tiny, &text, "two");
    let warning = "head: newly initialised, since the model's has 3 outputs, bad (0), fair (1), good (2), and the data have \
                   no (0), yes (1)";
    assert!(events.contains(&Event::warning(warning)), "{:?}", log(&events));
    let changes = changes(&tiny, "two", &model);
    let predictor = Predictor::changed(&changes, &model, options(), &|_| {}).unwrap();
    let LabelSet::Classes(classes) = &predictor.labels else { panic!() };
    assert_eq!(classes.names, ["no", "yes"]);
    let cancel = CancelToken::default();
    merged(&changes, &model, &tiny.path("merged"), ExportControl { on_progress: &|_| {}, cancel: &cancel }).unwrap();
    let again = Predictor::folder(&tiny.path("merged"), options(), &|_| {}).unwrap();
    let texts = [Example { text: "w1 good".into(), pair: None, label: data::Label::Class(0) }];
    assert_eq!(predictor.logits(&texts, &|_| {}).unwrap(), again.logits(&texts, &|_| {}).unwrap());
    let error = finish(spawn(&tiny, &keep, "keep").unwrap()).unwrap_err();
    let message = "model.head is \"keep\", but the head does not fit: the model's has 3 outputs, bad (0), fair (1), good (2), and the data have no (0), yes (1)";
    assert!(error.is::<Usage>() && error.to_string().starts_with(message), "{error}");

    // Other names of the same number.
    let model = permuted(&tiny, &[0, 1], "two");
    let text = two(preset(&tiny, &model, "[\"classifier\"]", ""));
    let keep = text.replace("[data]", "head = \"keep\"\n[data]");
    let head = |events: &[Event]| log(events).into_iter().find(|line| line.starts_with("head: ")).map(str::to_owned);
    let events = complete(&tiny, &text, "names");
    let expected =
        "head: newly initialised, since the model's is for bad (0), fair (1), and the data have no (0), yes (1)";
    assert_eq!(head(&events).as_deref(), Some(expected));

    // No names, the same names, and a new head that was asked for.
    write_labels(&model, &["LABEL_0", "LABEL_1"]);
    let events = complete(&tiny, &keep, "unnamed");
    let expected = "head: the model's own, by index, since its config.json does not name the classes: output 0 is the first \
                    of no (0), yes (1)";
    assert_eq!(head(&events).as_deref(), Some(expected));
    write_labels(&model, &["No", "YES"]);
    assert_eq!(head(&complete(&tiny, &keep, "kept")).as_deref(), Some("head: the model's own, for no (0), yes (1)"));
    let events = complete(&tiny, &text.replace("[data]", "head = \"new\"\n[data]"), "new");
    assert_eq!(head(&events).as_deref(), Some("head: newly initialised, as model.head = \"new\" asks for"));
    assert!(
        log(&events).contains(&"newly initialised (not in the base checkpoint): classifier.weight, classifier.bias")
    );
}

#[test]
fn a_submission_and_scores_of_a_task_go_by_name() {
    let tiny = classifier();
    let rows = (0..40).map(|row| format!("{row}\tw{} w{}\tw{}\t", row * 7 % 90, row % 50, row * 31 % 80));
    let labels = ["entailment", "not_entailment"];
    let tsv: String = rows.clone().enumerate().map(|(row, text)| text + labels[row % 2] + "\n").collect();
    fs::write(tiny.path("dev.tsv"), format!("index\tsentence1\tsentence2\tlabel\n{tsv}")).unwrap();
    let json = tsv.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let label = labels.iter().position(|label| *label == cells[3]);
        json!({"sentence1": cells[1], "sentence2": cells[2], "label": label}).to_string() + "\n"
    });
    fs::write(tiny.path("dev.jsonl"), json.collect::<String>()).unwrap();
    let (straight, turned) = (permuted(&tiny, &[0, 1], "straight"), permuted(&tiny, &[1, 0], "turned"));
    write_labels(&straight, &["entailment", "not_entailment"]);
    write_labels(&turned, &["Not_Entailment", "ENTAILMENT"]);
    let mut results = Vec::new();
    for model in ["straight", "turned"] {
        let out = format!("{model}.tsv");
        let submission = ["predict", model, "--task", "rte", "--data", "dev.tsv", "--out", &out, "--device", "cpu"];
        let (code, _, notes) = program(&tiny, &submission);
        assert_eq!((code, notes.contains("RTE has entailment (0)")), (Some(0), model == "turned"), "{notes}");
        let scores = ["dev.tsv", "dev.jsonl"].map(|file| {
            let scores = ["eval", model, "--task", "rte", "--data", file, "--json", "--device", "cpu"];
            let (code, scores, error) = program(&tiny, &scores);
            assert_eq!(code, Some(0), "{error}");
            scores
        });
        assert_eq!(scores[0], scores[1]);
        results.push((fs::read_to_string(tiny.path(&out)).unwrap(), scores));
    }
    assert_eq!(results[0], results[1]);
    assert!(results[0].0.contains("\tentailment\n") && results[0].0.contains("\tnot_entailment\n"), "{}", results[0].0);

    // Without a task a number is no index, unless the user names the classes.
    let eval = ["eval", "turned", "--data", "dev.jsonl", "--text", "sentence1", "--text-pair", "sentence2", "--json"];
    let (code, _, error) = program(&tiny, &[&eval[..], &["--device", "cpu"]].concat());
    assert_eq!(code, Some(2));
    let message = "dev.jsonl:1: unknown label \"0\"; expected one of Not_Entailment, ENTAILMENT. If the numbers are indices, name \
                   the classes in that order: data.labels of a preset, or --labels\n";
    assert!(error.ends_with(message), "{error}");
    let named = [&eval[..], &["--labels", "entailment,not_entailment", "--device", "cpu"]].concat();
    let (code, scores, notes) = program(&tiny, &named);
    assert!(notes.contains("from --labels; dev.jsonl has their indices"), "{notes}");
    let score = |text: &str| serde_json::from_str::<Value>(text).unwrap()["accuracy"].as_f64();
    assert_eq!((code, score(&scores)), (Some(0), score(&results[0].1[0])));
}

fn program(tiny: &Tiny, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(place::program());
    let output = command.current_dir(tiny.path("")).args(arguments).env("HF_HUB_OFFLINE", "1").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
