//! TOML entries with their line numbers, for errors that name file, line and key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::Usage;
use crate::suggest::did_you_mean;

/// Limit on a settings file, in bytes.
const MAX_FILE: u64 = 256 << 10;

/// The entries of a TOML file; those of sections have keys such as `section.key`.
#[derive(Clone, Debug)]
pub(crate) struct TomlSpans {
    /// The file's name in errors.
    pub file: String,
    /// In the order of the file.
    pub entries: Vec<TomlEntry>,
}

/// An entry and its line number, from 1.
#[derive(Clone, Debug)]
pub(crate) struct TomlEntry {
    pub key: String,
    pub value: Value,
    pub line: usize,
}

/// The text of a settings file; `None` if the file is missing.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or is too large.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, Usage> {
    let failed = |why: &dyn std::fmt::Display| Usage(format!("{}: {why}", path.display()));
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(failed(&"not UTF-8")),
        Err(error) => Err(failed(&format!("cannot read: {error}"))),
        Ok(_) if text.len() as u64 > MAX_FILE => Err(failed(&format!("larger than {} KiB", MAX_FILE >> 10))),
        Ok(_) => Ok(Some(text)),
    }
}

impl TomlSpans {
    /// Parses TOML; `file` is its name in errors.
    ///
    /// # Errors
    /// A syntax error, with its line.
    pub fn parse(file: &str, text: &str) -> Result<TomlSpans, Usage> {
        let line = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let syntax = |error: toml::de::Error| {
            let at = error.span().map_or(1, |span| line(span.start));
            Usage(format!("{file}:{at}: {}", error.message()))
        };
        let values: toml::Table = text.parse().map_err(syntax)?;
        let spanned = DeTable::parse(text).map_err(syntax)?;
        let mut entries = Vec::new();
        for (name, item) in spanned.get_ref() {
            let value = &values[name.get_ref().as_ref()];
            match (item.get_ref(), value) {
                (DeValue::Table(section), Value::Table(values)) => {
                    entries.extend(section.keys().map(|key| TomlEntry {
                        key: format!("{}.{}", name.get_ref(), key.get_ref()),
                        value: values[key.get_ref().as_ref()].clone(),
                        line: line(key.span().start),
                    }));
                }
                _ => entries.push(TomlEntry {
                    key: name.get_ref().to_string(),
                    value: value.clone(),
                    line: line(name.span().start),
                }),
            }
        }
        entries.sort_by_key(|entry| entry.line);
        Ok(TomlSpans { file: file.to_owned(), entries })
    }

    /// An error about an entry.
    pub fn error_at(&self, entry: &TomlEntry, message: &str) -> Usage {
        Usage(format!("{}:{}: {message}", self.file, entry.line))
    }

    /// The error that an entry's value has the wrong type or range.
    pub fn expected(&self, entry: &TomlEntry, expected: &str) -> Usage {
        let shown: String = entry.value.to_string().chars().take(60).collect();
        self.error_at(entry, &format!("{} is {shown}, expected {expected}", entry.key))
    }

    /// The error that a key is unknown, with a suggestion.
    pub fn unknown<'a>(&self, entry: &TomlEntry, known: impl IntoIterator<Item = &'a str>) -> Usage {
        self.error_at(entry, &format!("unknown key \"{}\"{}", entry.key, did_you_mean(&entry.key, known)))
    }
}
