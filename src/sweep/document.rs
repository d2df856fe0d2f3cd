//! The keys of a sweep file with their lines, those of nested tables included.

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::Usage;
use crate::preset::{Override, PresetKey};

/// A key of the file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub value: Value,
    /// From 1.
    pub line: usize,
    /// Where the key begins, in bytes: entries are in the order of the file.
    at: usize,
    /// The keys of a table, or of each table of an array; empty for other values.
    pub tables: Vec<Vec<Entry>>,
}

/// Parses TOML; `file` is its name in errors.
///
/// # Errors
/// A syntax error, with its line.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Entry>, Usage> {
    let syntax = |error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        Usage(format!("{file}:{}: {}", line(text, at), error.message()))
    };
    let values: Table = text.parse().map_err(syntax)?;
    let spanned = DeTable::parse(text).map_err(syntax)?;
    Ok(entries(spanned.get_ref(), &values, text))
}

fn entries(spanned: &DeTable, values: &Table, text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = spanned
        .iter()
        .filter_map(|(key, item)| {
            let (name, at) = (key.get_ref().to_string(), key.span().start);
            let value = values.get(&name)?.clone();
            let tables = match (item.get_ref(), &value) {
                (DeValue::Table(inner), Value::Table(values)) => vec![entries(inner, values, text)],
                (DeValue::Array(items), Value::Array(values)) => {
                    let table = |(item, value): (&toml::Spanned<DeValue>, &Value)| match (item.get_ref(), value) {
                        (DeValue::Table(inner), Value::Table(values)) => Some(entries(inner, values, text)),
                        _ => None,
                    };
                    items.iter().zip(values).map(table).collect::<Option<_>>().unwrap_or_default()
                }
                _ => Vec::new(),
            };
            Some(Entry { key: name, value, line: line(text, at), at, tables })
        })
        .collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// The keys of a preset in a table, in the order of the file: `train.epochs` and `"train.epochs"` are the same.
pub(super) fn preset_keys(file: &str, table: &[Entry]) -> Vec<Override> {
    let mut found = Vec::new();
    flatten("", table, &mut found);
    found.sort_by_key(|(at, ..)| *at);
    let with = |(_, line, key, value): (usize, usize, String, Value)| Override { key, value, place: place(file, line) };
    found.into_iter().map(with).collect()
}

fn flatten(prefix: &str, table: &[Entry], found: &mut Vec<(usize, usize, String, Value)>) {
    for entry in table {
        let key = format!("{prefix}{}", entry.key);
        match (&entry.value, entry.tables.as_slice()) {
            // The value of some keys is a table itself.
            (Value::Table(_), [inner]) if PresetKey::of(&key).is_none() => flatten(&format!("{key}."), inner, found),
            (value, _) => found.push((entry.at, entry.line, key, value.clone())),
        }
    }
}

/// A line of the file, as errors name it.
pub(super) fn place(file: &str, line: usize) -> String {
    format!("{file}:{line}")
}

fn line(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}
