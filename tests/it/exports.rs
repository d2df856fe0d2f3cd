//! Exports of a run, read back as other software would.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use finesift::Usage;
use finesift::delta::Changes;
use finesift::export::{
    CancelToken, Cancelled, ChangedBiases, ExportControl, ExportFormat, ExportRequest, delta_bytes, merged, shira,
};
use finesift::model::{Head, LoadOptions, Network};
use finesift::protocol::{Selected, SelectedTarget};
use finesift::runs::RealDisk;
use finesift::runs::checkpoint::{StoredCheckpoint, best, list};
use safetensors::SafeTensors;
use tch::{Device, Kind, Tensor};

use crate::place;
use crate::run::{complete, finish, spawn_in, turn};
use crate::tiny::{self, Tiny};

/// A run and its best checkpoint's changes.
fn trained(more: &str) -> (Tiny, Changes) {
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("epochs = 3\nlearning_rate = 5e-3").replace("learning_rate = 1e-3\n", "");
    complete(&tiny, &preset.replace("probe_every = 4", &format!("probe_every = 4\n{more}")), "run");
    let stored = StoredCheckpoint::open(&best(&tiny.path("runs/run")).unwrap()).unwrap();
    let changes = Changes::of(&stored, &tiny.path("model")).unwrap();
    (tiny, changes)
}

#[test]
fn a_merged_model_is_the_base_with_the_changes_applied() {
    let _turn = turn();
    let (tiny, changes) = trained("");
    let out = tiny.path("merged");
    merged(&changes, &tiny.path("model"), &out, quiet()).unwrap();
    let (base, fresh) = open(&tiny.path("model"));
    let (whole, none) = open(&out);
    assert_eq!(fresh, ["classifier.weight", "classifier.bias"]);
    assert!(none.is_empty(), "{none:?}");
    assert_eq!((changes.sparse.len(), changes.dense.len()), (16, 2));
    for spec in whole.parameters.specs() {
        let (was, is) = (base.parameters.get(&spec.name), whole.parameters.get(&spec.name));
        if let Some(sparse) = changes.sparse.iter().find(|sparse| sparse.name == spec.name) {
            let expected = was.copy();
            let _ = expected.view(-1).index_copy_(0, &sparse.indices, &sparse.values);
            assert!(is.equal(&expected) && !is.equal(&was), "{}", spec.name);
        } else if let Some(full) = changes.dense.iter().find(|full| full.name == spec.name) {
            assert!(is.equal(&full.values), "{}", spec.name);
        } else {
            assert!(is.equal(&was), "{}", spec.name);
        }
    }
    let config: serde_json::Value = serde_json::from_slice(&fs::read(out.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"][0], "BertForSequenceClassification");
    assert_eq!((&config["id2label"]["1"], &config["label2id"]["no"]), (&"yes".into(), &0.into()));
    assert_eq!(fs::read(out.join("tokenizer.json")).unwrap(), fs::read(tiny.path("model/tokenizer.json")).unwrap());
    let card = fs::read_to_string(out.join("README.md")).unwrap();
    assert!(
        card.contains("trained: 1672 of 33280 components of 16 sparse parameters") && card.contains("accuracy"),
        "{card}"
    );
    let again = merged(&changes, &tiny.path("model"), &out, quiet()).unwrap_err();
    assert!(again.is::<Usage>() && again.to_string().contains("exists already"), "{again}");
    // Nothing is left beside it.
    let parts = fs::read_dir(tiny.path(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(parts.count(), 0);
}

#[test]
fn a_delta_applied_to_its_base_is_the_merged_model_bit_for_bit() {
    let _turn = turn();
    let (tiny, changes) = trained("");
    let delta = tiny.path("delta.safetensors");
    changes.write(&delta, quiet()).unwrap();
    // 8 bytes for a component: small beside the model.
    let bytes = fs::metadata(&delta).unwrap().len();
    assert!(bytes < 8 * 1672 + 4 * 130 + 8192, "{bytes}");
    // Its size is known before it is written, but for its header.
    let count = |tensor: &tch::Tensor| tensor.numel() as u64;
    let targets = changes.sparse.iter().map(|sparse| {
        let (name, shape) = (sparse.name.clone(), sparse.shape.clone());
        SelectedTarget { name, shape, selected: count(&sparse.indices) }
    });
    let dense = changes.dense.iter().map(|dense| count(&dense.values)).sum();
    let selected = Selected { total: 1672, of: 33_280, dense, targets: targets.collect() };
    let header = u64::from_le_bytes(fs::read(&delta).unwrap()[..8].try_into().unwrap());
    assert_eq!(bytes - 8 - header, delta_bytes(&selected, None));
    let read = Changes::read(&delta).unwrap();
    assert_eq!(read.info, changes.info);
    let (direct, by_delta) = (tiny.path("direct"), tiny.path("by-delta"));
    merged(&changes, &tiny.path("model"), &direct, quiet()).unwrap();
    let applied = program(&tiny, &["apply", "delta.safetensors", "--out", "by-delta"]);
    assert_eq!(
        applied,
        (Some(0), "by-delta\n".into(), "writing the model: 0 of 1 files\nwriting the model: 1 of 1 files\n".into())
    );
    assert_eq!(files(&direct), files(&by_delta));

    // Another base: one bit of its weights, or its config.
    for file in ["config.json", "model.safetensors"] {
        let path = tiny.path("model").join(file);
        let whole = fs::read(&path).unwrap();
        let mut other = whole.clone();
        let last = other.len() - 1;
        if file == "config.json" {
            other.insert(1, b' ')
        } else {
            other[last] ^= 1
        }
        fs::write(&path, other).unwrap();
        let error = merged(&read, &tiny.path("model"), &tiny.path("other"), quiet()).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("the base model of this delta"), "{error}");
        fs::write(&path, whole).unwrap();
    }
    // Every hundredth byte, and all of the header's first.
    let whole = fs::read(&delta).unwrap();
    for place in (0..64).chain((64..whole.len()).step_by(97)) {
        let mut bytes = whole.clone();
        bytes[place] ^= 2;
        fs::write(&delta, bytes).unwrap();
        let error = Changes::read(&delta).err().unwrap_or_else(|| panic!("byte {place}"));
        assert!(error.is::<Usage>(), "{error}");
    }
    fs::copy(tiny.path("model/model.safetensors"), &delta).unwrap();
    let error = Changes::read(&delta).err().unwrap().to_string();
    assert!(error.contains("not a delta that finesift wrote"), "{error}");
}

#[test]
fn a_sharded_model_keeps_its_shards_and_types() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    // Half of the tensors in bf16 in another file, by the names of a network without a head.
    let source = fs::read(tiny.path("model/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&source).unwrap();
    let mut shards = [Shard::new(), Shard::new()];
    let mut weight_map = serde_json::Map::new();
    for (number, (name, view)) in tensors.tensors().into_iter().enumerate() {
        let name = name.strip_prefix("bert.").unwrap_or(&name).to_owned();
        let half = number % 2 == 1;
        let data =
            if half { view.data().chunks_exact(4).flat_map(|f| [f[2], f[3]]).collect() } else { view.data().to_vec() };
        let dtype = if half { safetensors::Dtype::BF16 } else { safetensors::Dtype::F32 };
        weight_map.insert(name.clone(), shard(number % 2).into());
        shards[number % 2].insert(name, (dtype, view.shape().to_vec(), data));
    }
    fs::remove_file(tiny.path("model/model.safetensors")).unwrap();
    for (number, tensors) in shards.iter().enumerate() {
        let views = tensors.iter().map(|(name, (dtype, shape, data))| {
            (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        fs::write(tiny.path("model").join(shard(number)), safetensors::serialize(views, None).unwrap()).unwrap();
    }
    let index = serde_json::json!({ "weight_map": weight_map }).to_string();
    fs::write(tiny.path("model/model.safetensors.index.json"), index).unwrap();

    complete(&tiny, &tiny.preset("epochs = 1"), "run");
    let newest = list(&tiny.path("runs/run/checkpoints")).unwrap().remove(0).path;
    let changes = Changes::of(&StoredCheckpoint::open(&newest).unwrap(), &tiny.path("model")).unwrap();
    let out = tiny.path("merged");
    merged(&changes, &tiny.path("model"), &out, quiet()).unwrap();
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("model.safetensors.index.json")).unwrap()).unwrap();
    for (number, before) in shards.iter().enumerate() {
        let bytes = fs::read(out.join(shard(number))).unwrap();
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
            assert_eq!(index["weight_map"][&name], shard(number), "{name}");
            let before = before.get(name.strip_prefix("bert.").unwrap_or(&name));
            let dtype = before.map_or(safetensors::Dtype::F32, |before| before.0);
            assert_eq!(view.dtype(), dtype, "{name}");
        }
    }
    let (whole, fresh) = open(&out);
    assert!(fresh.is_empty());
    for sparse in &changes.sparse {
        let got = whole.parameters.get(&sparse.name).view(-1).index_select(0, &sparse.indices);
        let off = (got - &sparse.values).abs().max().double_value(&[]);
        assert!(off < 5e-3, "{}: {off}", sparse.name);
    }
}

#[test]
fn a_shira_adapter_holds_the_differences_with_one_rank_for_all_modules() {
    let _turn = turn();
    let (tiny, changes) = trained("");
    let refused = shira(&changes, &tiny.path("model"), false, &tiny.path("no"), quiet()).unwrap_err();
    assert_eq!(refused.downcast_ref::<ChangedBiases>().map(|biases| biases.count), Some(8));
    assert!(refused.to_string().contains("components of 8 biases, such as"), "{refused}");
    assert!(!tiny.path("no").exists());

    let (tiny, changes) = trained("biases = false");
    let out = tiny.path("adapter");
    shira(&changes, &tiny.path("model"), false, &out, quiet()).unwrap();
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("adapter_config.json")).unwrap()).unwrap();
    assert_eq!((&config["peft_type"], &config["task_type"]), (&"SHIRA".into(), &"SEQ_CLS".into()));
    assert_eq!(
        (&config["modules_to_save"], config["target_modules"].as_array().unwrap().len()),
        (&serde_json::json!(["classifier"]), 8)
    );
    // 205 components of 64 x 64 need a rank of 2: 256 entries.
    assert_eq!(config["r"], 2);
    let bytes = fs::read(out.join("adapter_model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (base, _) = open(&tiny.path("model"));
    for sparse in &changes.sparse {
        let module = sparse.name.trim_end_matches(".weight");
        let tensor = |part: &str, kind| {
            let view = tensors.tensor(&format!("base_model.model.{module}.shira_{part}")).unwrap();
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            Tensor::from_data_size(view.data(), &shape, kind)
        };
        let (indices, values) = (tensor("indices", Kind::Int), tensor("weight", Kind::Float));
        assert_eq!((indices.size(), values.size()), (vec![2, 256], vec![256]));
        let flat = (indices.get(0) * 64 + indices.get(1)).to_kind(Kind::Int64);
        let distinct: std::collections::BTreeSet<i64> = Vec::try_from(&flat).map(Vec::into_iter).unwrap().collect();
        assert_eq!(distinct.len(), 256);
        let weights = base.parameters.get(&sparse.name).copy();
        let expected = weights.copy();
        let _ = expected.view(-1).index_copy_(0, &sparse.indices, &sparse.values);
        let got = weights.view(-1).index_add(0, &flat, &values).view_as(&expected);
        let off = (got - expected).abs().max().double_value(&[]);
        assert!(off < 1e-7, "{}: {off}", sparse.name);
    }
    assert_eq!(tensors.tensor("base_model.model.classifier.weight").unwrap().shape(), [2, 64]);
}

#[test]
fn every_selection_is_exported_exactly() {
    let _turn = turn();
    for sift in [
        "structure = \"columns\"",
        "structure = \"rows\"\nselect = \"gradient_times_weight\"",
        "structure = \"blocks\"\nblock_size = 8\nselect = \"gallop\"",
        "structure = \"rows_columns\"\nselect = \"lift\"\nlift_rank = 4",
        "structure = \"per_row\"\nselect = \"fisher\"\nbatches = 2",
        "budget = \"global\"\nselect = \"magnitude\"",
        "budget = \"global\"\nstructure = \"blocks\"\nblock_size = 32",
        "reselect_every = 2",
        "reselect_every = 5\nselect = \"random\"\nstructure = \"columns\"",
    ] {
        let (tiny, changes) = trained(&format!("biases = false\n{sift}"));
        let (base, _) = open(&tiny.path("model"));
        merged(&changes, &tiny.path("model"), &tiny.path("merged"), quiet()).unwrap();
        changes.write(&tiny.path("delta"), quiet()).unwrap();
        let read = Changes::read(&tiny.path("delta")).unwrap();
        merged(&read, &tiny.path("model"), &tiny.path("again"), quiet()).unwrap();
        assert!(files(&tiny.path("again")) == files(&tiny.path("merged")), "{sift}: the delta is another model");
        shira(&changes, &tiny.path("model"), false, &tiny.path("adapter"), quiet()).unwrap();
        let adapter = fs::read(tiny.path("adapter/adapter_model.safetensors")).unwrap();
        let adapter = SafeTensors::deserialize(&adapter).unwrap();
        let (whole, _) = open(&tiny.path("merged"));
        for sparse in &changes.sparse {
            let (was, is) = (base.parameters.get(&sparse.name), whole.parameters.get(&sparse.name));
            let differs = was.ne_tensor(&is).sum(Kind::Int64).int64_value(&[]);
            assert!(differs <= sparse.indices.numel() as i64, "{sift}: {}", sparse.name);
            let part = |part: &str, kind| {
                let module = sparse.name.trim_end_matches(".weight");
                let view = adapter.tensor(&format!("base_model.model.{module}.shira_{part}")).ok()?;
                let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
                Some(Tensor::from_data_size(view.data(), &shape, kind))
            };
            let Some((indices, values)) = part("indices", Kind::Int).zip(part("weight", Kind::Float)) else {
                assert_eq!((differs, sparse.indices.numel()), (0, 0), "{sift}: {}", sparse.name);
                continue;
            };
            let flat = (indices.get(0) * 64 + indices.get(1)).to_kind(Kind::Int64);
            let got = was.copy().view(-1).index_add(0, &flat, &values).view_as(&is);
            let off = (got - is).abs().max().double_value(&[]);
            assert!(off < 1e-6, "{sift}: {}: {off}", sparse.name);
        }
        // The exported model scores as the run did at its best, when the weights in memory were evaluated.
        let best = changes.info.eval.as_ref().unwrap().loss;
        let (code, out, error) = program(&tiny, &["eval", "run", "--json", "--device", "cpu"]);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{sift}");
        let scores: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!((scores["loss"].as_f64().unwrap() - best).abs() < 1e-6, "{sift}: {out}, {best}");
        if sift.contains("reselect") {
            let selected: usize = changes.sparse.iter().map(|sparse| sparse.indices.numel()).sum();
            let log = fs::read_to_string(tiny.path("runs/run/events.jsonl")).unwrap();
            assert!(log.contains("\"event\":\"reselected\""), "{log}");
            assert!(selected > 8 * 192, "{sift}: components that left are lost: {selected}");
        }
    }
}

#[test]
fn a_run_is_exported_by_its_name() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    complete(&tiny, &tiny.preset("epochs = 1"), "run");
    let export = |to: &str, out: &str, more: &[&str]| {
        program(&tiny, &[&["export", "run", "--runs", "runs", "--to", to, "--out", out], more].concat())
    };
    assert_eq!(export("merged", "merged", &["--from", "best"]).0, Some(0));
    assert!(tiny.path("merged/model.safetensors").is_file());
    assert_eq!(export("csv", "numbers.csv", &[]), (Some(0), "numbers.csv\n".into(), String::new()));
    assert_eq!(fs::read_to_string(tiny.path("numbers.csv")).unwrap().lines().count(), 11);
    assert_eq!(export("html", "run.html", &[]).0, Some(0));
    assert!(fs::read_to_string(tiny.path("run.html")).unwrap().matches("<svg ").count() == 5);
    assert_eq!(export("tensorboard", "board", &[]).0, Some(0));
    assert_eq!(fs::read_dir(tiny.path("board")).unwrap().count(), 1);
    assert_eq!(export("shira", "adapter", &["--without-biases"]).0, Some(0));
    for (to, more, message) in [
        ("shira", &[][..], "sift.biases = false trains none; --without-biases leaves them out"),
        ("delta", &["--from", "1"][..], "no such checkpoint; there are checkpoints at steps 9"),
        ("delta", &["--from", "worst"], "expected best, or the number of a step"),
        ("csv", &["--out", "x"], "cannot be used multiple times"),
    ] {
        let (code, _, told) = export(to, "delta", more);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(message), "{told}");
    }
    assert!(!tiny.path("delta").exists());
}

#[test]
fn a_cancelled_export_leaves_nothing() {
    let _turn = turn();
    let (tiny, _) = trained("biases = false");
    let names = || {
        let entries = fs::read_dir(tiny.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        entries.collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    let order = |format| ExportRequest {
        run: tiny.path("runs/run"),
        format,
        from: None,
        out: tiny.path("out"),
        without_biases: false,
    };
    // Cancelled while the model is written, and before.
    let (stop, told) = (CancelToken::default(), std::cell::Cell::new(0));
    let cancel = |_| {
        told.set(told.get() + 1);
        stop.cancel();
    };
    let error = order(ExportFormat::Merged).write(ExportControl { on_progress: &cancel, cancel: &stop }).unwrap_err();
    assert!(error.is::<Cancelled>(), "{error}");
    assert_eq!((told.get(), names()), (1, before.clone()));
    // A run of another method than LoRA has no adapter to export.
    for form in ExportFormat::ALL.into_iter().filter(|form| *form != ExportFormat::Lora) {
        let stop = CancelToken::default();
        stop.cancel();
        let error = order(form).write(ExportControl { on_progress: &|_| {}, cancel: &stop }).unwrap_err();
        assert!(error.is::<Cancelled>(), "{form:?}: {error}");
        assert_eq!(names(), before);
        order(form).write(quiet()).unwrap();
        let there = order(form).write(quiet()).unwrap_err();
        assert!(there.is::<Usage>() && there.to_string().contains("exists already"), "{form:?}: {there}");
        fs::rename(tiny.path("out"), tiny.path("model").join(format!("{form:?}"))).unwrap();
    }
}

#[test]
fn an_old_checkpoint_without_labels_is_exported() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("epochs = 2");
    complete(&tiny, &preset, "run");
    let path = best(&tiny.path("runs/run")).unwrap();
    let named = Changes::of(&StoredCheckpoint::open(&path).unwrap(), &tiny.path("model")).unwrap();
    let manifest = path.join("checkpoint.json");
    let mut fields: serde_json::Map<_, _> = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    for key in ["labels", "device", "sha256"] {
        fields.remove(key).unwrap();
    }
    let body = serde_json::Value::Object(fields).to_string();
    let body = body.strip_suffix('}').unwrap();
    let seal = format!("{:x}", <sha2::Sha256 as sha2::Digest>::digest(body));
    fs::write(&manifest, format!("{body},\"sha256\":\"{seal}\"}}\n")).unwrap();
    let stored = StoredCheckpoint::open(&path).unwrap();
    assert_eq!((stored.manifest.device.as_str(), stored.manifest.labels.len()), ("", 0));
    let changes = Changes::of(&stored, &tiny.path("model")).unwrap();
    assert_eq!(
        (named.info.labels.join(" "), changes.info.labels.join(" ")),
        ("no yes".into(), "LABEL_0 LABEL_1".into())
    );
    assert!(named.dense.iter().zip(&changes.dense).all(|(a, b)| a.name == b.name && a.values.equal(&b.values)));
    merged(&changes, &tiny.path("model"), &tiny.path("merged"), quiet()).unwrap();
}

#[test]
fn a_signal_ends_an_export() {
    let tiny = Tiny::new(0.0);
    let run = tiny.path("runs/run");
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("preset.toml"), "").unwrap();
    // A pipe without data keeps it reading.
    let pipe = run.join("events.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = Command::new(place::program());
    command.args(["export", "run", "--to", "csv", "--out", "numbers.csv"]).current_dir(tiny.path(""));
    let mut child = command.env_remove("FINESIFT_RUNS").spawn().unwrap();
    // Returns once the other end is open, after signals are caught.
    let writer = fs::File::options().write(true).open(&pipe).unwrap();
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    drop(writer);
    assert!(!tiny.path("numbers.csv").exists());
}

/// Control of an export that is not cancelled.
fn quiet() -> ExportControl<'static> {
    ExportControl { on_progress: &|_| {}, cancel: Box::leak(Box::default()) }
}

/// Types, shapes and bytes by name.
type Shard = BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>;

#[test]
fn a_run_its_delta_and_its_merged_folder_say_the_same() {
    let _turn = turn();
    let (tiny, changes) = trained("");
    changes.write(&tiny.path("delta.safetensors"), quiet()).unwrap();
    merged(&changes, &tiny.path("model"), &tiny.path("merged"), quiet()).unwrap();
    let models = ["run", "delta.safetensors", "merged"];
    let ask = |command: &str, model: &str, more: &[&str]| {
        let (code, out, told) = program(&tiny, &[&[command, model, "--device", "cpu"], more].concat());
        assert_eq!((code, told.as_str()), (Some(0), ""), "{command} {model}");
        out
    };
    // On its own held-out examples a run scores as it did when it was the best.
    let scores: serde_json::Value = serde_json::from_str(&ask("eval", "run", &["--json"])).unwrap();
    let best = changes.info.eval.as_ref().unwrap();
    assert_eq!(
        (scores["accuracy"].as_f64(), scores["f1"].as_f64()),
        (Some(best.scores["accuracy"]), Some(best.scores["f1"]))
    );
    assert!((scores["loss"].as_f64().unwrap() - best.loss).abs() < 1e-6);

    let all = models.map(|model| ask("eval", model, &["--data", "texts.csv"]));
    assert!(all[0].starts_with("accuracy ") && all[0] == all[1] && all[0] == all[2], "{all:?}");
    let table = all[0].split_once("columns: predicted)\n").unwrap().1.to_owned();
    let all = models.map(|model| ask("predict", model, &["--data", "texts.csv"]));
    assert!(all[0].lines().count() == 96 && all[0] == all[1] && all[0] == all[2]);
    let first: serde_json::Value = serde_json::from_str(all[0].lines().next().unwrap()).unwrap();
    let logits = first["logits"].as_array().unwrap();
    let yes = logits[1].as_f64().unwrap() > logits[0].as_f64().unwrap();
    assert_eq!((&first["index"], &first["label"]), (&0.into(), &(if yes { "yes" } else { "no" }).into()));

    // The cells of the confusion matrix are those that a count of the predictions gives.
    let labelled = fs::read_to_string(tiny.path("texts.csv")).unwrap();
    let labels: Vec<&str> = labelled.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
    let predicted: Vec<String> = all[0]
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["label"].as_str().unwrap().to_owned())
        .collect();
    let count = |label: &str, prediction: &str| {
        labels.iter().zip(&predicted).filter(|(of, as_)| **of == label && *as_ == prediction).count()
    };
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let row = |label| vec![String::from(label), count(label, "no").to_string(), count(label, "yes").to_string()];
    assert_eq!(rows, [vec!["no".to_owned(), "yes".to_owned()], row("no"), row("yes")], "{table}");

    // As the benchmark takes it; texts alone are enough.
    let texts: String = fs::read_to_string(tiny.path("texts.csv"))
        .unwrap()
        .lines()
        .map(|line| line.split(',').next().unwrap().to_owned() + "\n")
        .collect();
    fs::write(tiny.path("test.tsv"), texts).unwrap();
    assert_eq!(ask("predict", "merged", &["--data", "test.tsv", "--out", "yes-no.tsv"]), "yes-no.tsv\n");
    let named = fs::read_to_string(tiny.path("yes-no.tsv")).unwrap();
    assert!(named.starts_with("index\tprediction\n0\t") && named.lines().count() == 97, "{named}");
    // A task's submission goes by the names of its classes.
    let more = ["--data", "test.tsv", "--out", "numbers.tsv", "--task", "sst2", "--text", "text", "--device", "cpu"];
    let (code, _, error) = program(&tiny, &[&["predict", "run"], &more[..]].concat());
    let message = "finesift: SST-2 has the labels negative (0), positive (1), but the model predicts no (0), yes (1)\n";
    assert_eq!((code, error.as_str()), (Some(2), message));
    let config = tiny.path("merged/config.json");
    let renamed =
        fs::read_to_string(&config).unwrap().replace("\"no\"", "\"negative\"").replace("\"yes\"", "\"positive\"");
    fs::write(&config, renamed).unwrap();
    let (code, _, error) = program(&tiny, &[&["predict", "merged"], &more[..]].concat());
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let numbered = fs::read_to_string(tiny.path("numbers.tsv")).unwrap();
    assert_eq!(numbered, named.replace("\tyes", "\t1").replace("\tno", "\t0"));

    for (folder, file) in
        [("empty", None), ("adapter", Some("adapter_config.json")), ("config alone", Some("config.json"))]
    {
        fs::create_dir(tiny.path(folder)).unwrap();
        if let Some(file) = file {
            fs::copy(tiny.path("model/config.json"), tiny.path(folder).join(file)).unwrap();
        }
    }
    for (arguments, message) in [
        (&["predict", "merged", "--data", "none.tsv"][..], "none.tsv: no such file"),
        (
            &["predict", "merged", "--data", "empty"],
            "empty: no .csv, .tsv, .json, .jsonl or .parquet file in this folder; it is empty",
        ),
        (&["predict", "merged", "--data", "texts.csv", "--text", "txt"], "no column \"txt\"; did you mean \"text\"?"),
        (&["eval", "merged"], "--data is missing"),
        (&["eval", "nothing", "--data", "texts.csv"], "no run named \"nothing\""),
        (&["eval", "empty", "--data", "texts.csv"], "empty: an empty folder; a model has config.json, tokenizer.json"),
        (
            &["eval", "runs", "--data", "texts.csv"],
            "runs: a folder without the config.json of a model or the preset.toml of a run",
        ),
        (&["eval", "texts.csv", "--data", "texts.csv"], "texts.csv: a file, but not a .safetensors file of"),
        (&["predict", "runs/run/best", "--data", "texts.csv"], "a checkpoint of a run; name the run's folder"),
        (&["eval", "adapter", "--data", "texts.csv"], "an adapter, which needs its base model"),
        (&["eval", "config alone", "--data", "texts.csv"], "config alone"),
        (
            &["eval", "model", "--data", "texts.csv"],
            "its weights lack classifier.weight, classifier.bias; is it a fine-tuned classifier",
        ),
        (&["predict", "run", "--data", "texts.csv", "--out", "numbers.tsv"], "numbers.tsv: exists already"),
    ] {
        let (code, _, told) = program(&tiny, arguments);
        assert!(code == Some(2) && told.contains(message), "{told}");
    }
}

#[test]
fn a_language_model_is_exported_and_is_not_asked_for_labels() {
    let _turn = turn();
    let folder = tiny::chat();
    let tiny = Tiny::at(folder.path().to_owned());
    let trained = |run: &str, modules: &str| {
        let preset = format!(
            r#"[model]
id = {:?}
[data]
format = "prompt_completion"
path = {:?}
eval_fraction = 0.25
max_length = 64
[sift]
rate = 0.05
modules = {modules}
dense = ["model.norm"]
[train]
epochs = 1
batch = 4
learning_rate = 1e-3
[keep]
every_minutes = 0
"#,
            tiny.path("model"),
            tiny.path("rows.jsonl")
        );
        finish(spawn_in(Arc::new(RealDisk), folder.path(), &preset, run).unwrap()).unwrap();
        let run = tiny.path("runs").join(run);
        Changes::of(&StoredCheckpoint::open(&best(&run).unwrap()).unwrap(), &tiny.path("model")).unwrap()
    };

    let changes = trained("run", "[\"proj\"]");
    assert_eq!((changes.info.labels.len(), changes.dense.len()), (0, 1));
    let out = tiny.path("merged");
    merged(&changes, &tiny.path("model"), &out, quiet()).unwrap();
    let (base, whole) = (open(&tiny.path("model")).0, open(&out).0);
    for spec in whole.parameters.specs() {
        let (was, is) = (base.parameters.get(&spec.name), whole.parameters.get(&spec.name));
        let expected = was.copy();
        if let Some(sparse) = changes.sparse.iter().find(|sparse| sparse.name == spec.name) {
            let _ = expected.view(-1).index_copy_(0, &sparse.indices, &sparse.values);
            assert!(!is.equal(&was), "{}", spec.name);
        }
        let full = changes.dense.iter().find(|full| full.name == spec.name);
        assert!(is.equal(full.map_or(&expected, |full| &full.values)), "{}", spec.name);
    }
    let config = "config.json";
    assert_eq!(fs::read(out.join(config)).unwrap(), fs::read(tiny.path("model").join(config)).unwrap());
    let card = fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains("pipeline_tag: text-generation") && !card.contains("predicts"), "{card}");
    assert!(card.contains("perplexity"), "{card}");

    changes.write(&tiny.path("delta.safetensors"), quiet()).unwrap();
    assert_eq!(program(&tiny, &["apply", "delta.safetensors", "--out", "applied"]).0, Some(0));
    assert_eq!(files(&out), files(&tiny.path("applied")));

    shira(&changes, &tiny.path("model"), false, &tiny.path("adapter"), quiet()).unwrap();
    let config = fs::read(tiny.path("adapter/adapter_config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(
        (&config["task_type"], &config["modules_to_save"]),
        (&"CAUSAL_LM".into(), &serde_json::json!(["model.norm"]))
    );
    assert_eq!(config["target_modules"].as_array().unwrap().len(), changes.sparse.len());

    let tied = trained("tied", "[\"embed_tokens\"]");
    merged(&tied, &tiny.path("model"), &tiny.path("tied"), quiet()).unwrap();
    let name = "model.embed_tokens.weight";
    assert!(!open(&tiny.path("tied")).0.parameters.get(name).equal(&base.parameters.get(name)));
    let refused = shira(&tied, &tiny.path("model"), true, &tiny.path("no"), quiet()).unwrap_err();
    assert!(refused.is::<Usage>() && refused.to_string().contains("of an embedding"), "{refused}");
    assert!(!tiny.path("no").exists());

    for command in ["eval", "predict"] {
        for model in ["run", "delta.safetensors", "merged"] {
            let (code, out, told) = program(&tiny, &[command, model, "--device", "cpu", "--data", "rows.jsonl"]);
            assert!(code == Some(2) && out.is_empty() && told.contains("a language model, not a classifier"), "{told}");
        }
    }
}

fn shard(number: usize) -> String {
    format!("model-0000{}-of-00002.safetensors", number + 1)
}

fn open(folder: &Path) -> (Network, Vec<String>) {
    let options =
        LoadOptions { head: Head::as_stored(2), dtype: Kind::Float, device: Device::Cpu, offload: None, seed: 42 };
    let (network, report) = Network::open(folder, &options, &|_| {}).unwrap();
    (network, report.newly_initialized)
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Status, stdout and stderr of the program.
fn program(tiny: &Tiny, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(place::program());
    let output = command.current_dir(tiny.path("")).args(arguments).env("HF_HUB_OFFLINE", "1").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
