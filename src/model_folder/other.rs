//! Weights and tokenizers in formats that are not read, by the names of their files, and how to convert them.

use std::collections::BTreeSet;

use super::place::Place;

/// Weights that are there instead of safetensors files. Each has the name of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherWeights {
    /// A download that was broken off.
    Unfinished(String),
    /// `model-00001-of-00002.safetensors` without an index.
    ShardsWithoutIndex(String),
    /// A safetensors file of another name, such as `model.fp16.safetensors`.
    OtherName(String),
    Pickled(String),
    Gguf(String),
    /// TensorFlow, Flax, ONNX and others, with the name of the framework.
    Framework(&'static str, String),
}

/// A tokenizer in another format. Each has the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherTokenizer {
    SentencePiece(String),
    Tiktoken(String),
    /// `vocab.json` or `merges.txt`, of which both are needed.
    HalfOfBpe {
        there: &'static str,
        missing: &'static str,
    },
}

/// Endings of the names of unfinished downloads.
const UNFINISHED: [&str; 6] = [".incomplete", ".part", ".partial", ".crdownload", ".aria2", ".download"];

const FRAMEWORKS: [(&str, &str); 8] = [
    (".h5", "TensorFlow"),
    (".pb", "TensorFlow"),
    (".msgpack", "Flax"),
    (".onnx", "ONNX"),
    (".tflite", "TensorFlow Lite"),
    (".ot", "rust-bert"),
    (".mlmodel", "Core ML"),
    (".npz", "MLX or NumPy"),
];

impl OtherWeights {
    /// The first of these kinds that is among the names of a folder or repository.
    pub fn among(names: &BTreeSet<String>) -> Option<OtherWeights> {
        let find = |of: &dyn Fn(&str) -> bool| names.iter().find(|name| of(name)).cloned();
        let has_ending = |name: &str, endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let framework = |name: &String| {
            let known = FRAMEWORKS.iter().find(|(ending, _)| name.ends_with(ending));
            known.map(|(_, framework)| OtherWeights::Framework(framework, name.clone()))
        };
        find(&|name| has_ending(name, &UNFINISHED))
            .map(OtherWeights::Unfinished)
            .or_else(|| find(&|name| is_shard(name)).map(OtherWeights::ShardsWithoutIndex))
            .or_else(|| find(&|name| name.ends_with(".safetensors")).map(OtherWeights::OtherName))
            .or_else(|| {
                find(&|name| has_ending(name, &[".bin", ".pt", ".pth", ".ckpt", ".bin.index.json"]))
                    .map(OtherWeights::Pickled)
            })
            .or_else(|| find(&|name| has_ending(name, &[".gguf", ".ggml"])).map(OtherWeights::Gguf))
            .or_else(|| names.iter().find_map(framework))
    }

    /// What is there, and what to do about it.
    pub fn describe(&self, place: &Place) -> String {
        match self {
            OtherWeights::Unfinished(name) => {
                format!("its download was broken off ({name}); download the model again")
            }
            OtherWeights::ShardsWithoutIndex(name) => {
                format!("it has shards such as {name}, but not model.safetensors.index.json; download that file too")
            }
            OtherWeights::OtherName(name) => {
                format!(
                    "its only weights are {name}; if they are those of the whole model, rename them to model.safetensors"
                )
            }
            OtherWeights::Pickled(name) => format!(
                "its only weights are pickled ({name}), which can run code when they are loaded. If you trust their origin, \
                 convert them: {}{}",
                place.conversion(&["model"], ""),
                place.converted_branch()
            ),
            OtherWeights::Gguf(name) => format!(
                "its only weights are a GGUF file ({name}), which is quantized for inference; take the safetensors weights of \
                 the model that it was made from"
            ),
            OtherWeights::Framework(framework, name) => format!(
                "its only weights are of {framework} ({name}); take a repository with safetensors weights, or convert them \
                 with PyTorch's version of the model"
            ),
        }
    }
}

impl OtherTokenizer {
    pub fn among(names: &BTreeSet<String>) -> Option<OtherTokenizer> {
        let find = |of: &dyn Fn(&str) -> bool| names.iter().find(|name| of(name)).cloned();
        let half = |there: &'static str, missing| {
            names.contains(there).then_some(OtherTokenizer::HalfOfBpe { there, missing })
        };
        find(&|name| (name.ends_with(".model") || name.ends_with(".spm")) && !name.contains('/'))
            .map(OtherTokenizer::SentencePiece)
            .or_else(|| {
                find(&|name| name.ends_with(".tiktoken") || name == "tekken.json").map(OtherTokenizer::Tiktoken)
            })
            .or_else(|| half("vocab.json", "merges.txt"))
            .or_else(|| half("merges.txt", "vocab.json"))
    }

    pub fn describe(&self, place: &Place) -> String {
        let convert = |format: &str, name: &str, packages: &str| {
            format!(
                "its only tokenizer is {name}, of {format}; convert it: {}",
                place.conversion(&["tokenizer"], packages)
            )
        };
        match self {
            OtherTokenizer::SentencePiece(name) => convert("SentencePiece", name, "sentencepiece protobuf"),
            OtherTokenizer::Tiktoken(name) => convert("tiktoken", name, "tiktoken blobfile"),
            OtherTokenizer::HalfOfBpe { there, missing } => {
                format!("it has {there}, but not {missing}; a tokenizer needs both, or tokenizer.json")
            }
        }
    }
}

/// `model-00001-of-00002.safetensors`.
fn is_shard(name: &str) -> bool {
    name.strip_suffix(".safetensors").and_then(|stem| stem.rsplit_once("-of-")).is_some_and(|(first, of)| {
        of.bytes().all(|byte| byte.is_ascii_digit()) && first.ends_with(|last: char| last.is_ascii_digit())
    })
}
