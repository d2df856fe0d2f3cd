//! A tokenizer whose tokens are bytes, so that loss masks can be compared byte by byte. No test lives here.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails them by panicking")]

use std::fs;
use std::path::Path;

use finesift::data::Sequence;
use serde_json::{Value, json};

pub const EOS: &str = "</s>";
pub const BOS: &str = "<s>";

/// Writes tokenizer.json and tokenizer_config.json. Ids below 256 are bytes, special tokens come after them.
pub fn write(folder: &Path, special: &[&str], config: &Value, adds_bos: bool) {
    // GPT-2's characters for bytes: printable ones stand for themselves, the others are numbered from 256.
    let printable = |byte: u32| (33..127).contains(&byte) || (161..173).contains(&byte) || (174..256).contains(&byte);
    let mut others = 256..;
    let characters = (0..256).map(|byte| if printable(byte) { byte } else { others.next().unwrap() });
    let mut vocabulary = serde_json::Map::new();
    for (id, token) in characters.map(|code| char::from_u32(code).unwrap().to_string()).enumerate() {
        vocabulary.insert(token, id.into());
    }
    let added: Vec<Value> = (256..)
        .zip(special)
        .map(|(id, token)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let bos = json!({
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": BOS, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {BOS: {"id": BOS, "ids": [256], "tokens": [BOS]}}
    });
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": bytes, "post_processor": if adds_bos { bos } else { Value::Null }, "decoder": bytes,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []}
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs::write(folder.join("tokenizer_config.json"), config.to_string()).unwrap();
}

/// The whole text of a sequence, with the parts of the loss mask in brackets.
pub fn marked(folder: &Path, sequence: &Sequence) -> String {
    let tokenizer = tokenizers::Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
    let tokens: Vec<(u32, bool)> = sequence.ids.iter().copied().zip(sequence.loss_mask.iter().copied()).collect();
    let parts = tokens.chunk_by(|a, b| a.1 == b.1).map(|part| {
        let ids: Vec<u32> = part.iter().map(|token| token.0).collect();
        let text = tokenizer.decode(&ids, false).unwrap();
        if part[0].1 { format!("⟦{text}⟧") } else { text }
    });
    parts.collect()
}
