//! Models and datasets as they lie in folders, in the cache and on the hub.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use finesift::Usage;
use finesift::hub::Hub;
use finesift::protocol::Progress;
use serde_json::json;

use crate::hub_server::{COMMIT, HubServer};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n";
const CONFIG: &str = r#"{"model_type": "bert", "architectures": ["BertForMaskedLM"]}"#;

fn quiet(_: Progress) {}

/// A hub that is never asked.
fn offline(cache: &Path) -> Hub {
    Hub { endpoint: "http://127.0.0.1:9".into(), cache: cache.to_owned(), token: None, offline: true }
}

fn weights() -> Vec<u8> {
    weights_of("w")
}

/// A safetensors file of one tensor, of integers.
fn weights_of(name: &str) -> Vec<u8> {
    let header = json!({name: {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[1, 2]].concat()
}

/// A folder with these files besides what makes a model.
struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn model() -> Folder {
        let folder = Folder::empty();
        folder.write("config.json", CONFIG).write("tokenizer.json", "{}");
        fs::write(folder.path().join("model.safetensors"), weights()).unwrap();
        folder
    }

    fn empty() -> Folder {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("m")).unwrap();
        Folder { root }
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("m")
    }

    fn write(&self, name: &str, content: &str) -> &Folder {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn without(&self, name: &str) -> &Folder {
        fs::remove_file(self.path().join(name)).unwrap();
        self
    }

    /// Why the folder is refused.
    fn refusal(&self) -> String {
        refusal(&self.path())
    }

    #[track_caller]
    fn assert_refused(&self, parts: &[&str]) {
        let message = self.refusal();
        for part in parts {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

fn refusal(path: &Path) -> String {
    let cache = tempfile::tempdir().unwrap();
    let error = offline(cache.path()).local_model(path.to_str().unwrap()).unwrap_err();
    assert!(error.is::<Usage>(), "{error:#}");
    format!("{error:#}")
}

#[test]
fn a_whole_folder_is_a_model() {
    let folder = Folder::model();
    let cache = tempfile::tempdir().unwrap();
    let hub = offline(cache.path());
    let found = hub.local_model(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(found, Some(folder.path()));
    assert_eq!(hub.commit_of(&folder.path()), None);
}

#[test]
fn files_that_hold_something_else_are_named_as_what_they_are() {
    for name in ["config.json", "tokenizer.json", "model.safetensors", "vocab.txt"] {
        Folder::model().write(name, POINTER).assert_refused(&[
            &format!("{name}: a Git LFS pointer instead of the file"),
            "`git lfs install` and `git lfs pull`",
        ]);
        Folder::model()
            .write(name, "<!DOCTYPE html>\n<html>")
            .assert_refused(&[name, "a web page instead of the file"]);
        Folder::model().write(name, "").assert_refused(&[name, "an empty file"]);
        Folder::model().write(name, "Entry not found").assert_refused(&[name, "an error message instead of the file"]);
    }
    // Of what is only carried along, a pointer is refused: an export would have it too.
    Folder::model()
        .write("LICENSE", "")
        .write("tokenizer.model", POINTER)
        .assert_refused(&["tokenizer.model: a Git LFS pointer"]);
    let renamed = Folder::model();
    renamed
        .write("model.safetensors", "PK\u{3}\u{4}archive/data.pkl")
        .assert_refused(&["pickled weights under another name"]);
    renamed.write("model.safetensors", "GGUF\u{3}").assert_refused(&["a GGUF file under another name"]);
    let cut = Folder::model();
    fs::write(cut.path().join("model.safetensors"), &weights()[..30]).unwrap();
    cut.assert_refused(&["model.safetensors: damaged or cut short", "fetch it again"]);
    let quantized = Folder::model();
    for name in ["a.weight", "a.qweight"] {
        fs::write(quantized.path().join("model.safetensors"), weights_of(name)).unwrap();
        quantized.assert_refused(&[&format!("quantized weights ({name} has type U8)")]);
    }
}

#[test]
fn weights_in_other_formats_are_refused_with_the_step_that_converts_them() {
    let only = |name: &str| {
        let folder = Folder::model();
        folder.without("model.safetensors").write(name, "x");
        folder
    };
    let pickled = only("pytorch_model.bin");
    let path = pickled.path().display().to_string();
    pickled.assert_refused(&[
        "no model.safetensors: its only weights are pickled (pytorch_model.bin), which can run code",
        &format!(
            "python -c \"from transformers import BertForMaskedLM; BertForMaskedLM.from_pretrained('{path}')\
             .save_pretrained('{path}', safe_serialization=True)\""
        ),
    ]);
    for (name, said) in [
        ("pytorch_model-00001-of-00002.bin", "pickled"),
        ("model.pt", "pickled"),
        ("tf_model.h5", "of TensorFlow (tf_model.h5)"),
        ("flax_model.msgpack", "of Flax (flax_model.msgpack)"),
        ("model.onnx", "of ONNX (model.onnx)"),
        ("model-Q4_K_M.gguf", "a GGUF file (model-Q4_K_M.gguf), which is quantized"),
        ("model.fp16.safetensors", "rename them to model.safetensors"),
        ("model-00001-of-00002.safetensors", "but not model.safetensors.index.json"),
        ("model.safetensors.incomplete", "its download was broken off (model.safetensors.incomplete)"),
        (".cache/huggingface/download/abc.incomplete", "its download was broken off"),
    ] {
        only(name).assert_refused(&["no model.safetensors: ", said]);
    }
    // Without anything else, the file is just missing.
    Folder::model().without("model.safetensors").assert_refused(&["no model.safetensors; a model needs it"]);
    let gguf = Folder::empty();
    gguf.write("model.gguf", "GGUF").assert_refused(&["a GGUF file (model.gguf)"]);
}

#[test]
fn missing_shards_are_listed() {
    let folder = Folder::model();
    let shard = |number: usize| format!("model-{number:05}-of-00003.safetensors");
    let map: serde_json::Map<String, serde_json::Value> = (1..=3).map(|n| (format!("w{n}"), shard(n).into())).collect();
    folder.without("model.safetensors").write("model.safetensors.index.json", &json!({"weight_map": map}).to_string());
    fs::write(folder.path().join(shard(2)), weights()).unwrap();
    folder
        .assert_refused(&["no model-00001-of-00003.safetensors, model-00003-of-00003.safetensors; a model needs them"]);
    fs::write(folder.path().join(shard(1)), weights()).unwrap();
    folder.write(&shard(3), POINTER).assert_refused(&["model-00003-of-00003.safetensors: a Git LFS pointer"]);
    folder.write("model.safetensors.index.json", POINTER).assert_refused(&["index.json: a Git LFS pointer"]);
}

#[test]
fn adapters_are_named_with_their_base_model() {
    let adapter = Folder::empty();
    adapter.write("adapter_config.json", r#"{"base_model_name_or_path": "org/base"}"#);
    adapter.write("adapter_model.safetensors", "x");
    adapter.assert_refused(&["an adapter of org/base, not a model", "merge_and_unload", "AutoPeftModel"]);
    // Beside whole weights it is unclear which are meant.
    let both = Folder::model();
    both.write("adapter_config.json", "{}").write("adapter_model.safetensors", "x");
    both.assert_refused(&["an adapter, not a model"]);
}

#[test]
fn folders_near_the_model_are_refused_with_the_one_to_name() {
    let above = Folder::empty();
    above.write("step-100/config.json", CONFIG);
    above.assert_refused(&["/m: no config.json, but ", "/m/step-100 has one; name that folder"]);
    above.write("step-200/config.json", CONFIG).assert_refused(&["(and 1 more)"]);
    let below = Folder::model();
    below.write("onnx/notes.txt", "x");
    let message = refusal(&below.path().join("onnx"));
    assert!(message.contains("but the folder above has one; name ") && message.ends_with("/m"), "{message}");
    let message = refusal(&below.path().join("model.safetensors"));
    assert!(message.contains("model.safetensors: a file; name the folder of the model"), "{message}");
    Folder::empty().assert_refused(&["/m: an empty folder; a model has config.json"]);
    Folder::empty().write("preset.toml", "").assert_refused(&["a run of finesift, not a model", "--to merged"]);
    Folder::empty().write("checkpoint.json", "{}").assert_refused(&["a checkpoint of a run, not a model"]);
    let cached = Folder::empty();
    cached.write("refs/main", COMMIT).write(&format!("snapshots/{COMMIT}/config.json"), CONFIG);
    cached.assert_refused(&["a folder of the Hugging Face cache; its model is in", COMMIT]);
}

#[test]
fn links_to_nothing_are_named() {
    let folder = Folder::model();
    folder.without("model.safetensors");
    symlink("../blobs/abc", folder.path().join("model.safetensors")).unwrap();
    folder.assert_refused(&["model.safetensors is a link to ../blobs/abc, which does not exist"]);
}

#[test]
fn tokenizers_that_are_not_read_are_refused_by_name() {
    for name in ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model"] {
        let folder = Folder::model();
        folder.without("tokenizer.json").write(name, "x").assert_refused(&[
            &format!("no tokenizer.json: its only tokenizer is {name}, of SentencePiece"),
            "pip install transformers sentencepiece protobuf; python -c \"from transformers import AutoTokenizer; ",
        ]);
    }
    let tiktoken = Folder::model();
    tiktoken.without("tokenizer.json").write("qwen.tiktoken", "x").assert_refused(&["qwen.tiktoken, of tiktoken"]);
    let half = Folder::model();
    half.without("tokenizer.json").write("vocab.json", "{}").assert_refused(&["it has vocab.json, but not merges.txt"]);
    Folder::model().without("tokenizer.json").assert_refused(&["no tokenizer.json; a model needs it"]);
}

#[test]
fn a_path_is_never_taken_for_a_hub_id() {
    let cache = tempfile::tempdir().unwrap();
    let server = HubServer::start([].into());
    let hub = Hub { endpoint: server.endpoint.clone(), offline: false, ..offline(cache.path()) };
    // `src` is a folder here: tests run in that of the crate.
    for path in ["./models/x", "../models/x", "/models/x", "~/models/x", "src/x", "a/b/c/../x"] {
        let error = hub.model(path, &quiet).unwrap_err();
        let message = format!("{error:#}");
        assert!(error.is::<Usage>() && message.contains(path), "{message}");
        assert!(message.contains("no such folder") || message.contains("neither a folder"), "{message}");
    }
    assert!(format!("{:#}", hub.model("src/x", &quiet).unwrap_err()).contains("write src/x@main"));
    assert!(server.requests().is_empty(), "{:?}", server.requests());
    // Said to be the hub's, it is asked for there.
    hub.model("src/x@main", &quiet).unwrap_err();
    assert_eq!(server.requests().len(), 1);
}
