//! The keys of a preset with their places, and typed access that names file, line and key where something is wrong.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anyhow::{Result, bail};
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::keys::KEYS;
use crate::Usage;
use crate::suggest::nearest;

/// A preset's entries by `section.key`.
#[derive(Clone, Debug)]
pub(super) struct Document {
    place: String,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    origin: FieldOrigin,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug)]
enum FieldOrigin {
    /// This line of the file.
    Line(usize),
    /// `--set` on the command line.
    Override,
    /// A field on the screen, beside which complaints about it are shown.
    Field,
}

impl Document {
    /// Reads TOML; `place` is the file's name.
    pub fn parse(place: &str, text: &str) -> Result<Document> {
        let line = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let syntax = |error: toml::de::Error| {
            let at = error.span().map_or(1, |span| line(span.start));
            Usage(format!("{place}:{at}: {}", error.message()))
        };
        let values: toml::Table = text.parse().map_err(syntax)?;
        let spanned = DeTable::parse(text).map_err(syntax)?;
        let mut document = Document { place: place.to_owned(), entries: BTreeMap::new() };
        for (name, item) in spanned.get_ref() {
            let at = line(name.span().start);
            let value = &values[name.get_ref().as_ref()];
            match (item.get_ref(), value) {
                (DeValue::Table(section), Value::Table(values)) => {
                    for key in section.keys() {
                        let value = values[key.get_ref().as_ref()].clone();
                        document.add(
                            &format!("{}.{}", name.get_ref(), key.get_ref()),
                            value,
                            line(key.span().start),
                        )?;
                    }
                }
                _ => document.add(name.get_ref(), value.clone(), at)?,
            }
        }
        Ok(document)
    }

    /// Applies `key=value`. The value is TOML, or else a string.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let Some((key, value)) = assignment.split_once('=') else {
            bail!(Usage(format!("--set {assignment}: expected key=value, such as train.epochs=3")));
        };
        let (key, value) = (key.trim(), value.trim());
        if let Some(complaint) = unknown(key) {
            bail!(Usage(format!("--set {assignment}: {complaint}")));
        }
        self.entries.insert(key.to_owned(), Entry { value: typed(value), origin: FieldOrigin::Override });
        Ok(())
    }

    /// Puts a known key's value in place of what is there, or leaves the key out.
    pub fn put(&mut self, key: &str, value: Option<Value>) {
        match value {
            Some(value) => self.entries.insert(key.to_owned(), Entry { value, origin: FieldOrigin::Field }),
            None => self.entries.remove(key),
        };
    }

    /// A key's value.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// All entries in the order of [`KEYS`].
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

    /// An entry as it is written.
    pub fn written(&self, key: &str) -> Option<String> {
        self.entries.get(key).map(|entry| entry.value.to_string())
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A complaint about a key that is there.
    pub fn at(&self, key: &str, complaint: &str) -> String {
        format!("{}{key}: {complaint}", self.place_of(key))
    }

    /// The complaint that a key is not.
    pub fn missing(&self, key: &str) -> String {
        format!("{}: {key} is missing", self.place)
    }

    pub fn text(&self, key: &str) -> Result<Option<String>, String> {
        self.get(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub fn required(&self, key: &str) -> Result<String, String> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>, String> {
        self.get(key, "a list of strings", |value| {
            let texts = value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().filter(|texts| texts.iter().all(|text| !text.is_empty()))
        })
    }

    pub fn truth(&self, key: &str) -> Result<Option<bool>, String> {
        self.get(key, "true or false", Value::as_bool)
    }

    pub fn whole(&self, key: &str, range: RangeInclusive<u64>, default: u64) -> Result<u64, String> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let read = |value: &Value| u64::try_from(value.as_integer()?).ok().filter(|number| range.contains(number));
        Ok(self.get(key, &wanted, read)?.unwrap_or(default))
    }

    pub fn number(&self, key: &str, wanted: &str, allowed: impl Fn(f64) -> bool) -> Result<Option<f64>, String> {
        self.get(key, wanted, |value| {
            let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))?;
            (number.is_finite() && allowed(number)).then_some(number)
        })
    }

    pub fn one_of<T: Copy>(&self, key: &str, names: &[(&str, T)]) -> Result<Option<T>, String> {
        let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let wanted = match all.split_last() {
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        self.get(key, &wanted, |value| {
            names.iter().find(|(name, _)| value.as_str() == Some(name)).map(|(_, found)| *found)
        })
    }

    fn get<T>(&self, key: &str, wanted: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, String> {
        debug_assert!(KEYS.iter().any(|(known, _)| *known == key), "{key} is not in KEYS");
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        read(&entry.value).map(Some).ok_or_else(|| {
            let shown: String = entry.value.to_string().chars().take(60).collect();
            format!("{}{key} is {shown}, expected {wanted}", self.place_of(key))
        })
    }

    /// What a complaint about a key begins with.
    fn place_of(&self, key: &str) -> String {
        match self.entries.get(key).map(|entry| entry.origin) {
            Some(FieldOrigin::Line(line)) => format!("{}:{line}: ", self.place),
            Some(FieldOrigin::Override) => "--set: ".to_owned(),
            Some(FieldOrigin::Field) => String::new(),
            None => format!("{}: ", self.place),
        }
    }

    fn add(&mut self, key: &str, value: Value, line: usize) -> Result<()> {
        if let Some(complaint) = unknown(key) {
            bail!(Usage(format!("{}:{line}: {complaint}", self.place)));
        }
        self.entries.insert(key.to_owned(), Entry { value, origin: FieldOrigin::Line(line) });
        Ok(())
    }
}

/// What is meant by text that someone typed: TOML, or else a string.
pub(super) fn typed(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The complaint about a key that there is not.
fn unknown(key: &str) -> Option<String> {
    if KEYS.iter().any(|(known, _)| *known == key) {
        return None;
    }
    // A key without its section is more often forgotten than misspelt.
    let last = key.rsplit('.').next().unwrap_or(key);
    let within = KEYS.iter().map(|(known, _)| *known).find(|known| known.rsplit('.').next() == Some(last));
    let near = within.or_else(|| nearest(key, KEYS.iter().map(|(known, _)| *known)));
    let meant = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    Some(format!("unknown key \"{key}\"{meant}"))
}
