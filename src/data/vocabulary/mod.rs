//! Tokenizers of folders without tokenizer.json: built from vocabulary files as transformers builds them.
//!
//! ```text
//! added       special and added tokens, by the folder's JSON files
//! word_piece  vocab.txt of a BERT
//! byte_bpe    vocab.json and merges.txt of RoBERTa, GPT-2 and Qwen
//! ```
//!
//! A tokenizer is put together as the content of a tokenizer.json, so that it is read like any other.

mod added;
mod byte_bpe;
mod word_piece;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::Usage;
use added::AddedTokens;

/// Limit on a file, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// A tokenizer that was put together.
pub(super) struct BuiltTokenizer {
    /// The content of a tokenizer.json.
    pub json: Value,
    /// From which files, and which way they were read.
    pub note: String,
}

/// The kinds of tokenizers, by the names of transformers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenizerClass {
    Bert,
    Roberta,
    Gpt2,
    Qwen2,
}

/// Builds the tokenizer of a folder from its vocabulary files.
///
/// # Errors
/// [`Usage`]: no vocabulary files, or none for this kind of model; a malformed file, a special token that is not in the
/// vocabulary.
pub(super) fn build(folder: &Path) -> Result<BuiltTokenizer> {
    let settings = object(&folder.join("tokenizer_config.json"))?;
    let class = TokenizerClass::of(folder, &settings)?;
    let has = |name: &str| folder.join(name).is_file();
    let needed: &[&str] = match class {
        TokenizerClass::Bert => &["vocab.txt"],
        _ => &["vocab.json", "merges.txt"],
    };
    if let Some(name) = needed.iter().find(|name| !has(name)) {
        bail!(Usage(format!(
            "{}: no tokenizer.json, and no {name} of which a {} could be made; copy the tokenizer's files there",
            folder.display(),
            class.name()
        )));
    }
    let added = AddedTokens::read(folder, &settings, class)?;
    match class {
        TokenizerClass::Bert => word_piece::build(folder, &settings, added),
        _ => byte_bpe::build(folder, class, &settings, added),
    }
}

impl TokenizerClass {
    const NAMES: [(&str, TokenizerClass); 4] = [
        ("BertTokenizer", TokenizerClass::Bert),
        ("RobertaTokenizer", TokenizerClass::Roberta),
        ("GPT2Tokenizer", TokenizerClass::Gpt2),
        ("Qwen2Tokenizer", TokenizerClass::Qwen2),
    ];

    fn name(self) -> &'static str {
        TokenizerClass::NAMES.iter().find(|(_, class)| *class == self).map_or("", |(name, _)| name)
    }

    /// `tokenizer_class` of tokenizer_config.json, else as the model's type has it.
    fn of(folder: &Path, settings: &Map<String, Value>) -> Result<TokenizerClass> {
        let config = object(&folder.join("config.json"))?;
        let named = settings.get("tokenizer_class").or_else(|| config.get("tokenizer_class")).and_then(Value::as_str);
        let by_name = |name: &str| {
            let name = name.strip_suffix("Fast").unwrap_or(name);
            TokenizerClass::NAMES.iter().find(|(known, _)| *known == name).map(|(_, class)| *class)
        };
        // A class for any tokenizer.json says nothing about vocabulary files.
        let class = match named.filter(|name| !["PreTrainedTokenizerFast", "TokenizersBackend"].contains(name)) {
            Some(name) => by_name(name).ok_or_else(|| name.to_owned()),
            None => match config.get("model_type").and_then(Value::as_str) {
                Some("bert") => Ok(TokenizerClass::Bert),
                Some("roberta") => Ok(TokenizerClass::Roberta),
                Some("qwen2" | "qwen3") => Ok(TokenizerClass::Qwen2),
                other => Err(format!("a tokenizer of model_type {}", other.unwrap_or("unknown"))),
            },
        };
        class.map_err(|found| {
            Usage(format!(
                "{0}: no tokenizer.json, and {found} is not made of vocabulary files; save it with transformers: python -c \
                 \"from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('{0}').save_pretrained('{0}')\"",
                folder.display()
            ))
            .into()
        })
    }
}

/// The text of a vocabulary file.
fn text(path: &Path) -> Result<String> {
    let shown = path.display();
    if path.metadata().with_context(|| format!("{shown}: cannot read"))?.len() > MAX_FILE {
        bail!(Usage(format!("{shown}: larger than {} MiB", MAX_FILE >> 20)));
    }
    let bytes = fs::read(path).with_context(|| format!("{shown}: cannot read"))?;
    let text = String::from_utf8(bytes).map_err(|_| Usage(format!("{shown}: not UTF-8")))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The JSON object of a file; empty if the file is missing.
fn object(path: &Path) -> Result<Map<String, Value>> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    let parsed = serde_json::from_str(&text(path)?);
    Ok(parsed.map_err(|error| Usage(format!("{}: {error}", path.display())))?)
}

/// A yes or no of tokenizer_config.json; null is absent.
fn flag(settings: &Map<String, Value>, key: &str) -> Option<bool> {
    settings.get(key).and_then(Value::as_bool)
}
