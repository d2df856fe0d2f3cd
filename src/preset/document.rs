//! The keys of a preset's TOML text with their lines, and typed access whose errors name file, line and key.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use toml::Value;

use super::key_kind::{AUTO, KeyKind, parse_typed};
use super::keys::{KEYS, PresetKey};
use super::overrides::Override;
use super::renamed::renamed;
use crate::Usage;
use crate::suggest::did_you_mean;
use crate::toml_spans::{TomlEntry, TomlSpans};

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
#[derive(Clone, Debug, PartialEq)]
enum ValueOrigin {
    /// A line of the file.
    Line(usize),
    /// Outside of the file: `--set` on the command line, or a line of a sweep.
    Elsewhere(String),
    /// A field on the screen, which shows errors beside it.
    Field,
}

impl Override {
    /// A `key=value` of the command line. The value is TOML, or else a string.
    ///
    /// # Errors
    /// [`Usage`]: no `=`.
    pub fn parse(assignment: &str) -> Result<Override> {
        let Some((key, value)) = assignment.split_once('=') else {
            bail!(Usage(format!("--set {assignment}: expected key=value, such as train.epochs=3")));
        };
        let (key, value) = (key.trim(), value.trim());
        Ok(Override { key: key.to_owned(), value: parse_value(key, value), place: "--set".to_owned() })
    }
}

impl Document {
    /// Parses TOML; `file` is its name in errors.
    ///
    /// # Errors
    /// A syntax error or an unknown key, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Document, Usage> {
        Document::parse_with(file, text, |_| None)
    }

    /// As [`Document::parse`], for a text that finesift has stored: a key of an earlier release becomes the one in its place.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_stored(file: &str, text: &str) -> Result<Document, Usage> {
        Document::parse_with(file, text, |entry| renamed(&entry.key, &entry.value))
    }

    /// Parses TOML, with other keys and values in place of some.
    fn parse_with(
        file: &str,
        text: &str,
        replace: impl Fn(&TomlEntry) -> Option<(&'static str, Value)>,
    ) -> Result<Document, Usage> {
        let spans = TomlSpans::parse(file, text)?;
        let mut document = Document { file: file.to_owned(), entries: BTreeMap::new() };
        for entry in &spans.entries {
            let (key, value) = match replace(entry) {
                Some((key, value)) => (key.to_owned(), value),
                None => (entry.key.clone(), entry.value.clone()),
            };
            if let Some(error) = unknown(&key, Some(&value)) {
                return Err(spans.error_at(entry, &error));
            }
            document.entries.insert(key, SetKey { value, origin: ValueOrigin::Line(entry.line) });
        }
        Ok(document)
    }

    /// Applies `key=value`. The value is TOML, or else a string.
    ///
    /// # Errors
    /// No `=`, or an unknown key.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let with = Override::parse(assignment)?;
        if let Some(error) = unknown(&with.key, Some(&with.value)) {
            bail!(Usage(format!("--set {assignment}: {error}")));
        }
        Ok(self.override_with(&with)?)
    }

    /// Sets a key from outside of the file.
    ///
    /// # Errors
    /// An unknown key.
    pub fn override_with(&mut self, with: &Override) -> Result<(), Usage> {
        let Override { key, value, place } = with;
        if let Some(error) = unknown(key, Some(value)) {
            return Err(Usage(format!("{place}: {error}")));
        }
        let origin = ValueOrigin::Elsewhere(place.clone());
        // The override replaces what the file has in its place.
        if let Some(other) = alternative(key)
            && self.entries.get(other).is_some_and(|other| other.origin != origin)
        {
            self.entries.remove(other);
        }
        self.entries.insert(key.clone(), SetKey { value: value.clone(), origin });
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
        for key in KEYS {
            let Some(entry) = self.entries.get(key.name) else { continue };
            let (within, name) = (key.section(), key.short());
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
        self.get_as(key, KeyKind::Text, |value| value.as_str().map(str::to_owned))
    }

    pub fn required(&self, key: &str) -> Result<String, Usage> {
        self.string(key)?.ok_or_else(|| self.missing(key))
    }

    pub fn strings(&self, key: &str) -> Result<Option<Vec<String>>, Usage> {
        self.get(key, |value| {
            let texts = value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().filter(|texts| texts.iter().all(|text| !text.is_empty()))
        })
    }

    /// A string or a list of strings.
    pub fn one_or_more(&self, key: &str) -> Result<Option<Vec<String>>, Usage> {
        self.get(key, |value| {
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
        self.get(key, |value| {
            let text = |(key, value): (&String, &Value)| {
                Some((key.clone(), value.as_str().filter(|text| !text.is_empty())?.to_owned()))
            };
            value.as_table()?.iter().map(text).collect()
        })
    }

    pub fn boolean(&self, key: &str) -> Result<Option<bool>, Usage> {
        self.get(key, Value::as_bool)
    }

    /// A whole number within the bounds of the key, or its default.
    pub fn integer(&self, key: &str) -> Result<u64, Usage> {
        self.or_default(key, self.set_integer(key)?, |value| integer(key, value))
    }

    /// A whole number within the bounds of the key, if it is set.
    pub fn set_integer(&self, key: &str) -> Result<Option<u64>, Usage> {
        self.get(key, |value| integer(key, value))
    }

    /// A whole number within the bounds of the key, or its default; `None` for `auto`.
    pub fn integer_or_auto(&self, key: &str) -> Result<Option<u64>, Usage> {
        match self.value(key).and_then(Value::as_str) {
            Some(AUTO) => Ok(None),
            _ => self.integer(key).map(Some),
        }
    }

    /// A number within the bounds of the key, or its default.
    pub fn number(&self, key: &str) -> Result<f64, Usage> {
        self.or_default(key, self.set_number(key)?, |value| number(key, value))
    }

    /// A number within the bounds of the key, if it is set.
    pub fn set_number(&self, key: &str) -> Result<Option<f64>, Usage> {
        self.get(key, |value| number(key, value))
    }

    pub fn one_of<T: Copy>(&self, key: &str, names: &[(&str, T)]) -> Result<Option<T>, Usage> {
        self.get(key, |value| names.iter().find(|(name, _)| value.as_str() == Some(name)).map(|(_, value)| *value))
    }

    fn get<T>(&self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Usage> {
        self.get_as(key, kind(key), read)
    }

    /// As [`Document::get`], for a key that takes less in its place than elsewhere.
    fn get_as<T>(&self, key: &str, kind: KeyKind, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Usage> {
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        read(&entry.value).map(Some).ok_or_else(|| {
            let shown: String = entry.value.to_string().chars().take(60).collect();
            Usage(format!("{}{key} is {shown}, expected {kind}", self.location(key)))
        })
    }

    /// A value, or else the default of its key.
    fn or_default<T>(&self, key: &str, set: Option<T>, read: impl Fn(&Value) -> Option<T>) -> Result<T, Usage> {
        let default = || read(&parse_typed(PresetKey::of(key)?.default?));
        set.or_else(default).ok_or_else(|| self.missing(key))
    }

    /// What an error about a key begins with.
    fn location(&self, key: &str) -> String {
        match self.entries.get(key).map(|entry| &entry.origin) {
            Some(ValueOrigin::Line(line)) => format!("{}:{line}: ", self.file),
            Some(ValueOrigin::Elsewhere(place)) => format!("{place}: "),
            Some(ValueOrigin::Field) => String::new(),
            None => format!("{}: ", self.file),
        }
    }
}

/// The value of text that is typed for a key.
pub(super) fn parse_value(key: &str, text: &str) -> Value {
    kind(key).parse(text)
}

/// The type of a key's value. An unknown key, which is refused elsewhere, takes any text.
fn kind(key: &str) -> KeyKind {
    PresetKey::of(key).map_or(KeyKind::Text, |key| key.kind)
}

fn integer(key: &str, value: &Value) -> Option<u64> {
    let number = u64::try_from(value.as_integer()?).ok()?;
    kind(key).has_integer(number).then_some(number)
}

fn number(key: &str, value: &Value) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))?;
    (number.is_finite() && kind(key).contains(number)).then_some(number)
}

/// The key that says the same in another way, so that a preset has only one of them.
fn alternative(key: &str) -> Option<&'static str> {
    match key {
        "data.eval_path" => Some("data.eval_fraction"),
        "data.eval_fraction" => Some("data.eval_path"),
        "train.accumulate" => Some("train.global_batch"),
        "train.global_batch" => Some("train.accumulate"),
        _ => None,
    }
}

/// The error about an unknown key, with what to write instead of a renamed one; `None` for a known one.
pub(crate) fn unknown(key: &str, value: Option<&Value>) -> Option<String> {
    if PresetKey::of(key).is_some() {
        return None;
    }
    if let Some((key, value)) = value.and_then(|value| renamed(key, value)) {
        return Some(format!("this key is now {key}; write {key} = {value}"));
    }
    // A forgotten section is more likely than a misspelt key.
    let last = key.rsplit('.').next().unwrap_or(key);
    let hint = match KEYS.iter().find(|known| known.short() == last) {
        Some(known) => format!("; did you mean \"{}\"?", known.name),
        None => did_you_mean(key, KEYS.iter().map(|known| known.name)),
    };
    Some(format!("unknown key \"{key}\"{hint}"))
}
