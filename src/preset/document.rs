//! The keys of a preset's TOML text with their lines, and typed access whose errors name file, line and key.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anyhow::{Result, bail};
use toml::Value;

use super::keys::KEYS;
use crate::Usage;
use crate::suggest::did_you_mean;
use crate::toml_spans::TomlSpans;

/// A preset's entries by `section.key`.
#[derive(Clone, Debug)]
pub(super) struct Document {
    file: String,
    entries: BTreeMap<String, SetKey>,
}

#[derive(Clone, Debug)]
struct SetKey {
    value: Value,
    origin: ValueOrigin,
}

/// Where a value comes from, for errors.
#[derive(Clone, Copy, Debug)]
enum ValueOrigin {
    /// A line of the file.
    Line(usize),
    /// `--set` on the command line.
    Override,
    /// A field on the screen, which shows errors beside it.
    Field,
}

impl Document {
    /// Parses TOML; `file` is its name in errors.
    ///
    /// # Errors
    /// A syntax error or an unknown key, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Document, Usage> {
        let spans = TomlSpans::parse(file, text)?;
        let mut document = Document { file: file.to_owned(), entries: BTreeMap::new() };
        for entry in &spans.entries {
            if let Some(error) = unknown(&entry.key) {
                return Err(spans.error_at(entry, &error));
            }
            let key = SetKey { value: entry.value.clone(), origin: ValueOrigin::Line(entry.line) };
            document.entries.insert(entry.key.clone(), key);
        }
        Ok(document)
    }

    /// Applies `key=value`. The value is TOML, or else a string.
    ///
    /// # Errors
    /// No `=`, or an unknown key.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let Some((key, value)) = assignment.split_once('=') else {
            bail!(Usage(format!("--set {assignment}: expected key=value, such as train.epochs=3")));
        };
        let (key, value) = (key.trim(), value.trim());
        if let Some(error) = unknown(key) {
            bail!(Usage(format!("--set {assignment}: {error}")));
        }
        self.entries.insert(key.to_owned(), SetKey { value: parse_typed(value), origin: ValueOrigin::Override });
        // The override replaces what the file has in its place.
        if let Some(other) = alternative(key)
            && matches!(self.entries.get(other), Some(SetKey { origin: ValueOrigin::Line(_), .. }))
        {
            self.entries.remove(other);
        }
        Ok(())
    }

    /// Sets a known key, or removes it.
    pub fn put(&mut self, key: &str, value: Option<Value>) {
        match value {
            Some(value) => self.entries.insert(key.to_owned(), SetKey { value, origin: ValueOrigin::Field }),
            None => self.entries.remove(key),
        };
    }

    pub fn value(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// All set keys in the order of [`KEYS`].
    pub fn to_toml(&self) -> String {
        let (mut text, mut section) = (String::new(), "");
        for (key, _) in KEYS {
            let Some(entry) = self.entries.get(*key) else { continue };
            let (within, name) = key.split_once('.').unwrap_or(("", key));
            if within != section {
                section = within;
                text += &format!("\n[{section}]\n");
            }
            text += &format!("{name} = {}\n", entry.value);
        }
        text
    }

    /// A value as TOML.
    pub fn value_toml(&self, key: &str) -> Option<String> {
        self.entries.get(key).map(|entry| entry.value.to_string())
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// An error about the value of a key.
    pub fn error_at(&self, key: &str, message: &str) -> Usage {
        Usage(format!("{}{key}: {message}", self.location(key)))
    }

    /// The error that a required key is missing.
    pub fn missing(&self, key: &str) -> Usage {
        Usage(format!("{}: {key} is missing", self.file))
    }

    pub fn string(&self, key: &str) -> Result<Option<String>, Usage> {
        self.get(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub fn required(&self, key: &str) -> Result<String, Usage> {
        self.string(key)?.ok_or_else(|| self.missing(key))
    }

    pub fn strings(&self, key: &str) -> Result<Option<Vec<String>>, Usage> {
        self.get(key, "a list of strings", |value| {
            let texts = value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().filter(|texts| texts.iter().all(|text| !text.is_empty()))
        })
    }

    /// A string or a list of strings.
    pub fn one_or_more(&self, key: &str) -> Result<Option<Vec<String>>, Usage> {
        self.get(key, "a string or a list of strings", |value| {
            let texts = match value {
                Value::Array(texts) => {
                    texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>()?
                }
                value => vec![value.as_str()?.to_owned()],
            };
            (!texts.is_empty() && texts.iter().all(|text: &String| !text.is_empty())).then_some(texts)
        })
    }

    pub fn string_table(&self, key: &str) -> Result<Option<BTreeMap<String, String>>, Usage> {
        self.get(key, "a table of strings, such as { instruction = \"question\" }", |value| {
            let text = |(key, value): (&String, &Value)| {
                Some((key.clone(), value.as_str().filter(|text| !text.is_empty())?.to_owned()))
            };
            value.as_table()?.iter().map(text).collect()
        })
    }

    pub fn boolean(&self, key: &str) -> Result<Option<bool>, Usage> {
        self.get(key, "true or false", Value::as_bool)
    }

    pub fn integer(&self, key: &str, range: RangeInclusive<u64>, default: u64) -> Result<u64, Usage> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let read = |value: &Value| u64::try_from(value.as_integer()?).ok().filter(|number| range.contains(number));
        Ok(self.get(key, &expected, read)?.unwrap_or(default))
    }

    pub fn number(&self, key: &str, expected: &str, allowed: impl Fn(f64) -> bool) -> Result<Option<f64>, Usage> {
        self.get(key, expected, |value| {
            let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))?;
            (number.is_finite() && allowed(number)).then_some(number)
        })
    }

    pub fn one_of<T: Copy>(&self, key: &str, names: &[(&str, T)]) -> Result<Option<T>, Usage> {
        let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let expected = match all.split_last() {
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        self.get(key, &expected, |value| {
            names.iter().find(|(name, _)| value.as_str() == Some(name)).map(|(_, value)| *value)
        })
    }

    fn get<T>(&self, key: &str, expected: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Usage> {
        debug_assert!(KEYS.iter().any(|(known, _)| *known == key), "{key} is not in KEYS");
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        read(&entry.value).map(Some).ok_or_else(|| {
            let shown: String = entry.value.to_string().chars().take(60).collect();
            Usage(format!("{}{key} is {shown}, expected {expected}", self.location(key)))
        })
    }

    /// What an error about a key begins with.
    fn location(&self, key: &str) -> String {
        match self.entries.get(key).map(|entry| entry.origin) {
            Some(ValueOrigin::Line(line)) => format!("{}:{line}: ", self.file),
            Some(ValueOrigin::Override) => "--set: ".to_owned(),
            Some(ValueOrigin::Field) => String::new(),
            None => format!("{}: ", self.file),
        }
    }
}

/// The value of typed text: TOML, or else a string.
pub(super) fn parse_typed(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The key that says the same in another way, so that a preset has only one of them.
fn alternative(key: &str) -> Option<&'static str> {
    match key {
        "data.eval_path" => Some("data.eval_fraction"),
        "data.eval_fraction" => Some("data.eval_path"),
        _ => None,
    }
}

/// The error about an unknown key; `None` for a known one.
fn unknown(key: &str) -> Option<String> {
    if KEYS.iter().any(|(known, _)| *known == key) {
        return None;
    }
    // A forgotten section is more likely than a misspelt key.
    let last = key.rsplit('.').next().unwrap_or(key);
    let in_section = KEYS.iter().map(|(known, _)| *known).find(|known| known.rsplit('.').next() == Some(last));
    let hint = match in_section {
        Some(known) => format!("; did you mean \"{known}\"?"),
        None => did_you_mean(key, KEYS.iter().map(|(known, _)| *known)),
    };
    Some(format!("unknown key \"{key}\"{hint}"))
}
