//! `vocab.json` and `merges.txt`: byte-level BPE, as transformers' RobertaTokenizer, GPT2Tokenizer and Qwen2Tokenizer.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::added::AddedTokens;
use super::{BuiltTokenizer, TokenizerClass, flag, object, text};
use crate::Usage;

/// How Qwen's tokenizer splits a text before it merges bytes.
const QWEN_WORDS: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

pub(super) fn build(
    folder: &Path,
    class: TokenizerClass,
    settings: &Map<String, Value>,
    added: AddedTokens,
) -> Result<BuiltTokenizer> {
    let path = folder.join("vocab.json");
    let vocabulary = object(&path)?;
    let merges = merges(&folder.join("merges.txt"))?;
    let prefix_space = flag(settings, "add_prefix_space").unwrap_or(false);
    let byte_level = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": true, "use_regex": use_regex});
    let (normalizer, pre_tokenizer) = match class {
        TokenizerClass::Qwen2 => {
            let words =
                json!({"type": "Split", "pattern": {"Regex": QWEN_WORDS}, "behavior": "Isolated", "invert": false});
            (json!({"type": "NFC"}), json!({"type": "Sequence", "pretokenizers": [words, byte_level(false)]}))
        }
        _ => (Value::Null, byte_level(true)),
    };
    let post_processor = match class {
        TokenizerClass::Roberta => json!({
            "type": "RobertaProcessing",
            "sep": added.required("sep_token", &vocabulary, &path)?,
            "cls": added.required("cls_token", &vocabulary, &path)?,
            "trim_offsets": flag(settings, "trim_offsets").unwrap_or(true),
            "add_prefix_space": prefix_space,
        }),
        _ if flag(settings, "add_bos_token") == Some(true) => {
            let (bos, id) = added.required("bos_token", &vocabulary, &path)?;
            let begin = json!({"SpecialToken": {"id": bos, "type_id": 0}});
            let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
            json!({
                "type": "TemplateProcessing",
                "single": [begin, sequence("A")],
                "pair": [begin, sequence("A"), begin, sequence("B")],
                "special_tokens": {bos: {"id": bos, "ids": [id], "tokens": [bos]}},
            })
        }
        _ => Value::Null,
    };
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added.json(&vocabulary, &path)?,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "byte_fallback": false,
            "vocab": vocabulary,
            "merges": merges,
        },
    });
    Ok(BuiltTokenizer { json, note: format!("byte-level BPE made of vocab.json and merges.txt, as {}", class.name()) })
}

/// The pairs of merges.txt, in order. Its first line may name a version.
fn merges(path: &Path) -> Result<Vec<(String, String)>> {
    let mut merges = Vec::new();
    for (number, line) in text(path)?.lines().enumerate() {
        if line.is_empty() || line.starts_with("#version") {
            continue;
        }
        match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => merges.push((left.to_owned(), right.to_owned())),
            _ => bail!(Usage(format!(
                "{}:{}: expected two tokens with a space between them",
                path.display(),
                number + 1
            ))),
        }
    }
    Ok(merges)
}
