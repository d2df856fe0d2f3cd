//! Runs with models as they lie in folders: their paths, tokenizers and exports.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::hub_server::{COMMIT, HubServer};
use crate::place;
use crate::run::turn;
use crate::tiny::Tiny;

/// Files that belong to a model besides config and weights.
const COMPANIONS: [&str; 9] = [
    "LICENSE",
    "added_tokens.json",
    "additional_chat_templates/tool_use.jinja",
    "chat_template.json",
    "generation_config.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tokenizer.model",
    "tokenizer_config.json",
];

/// Runs the program offline in a folder below that of the runs; returns what it printed.
#[track_caller]
fn finesift(tiny: &Tiny, folder: &str, arguments: &[&str]) -> String {
    finesift_with_hub(tiny, folder, arguments, None)
}

#[track_caller]
fn finesift_with_hub(tiny: &Tiny, folder: &str, arguments: &[&str], endpoint: Option<&str>) -> String {
    let output = Command::new(place::program())
        .args(arguments)
        .current_dir(tiny.path(folder))
        .env("HF_HUB_OFFLINE", if endpoint.is_some() { "0" } else { "1" })
        .env("HF_ENDPOINT", endpoint.unwrap_or("http://127.0.0.1:9"))
        .env("HF_HOME", tiny.path("hf"))
        .env("XDG_CACHE_HOME", tiny.path("xdg"))
        .env("XDG_CONFIG_HOME", tiny.path("config"))
        .env("FINESIFT_RUNS", tiny.path("runs"))
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

fn preset(tiny: &Tiny) -> String {
    let absolute = |name: &str| format!("{:?}", tiny.path(name));
    let text = tiny.preset("epochs = 1\nmax_steps = 2");
    text.replace(&absolute("model"), "\"./model\"").replace(&absolute("texts.csv"), "\"texts.csv\"")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match entry.path().is_dir() {
            true => names.extend(self::names(&entry.path()).into_iter().map(|file| format!("{name}/{file}"))),
            false => names.push(name),
        }
    }
    names.sort();
    names
}

#[test]
fn a_run_with_relative_paths_is_exported_from_another_folder_with_all_files_of_its_model() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    for name in COMPANIONS {
        let path = tiny.path("model").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "{}").unwrap();
    }
    for other in ["modeling_x.py", "pytorch_model.bin"] {
        fs::write(tiny.path("model").join(other), "x").unwrap();
    }
    fs::write(tiny.path("tiny.toml"), preset(&tiny)).unwrap();
    finesift(&tiny, "", &["train", "tiny.toml", "--device", "cpu", "--headless", "--run", "r"]);
    let kept = fs::read_to_string(tiny.path("runs/r/preset.toml")).unwrap();
    for name in ["model", "texts.csv"] {
        let path = tiny.path(name);
        assert!(kept.contains(&format!("\"{}\"", path.display())), "{name} is relative in: {kept}");
    }
    fs::create_dir(tiny.path("elsewhere")).unwrap();
    finesift(&tiny, "elsewhere", &["export", "r", "--to", "merged", "--out", "merged"]);
    let mut expected = vec!["README.md", "config.json", "model.safetensors", "tokenizer.json"];
    expected.extend(COMPANIONS);
    expected.sort();
    assert_eq!(names(&tiny.path("elsewhere/merged")), expected);
    // The delta has the folder too, and finds it from anywhere.
    finesift(&tiny, "elsewhere", &["export", "r", "--to", "delta", "--out", "r.safetensors"]);
    finesift(&tiny, "runs", &["apply", "../elsewhere/r.safetensors", "--out", "applied"]);
}

#[test]
fn a_bert_with_vocab_txt_is_trained_exported_and_predicts() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    fs::remove_file(tiny.path("model/tokenizer.json")).unwrap();
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "w"].map(str::to_owned);
    let pieces = (0..10).map(|digit| format!("##{digit}"));
    let vocabulary: Vec<String> = words.into_iter().chain(pieces).collect();
    fs::write(tiny.path("model/vocab.txt"), vocabulary.join("\n")).unwrap();
    fs::write(tiny.path("tiny.toml"), preset(&tiny)).unwrap();
    let said = finesift(&tiny, "", &["train", "tiny.toml", "--device", "cpu", "--headless", "--json", "--run", "r"]);
    assert!(said.contains("tokenizer: WordPiece made of vocab.txt; texts are lower-cased (the default)"), "{said}");
    finesift(&tiny, "", &["export", "r", "--to", "merged", "--out", "merged"]);
    assert_eq!(names(&tiny.path("merged")), ["README.md", "config.json", "model.safetensors", "vocab.txt"]);
    let predictions = |model: &str, out: &str| {
        let arguments =
            ["predict", model, "--data", "texts.csv", "--max-length", "16", "--device", "cpu", "--out", out];
        finesift(&tiny, "", &arguments);
        fs::read_to_string(tiny.path(out)).unwrap()
    };
    let of_run = predictions("r", "run.jsonl");
    assert_eq!(of_run.lines().count(), 96);
    assert_eq!(of_run, predictions("./merged", "merged.jsonl"));
}

#[test]
fn a_classifier_is_trained_on_the_splits_and_classes_of_a_dataset_of_the_hub() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let rows = |count: usize| {
        let row = |number: usize| {
            let (word, label) = [("bad", 0), ("good", 1)][number % 2];
            serde_json::json!({"text": format!("w{number} {word}"), "label": label}).to_string()
        };
        (0..count).map(row).collect::<Vec<_>>().join("\n").into_bytes()
    };
    let card = "---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n          \
                '0': negative\n          '1': positive\n---\n# Rows\n";
    let files = [
        ("README.md", card.as_bytes().to_vec()),
        ("train_1.jsonl", rows(12)),
        ("train_2.jsonl", rows(12)),
        ("validation.jsonl", rows(8)),
        ("test.jsonl", rows(4)),
    ];
    let path = "datasets/org/rows";
    let server = HubServer::start(HubServer::repository_at("v1.0", path, path, &files));
    let text = preset(&tiny)
        .replace("path = \"texts.csv\"\neval_fraction = 0.25\nlabels = [\"no\", \"yes\"]", "hub = \"org/rows@v1.0\"");
    assert!(text.contains("hub ="), "{text}");
    fs::write(tiny.path("tiny.toml"), text).unwrap();
    let train = ["train", "tiny.toml", "--device", "cpu", "--headless", "--json", "--run"];
    let said = finesift_with_hub(&tiny, "", &[&train[..], &["r"]].concat(), Some(&server.endpoint));
    let taken = format!(
        "dataset: org/rows@v1.0 at commit {}, config default, split train, held-out set: split validation (2 files; \
         validation.jsonl)",
        &COMMIT[..12]
    );
    for part in [
        taken.as_str(),
        "labels: negative (0), positive (1) from the dataset's card",
        "\"examples\":24,\"eval_examples\":8",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    // Offline it is found again, for another run and for an evaluation.
    let again = finesift(&tiny, "", &[&train[..], &["again"]].concat());
    assert!(again.contains(&taken), "{again}");
    assert!(finesift(&tiny, "", &["eval", "r", "--device", "cpu"]).contains("accuracy"));
}
