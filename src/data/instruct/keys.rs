//! The keys of rows by the names that files give them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::InstructionFormat;
use super::fault::RowFault;

/// The keys of a format with the names that are known for them, the most common first.
type KeyTable = &'static [(&'static str, &'static [&'static str])];

const ALPACA: KeyTable = &[
    ("instruction", &["instruction", "prompt", "question", "query"]),
    ("input", &["input", "context"]),
    ("output", &["output", "response", "completion", "answer"]),
];
const PROMPT_COMPLETION: KeyTable = &[
    ("prompt", &["prompt", "instruction", "question", "query"]),
    ("completion", &["completion", "response", "output", "answer"]),
    ("role", &["role", "from"]),
    ("content", &["content", "value"]),
    ("tools", &["tools"]),
];
const TEXT: KeyTable = &[("text", &["text"])];
const MESSAGES: KeyTable = &[
    ("messages", &["messages", "conversations", "conversation", "dialog", "dialogue"]),
    ("role", &["role", "from"]),
    ("content", &["content", "value"]),
    ("system", &["system", "system_prompt"]),
    ("tools", &["tools"]),
];
const SHAREGPT: KeyTable = &[
    ("conversations", &["conversations", "conversation", "messages", "dialog", "dialogue"]),
    ("from", &["from", "role"]),
    ("value", &["value", "content"]),
    ("system", &["system", "system_prompt"]),
    ("tools", &["tools"]),
];

impl InstructionFormat {
    fn table(self) -> KeyTable {
        match self {
            InstructionFormat::Alpaca => ALPACA,
            InstructionFormat::PromptCompletion => PROMPT_COMPLETION,
            InstructionFormat::Text => TEXT,
            InstructionFormat::Messages => MESSAGES,
            InstructionFormat::ShareGpt => SHAREGPT,
        }
    }

    /// The keys whose names `data.columns` can set.
    pub fn keys(self) -> impl Iterator<Item = &'static str> {
        self.table().iter().map(|(key, _)| *key)
    }
}

/// Finds the keys of a format in rows, and notes under which names.
pub(super) struct KeyNames {
    table: KeyTable,
    columns: BTreeMap<String, String>,
    /// How often each key was found under a name.
    found: BTreeMap<(&'static str, String), u64>,
}

impl KeyNames {
    /// `columns` are the names that the preset sets; the other keys have the names that are known.
    pub fn new(format: InstructionFormat, columns: &BTreeMap<String, String>) -> KeyNames {
        KeyNames { table: format.table(), columns: columns.clone(), found: BTreeMap::new() }
    }

    /// Takes a key's value out of an object, with the name it was found under.
    pub fn take(&mut self, fields: &mut Map<String, Value>, key: &'static str) -> Option<Named> {
        let known = self.table.iter().find(|(known, _)| *known == key).map_or(&[][..], |(_, names)| names);
        let name = match self.columns.get(key) {
            Some(column) => Some(column.as_str()).filter(|column| fields.contains_key(*column)),
            None => known.iter().copied().find(|name| fields.contains_key(*name)),
        }?;
        let (name, value) = (name.to_owned(), fields.shift_remove(name)?);
        *self.found.entry((key, name.clone())).or_default() += 1;
        Some(Named { name, value })
    }

    /// As [`KeyNames::take`], of a key that every row has.
    pub fn require(&mut self, fields: &mut Map<String, Value>, key: &'static str) -> Result<Named, RowFault> {
        let column = self.columns.get(key).map_or(key, String::as_str).to_owned();
        self.take(fields, key)
            .ok_or_else(|| RowFault::MissingKey { key: column, keys: fields.keys().take(11).cloned().collect() })
    }

    /// The names under which the keys were found, in the order of the format: `prompt, completion = response`. Those within
    /// messages are listed if they are not the format's.
    pub fn description(&self) -> String {
        let within = |key: &str| matches!(key, "role" | "content" | "from" | "value");
        let order = |key: &str| self.table.iter().position(|(known, _)| *known == key);
        let mut found: Vec<(&str, &str)> = self.found.keys().map(|(key, name)| (*key, name.as_str())).collect();
        found.sort_by_key(|(key, _)| order(key));
        let shown = found.iter().filter(|(key, name)| key != name || !within(key));
        let names: Vec<String> =
            shown.map(|(key, name)| if key == name { name.to_string() } else { format!("{key} = {name}") }).collect();
        format!("{} {}", if names.len() == 1 { "key" } else { "keys" }, names.join(", "))
    }

    /// The keys that `data.columns` sets and no row had.
    pub fn missing_columns(&self) -> impl Iterator<Item = (&str, &str)> {
        let found = |key: &str| self.found.keys().any(|(known, _)| *known == key);
        self.columns.iter().filter(move |(key, _)| !found(key)).map(|(key, column)| (key.as_str(), column.as_str()))
    }
}

/// A value with the name of its key in the file.
pub(super) struct Named {
    pub name: String,
    pub value: Value,
}

impl Named {
    /// A text. Null is the empty text, a number or boolean is written as in JSON, and a list of text parts is joined.
    pub fn into_text(self) -> Result<String, RowFault> {
        match self.value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            scalar @ (Value::Bool(_) | Value::Number(_)) => Ok(scalar.to_string()),
            Value::Array(parts) => parts.into_iter().map(part).collect(),
            Value::Object(_) => Err(RowFault::WrongType { key: self.name, found: "an object", expected: "a text" }),
        }
    }

    /// A list; JSON text of one, as a CSV file holds it, is one too.
    pub fn into_list(self) -> Result<Vec<Value>, RowFault> {
        let wrong = |found| RowFault::WrongType { key: self.name.clone(), found, expected: "a list" };
        match self.value {
            Value::Array(list) => Ok(list),
            Value::String(text) => serde_json::from_str(&text).map_err(|_| wrong("a text that is no JSON list")),
            Value::Null => Err(wrong("null")),
            Value::Object(_) => Err(wrong("an object")),
            Value::Bool(_) | Value::Number(_) => Err(wrong("a number")),
        }
    }
}

/// The text of one part of a `content` list.
fn part(part: Value) -> Result<String, RowFault> {
    match part {
        Value::String(text) => Ok(text),
        Value::Object(mut fields) => match fields.get("type").and_then(Value::as_str) {
            None | Some("text" | "input_text" | "output_text") => match fields.shift_remove("text") {
                Some(value) => Named { name: "text".into(), value }.into_text(),
                None => Err(RowFault::MissingKey { key: "text".into(), keys: fields.keys().cloned().collect() }),
            },
            Some(kind) => Err(RowFault::NotText { part: kind.to_owned() }),
        },
        _ => Err(RowFault::NotText { part: "unknown".into() }),
    }
}
