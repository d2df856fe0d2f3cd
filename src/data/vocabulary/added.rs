//! The special and added tokens of a folder: their texts, ids and how they are matched.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::{TokenizerClass, object};
use crate::Usage;

/// Tokens that are matched before a text is split, in the order in which they get ids.
pub(super) struct AddedTokens {
    tokens: Vec<AddedToken>,
    /// Text by name, such as `cls_token`.
    named: Vec<(&'static str, String)>,
}

struct AddedToken {
    content: String,
    /// The id that a file states.
    id: Option<u64>,
    /// `lstrip` and the like.
    options: Map<String, Value>,
    special: bool,
}

const NAMES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl TokenizerClass {
    /// Texts of the special tokens that no file names.
    fn default_token(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (TokenizerClass::Bert, "unk_token") => Some("[UNK]"),
            (TokenizerClass::Bert, "sep_token") => Some("[SEP]"),
            (TokenizerClass::Bert, "pad_token") => Some("[PAD]"),
            (TokenizerClass::Bert, "cls_token") => Some("[CLS]"),
            (TokenizerClass::Bert, "mask_token") => Some("[MASK]"),
            (TokenizerClass::Roberta, "bos_token" | "cls_token") => Some("<s>"),
            (TokenizerClass::Roberta, "eos_token" | "sep_token") => Some("</s>"),
            (TokenizerClass::Roberta, "unk_token") => Some("<unk>"),
            (TokenizerClass::Roberta, "pad_token") => Some("<pad>"),
            (TokenizerClass::Roberta, "mask_token") => Some("<mask>"),
            (TokenizerClass::Gpt2, "bos_token" | "eos_token" | "unk_token") => Some("<|endoftext|>"),
            (TokenizerClass::Qwen2, "eos_token" | "unk_token" | "pad_token") => Some("<|endoftext|>"),
            _ => None,
        }
    }
}

impl AddedTokens {
    /// Reads `added_tokens_decoder` of tokenizer_config.json, or else added_tokens.json; and the special tokens of
    /// tokenizer_config.json and special_tokens_map.json, of which the latter counts in folders from before
    /// `added_tokens_decoder`.
    pub fn read(folder: &Path, settings: &Map<String, Value>, class: TokenizerClass) -> Result<AddedTokens> {
        let decoder = settings.get("added_tokens_decoder").and_then(Value::as_object);
        let map = match decoder {
            Some(_) => Map::new(),
            None => object(&folder.join("special_tokens_map.json"))?,
        };
        let mut added = AddedTokens { tokens: Vec::new(), named: Vec::new() };
        let mut stated: Vec<(u64, AddedToken)> = Vec::new();
        for (id, token) in decoder.into_iter().flatten() {
            if let (Ok(id), Some(token)) = (id.parse(), AddedToken::of(token, false)) {
                stated.push((id, token));
            }
        }
        if decoder.is_none() {
            for (content, id) in object(&folder.join("added_tokens.json"))? {
                if let Some(id) = id.as_u64() {
                    stated.push((id, AddedToken { content, id: None, options: Map::new(), special: false }));
                }
            }
        }
        stated.sort_by_key(|(id, _)| *id);
        added.tokens.extend(stated.into_iter().map(|(id, token)| AddedToken { id: Some(id), ..token }));
        for name in NAMES {
            let default = class.default_token(name).map(Value::from);
            let token = map.get(name).or_else(|| settings.get(name)).or(default.as_ref());
            if let Some(token) = token.and_then(|token| AddedToken::of(token, true)) {
                added.named.push((name, token.content.clone()));
                added.add(token);
            }
        }
        let extra = map.get("additional_special_tokens").or_else(|| settings.get("additional_special_tokens"));
        for token in extra.and_then(Value::as_array).into_iter().flatten() {
            AddedToken::of(token, true).into_iter().for_each(|token| added.add(token));
        }
        Ok(added)
    }

    /// A token that some file has already keeps its place, but is special from here on.
    fn add(&mut self, token: AddedToken) {
        match self.tokens.iter_mut().find(|known| known.content == token.content) {
            Some(known) => known.special |= token.special,
            None => self.tokens.push(token),
        }
    }

    /// The text of a special token.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str())
    }

    /// A special token that has to be in the vocabulary, with its id.
    pub fn required<'a>(&'a self, name: &str, vocabulary: &Map<String, Value>, file: &Path) -> Result<(&'a str, u64)> {
        let text = self.named(name).unwrap_or_default();
        let stated = self.tokens.iter().find(|token| token.content == text).and_then(|token| token.id);
        match vocabulary.get(text).and_then(Value::as_u64).or(stated) {
            Some(id) => Ok((text, id)),
            None => bail!(Usage(format!(
                "{}: no token \"{text}\"; name the {name} of this vocabulary in tokenizer_config.json",
                file.display()
            ))),
        }
    }

    /// `added_tokens` of a tokenizer.json. Tokens that are not in the vocabulary follow it. A special token that neither the
    /// vocabulary nor a file gives an id is left out: the model has no embedding for it.
    pub fn json(&self, vocabulary: &Map<String, Value>, file: &Path) -> Result<Value> {
        let mut next = vocabulary.values().filter_map(Value::as_u64).max().map_or(0, |last| last + 1);
        let mut listed: Vec<(u64, Value)> = Vec::new();
        for token in &self.tokens {
            let id = match (vocabulary.get(&token.content).and_then(Value::as_u64), token.id) {
                (Some(id), _) => id,
                (None, Some(id)) if id == next => {
                    next += 1;
                    id
                }
                (None, Some(id)) => bail!(Usage(format!(
                    "{}: added token \"{}\" has the id {id}, but the next one after the vocabulary is {next}; use the \
                     tokenizer.json that transformers saves",
                    file.display(),
                    token.content
                ))),
                (None, None) => continue,
            };
            listed.push((id, token.json(id)));
        }
        listed.sort_by_key(|(id, _)| *id);
        Ok(listed.into_iter().map(|(_, token)| token).collect())
    }
}

impl AddedToken {
    /// A text, or an object with `content`.
    fn of(value: &Value, special: bool) -> Option<AddedToken> {
        let (content, options) = match value {
            Value::String(text) => (text.clone(), Map::new()),
            Value::Object(options) => (options.get("content")?.as_str()?.to_owned(), options.clone()),
            _ => return None,
        };
        let special = special || options.get("special").and_then(Value::as_bool).unwrap_or(false);
        (!content.is_empty()).then_some(AddedToken { content, id: None, options, special })
    }

    fn json(&self, id: u64) -> Value {
        let option = |name: &str| self.options.get(name).and_then(Value::as_bool);
        json!({
            "id": id,
            "content": self.content,
            "single_word": option("single_word").unwrap_or(false),
            "lstrip": option("lstrip").unwrap_or(false),
            "rstrip": option("rstrip").unwrap_or(false),
            "normalized": option("normalized").unwrap_or(!self.special),
            "special": self.special,
        })
    }
}
