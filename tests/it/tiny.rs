//! A tiny BERT with a tokenizer and texts, and a tiny Llama with instructions: whole runs in a second.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::byte_tokenizer::{self, BOS, EOS};
use crate::place;

/// A folder with a model, texts and space for runs.
pub struct Tiny {
    folder: PathBuf,
    /// Removes the folder, if this value made it.
    _guard: Option<TempDir>,
}

impl Tiny {
    /// A model with this dropout, and 96 texts of two classes.
    pub fn new(dropout: f64) -> Tiny {
        let guard = tempfile::tempdir().unwrap();
        let tiny = Tiny { folder: guard.path().to_owned(), _guard: Some(guard) };
        let model = tiny.path("model");
        fs::create_dir(&model).unwrap();
        let fixture = place::fixture("models/tiny-bert");
        let config = fs::read_to_string(fixture.join("config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
        for key in ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"] {
            config[key] = dropout.into();
        }
        fs::write(model.join("config.json"), config.to_string()).unwrap();
        let weights = fs::read(fixture.join("model.safetensors")).unwrap();
        fs::write(model.join("model.safetensors"), without_head(&weights)).unwrap();
        fs::write(model.join("tokenizer.json"), tokenizer()).unwrap();
        tiny.write_texts(96);
        tiny
    }

    /// Replaces the texts.
    pub fn write_texts(&self, number: usize) {
        fs::write(self.path("texts.csv"), texts(number)).unwrap();
    }

    /// A folder that another process has made.
    pub fn at(folder: PathBuf) -> Tiny {
        Tiny { folder, _guard: None }
    }

    /// A path within the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A preset for it; `more` is added at the end of `[train]`.
    pub fn preset(&self, more: &str) -> String {
        let (model, texts) = (self.path("model"), self.path("texts.csv"));
        format!(
            r#"about = "a tiny run"
[model]
id = {model:?}
[data]
path = {texts:?}
eval_fraction = 0.25
labels = ["no", "yes"]
max_length = 16
[sift]
rate = 0.05
modules = ["query", "key", "value", "attention.output.dense"]
dense = ["classifier"]
probe_every = 4
[keep]
every_minutes = 0
[train]
batch = 8
learning_rate = 1e-3
{more}
"#
        )
    }
}

/// A tiny Llama whose tokens are bytes, with instructions and space for runs.
pub fn chat() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    let fixture = place::fixture("models/tiny-llama-tied");
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture.join(file), model.join(file)).unwrap();
    }
    let template =
        "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}</s>{% else %}? {% endif %}{% endfor %}";
    let config = serde_json::json!({"bos_token": BOS, "eos_token": EOS, "chat_template": template});
    byte_tokenizer::write(&model, &[BOS, EOS], &config, true);
    let row = |number: usize| {
        let answer = ["yes", "no"][number % 2];
        serde_json::json!({"prompt": format!("{number}? "), "completion": answer}).to_string()
    };
    fs::write(folder.path().join("rows.jsonl"), (0..64).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    folder
}

/// Rows of words; the label says whether `good` or `bad` is among them.
fn texts(number: usize) -> String {
    let mut lines = String::from("text,label\n");
    for i in 0..number {
        let words = (0..3 + i * 7 % 9).map(|j| format!("w{}", (i * 31 + j * 17) % 400));
        let (word, label) = if i % 2 == 0 { ("good", "yes") } else { ("bad", "no") };
        lines += &format!("{} {word},{label}\n", words.collect::<Vec<_>>().join(" "));
    }
    lines
}

/// A tokenizer with a token per word: `[CLS] text [SEP]`.
fn tokenizer() -> String {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"].map(str::to_owned).into_iter();
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        words.chain((0..400).map(|i| format!("w{i}"))).zip((0..).map(serde_json::Value::from)).collect();
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    })
    .to_string()
}

/// The weights without the fixture's head, which has three classes.
fn without_head(weights: &[u8]) -> Vec<u8> {
    let all = safetensors::SafeTensors::deserialize(weights).unwrap();
    let kept = all.tensors().into_iter().filter(|(name, _)| !name.starts_with("classifier"));
    safetensors::serialize(kept, None).unwrap()
}
