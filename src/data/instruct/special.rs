//! The special tokens of a model's folder: BOS, EOS and the others that chat templates use.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::Usage;

/// Limit on a file, in bytes. A tokenizer_config.json has some KB; with thousands of added tokens a few MB.
const MAX_FILE: u64 = 64 << 20;

/// Variables of chat templates.
const NAMES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

/// What the folder's JSON files say about special tokens.
pub(super) struct SpecialTokens {
    /// Text of each token by name, such as `bos_token`.
    pub tokens: Map<String, Value>,
    /// `chat_template` of tokenizer_config.json.
    pub chat_template: Option<Value>,
    /// `eos_token_id` of generation_config.json and config.json.
    pub eos_ids: Vec<u32>,
}

impl SpecialTokens {
    /// Reads tokenizer_config.json, special_tokens_map.json, generation_config.json and config.json; all are optional.
    pub fn read(folder: &Path) -> Result<SpecialTokens> {
        let mut config = object(&folder.join("tokenizer_config.json"))?;
        // As in transformers: special_tokens_map.json takes precedence in folders from before `added_tokens_decoder`.
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
        Ok(SpecialTokens { tokens, chat_template: config.remove("chat_template"), eos_ids })
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.tokens.get(name).and_then(Value::as_str)
    }
}

/// The JSON object of a file; empty if the file is missing.
fn object(path: &Path) -> Result<Map<String, Value>> {
    let Ok(metadata) = path.metadata() else { return Ok(Map::new()) };
    if metadata.len() > MAX_FILE {
        bail!(Usage(format!("{}: larger than {} MiB", path.display(), MAX_FILE >> 20)));
    }
    let bytes = fs::read(path).with_context(|| format!("{}: cannot read", path.display()))?;
    let object = serde_json::from_slice(&bytes).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    Ok(object)
}
