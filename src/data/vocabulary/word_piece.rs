//! BERT's `vocab.txt`, one token a line: WordPiece, as transformers' BertTokenizer.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::added::AddedTokens;
use super::{BuiltTokenizer, flag, text};

pub(super) fn build(folder: &Path, settings: &Map<String, Value>, added: AddedTokens) -> Result<BuiltTokenizer> {
    let path = folder.join("vocab.txt");
    let lines = text(&path)?;
    // Of a token that is there twice, the last line counts.
    let vocabulary: Map<String, Value> =
        lines.lines().enumerate().map(|(id, token)| (token.to_owned(), id.into())).collect();
    let (cls, cls_id) = added.required("cls_token", &vocabulary, &path)?;
    let (sep, sep_id) = added.required("sep_token", &vocabulary, &path)?;
    let (unknown, _) = added.required("unk_token", &vocabulary, &path)?;
    let special = |token: &str, type_id: u8| json!({"SpecialToken": {"id": token, "type_id": type_id}});
    let sequence = |id: &str, type_id: u8| json!({"Sequence": {"id": id, "type_id": type_id}});
    let single = [special(cls, 0), sequence("A", 0), special(sep, 0)];
    let second = [sequence("B", 1), special(sep, 1)];
    let of_template = |token: &str, id: u64| json!({"id": token, "ids": [id], "tokens": [token]});
    let stated = flag(settings, "do_lower_case");
    let lowercase = stated.unwrap_or(true);
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added.json(&vocabulary, &path)?,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": flag(settings, "tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": flag(settings, "strip_accents"),
            "lowercase": lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": single.iter().chain(&second).collect::<Vec<_>>(),
            "special_tokens": {cls: of_template(cls, cls_id), sep: of_template(sep, sep_id)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    });
    let case = match (lowercase, stated, has_capitals(&vocabulary)) {
        (true, None, true) => {
            "texts are lower-cased (the default), although the vocabulary has capital letters: if the model is cased, set \
             \"do_lower_case\": false in tokenizer_config.json"
        }
        (true, None, false) => "texts are lower-cased (the default)",
        (true, Some(_), _) => "texts are lower-cased, as in tokenizer_config.json",
        (false, ..) => "texts keep their case, as in tokenizer_config.json",
    };
    Ok(BuiltTokenizer { json, note: format!("WordPiece made of vocab.txt; {case}") })
}

/// Whether a token other than a special one has a capital letter.
fn has_capitals(vocabulary: &Map<String, Value>) -> bool {
    vocabulary.keys().any(|token| !token.starts_with('[') && token.chars().any(char::is_uppercase))
}
