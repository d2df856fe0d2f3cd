//! What a model's folder says of its special tokens: which one begins a text, and which one ends it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::Usage;

/// A tokenizer_config.json has some KB; with thousands of added tokens a few MB.
const LARGEST: u64 = 64 << 20;

/// Names that a chat template may use, with what they stand for.
const NAMES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

/// The folder's JSON files that say how texts begin and end.
pub(super) struct Special {
    /// `bos_token` and the like, as texts.
    pub tokens: Map<String, Value>,
    /// `chat_template` of tokenizer_config.json.
    pub chat_template: Option<Value>,
    /// Ids that end a text, of generation_config.json and config.json.
    pub eos_ids: Vec<u32>,
}

impl Special {
    /// Reads what there is of tokenizer_config.json, generation_config.json and config.json.
    pub fn read(folder: &Path) -> Result<Special> {
        let mut config = object(&folder.join("tokenizer_config.json"))?;
        // Folders of before there were decoders of added tokens have a file of its own for them, which then counts first.
        let mut map = match config.contains_key("added_tokens_decoder") {
            true => Map::new(),
            false => object(&folder.join("special_tokens_map.json"))?,
        };
        let mut tokens = Map::new();
        for name in NAMES {
            let token = match map.remove(name).or_else(|| config.remove(name)) {
                Some(Value::Object(mut token)) => token.remove("content"),
                other => other,
            };
            if let Some(token @ Value::String(_)) = token {
                tokens.insert(name.to_owned(), token);
            }
        }
        let mut eos_ids = Vec::new();
        for file in ["generation_config.json", "config.json"] {
            let id = |id: &Value| id.as_u64().and_then(|id| u32::try_from(id).ok());
            match object(&folder.join(file))?.get("eos_token_id") {
                Some(Value::Array(ids)) => eos_ids.extend(ids.iter().filter_map(id)),
                Some(one) => eos_ids.extend(id(one)),
                None => {}
            }
        }
        eos_ids.dedup();
        Ok(Special { tokens, chat_template: config.remove("chat_template"), eos_ids })
    }

    /// A token's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.tokens.get(name).and_then(Value::as_str)
    }
}

/// A file's object; an empty one where there is no file.
fn object(path: &Path) -> Result<Map<String, Value>> {
    let Ok(metadata) = path.metadata() else { return Ok(Map::new()) };
    if metadata.len() > LARGEST {
        bail!(Usage(format!("{}: larger than {} MiB", path.display(), LARGEST >> 20)));
    }
    let bytes = fs::read(path).with_context(|| format!("{}: cannot read", path.display()))?;
    let object = serde_json::from_slice(&bytes).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    Ok(object)
}
