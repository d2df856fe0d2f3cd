//! TOML entries with the lines they were written on, for errors that name file, line and key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::Usage;
use crate::suggest::nearest;

/// A settings file is a page or two; a larger one is none.
const LARGEST: u64 = 256 << 10;

/// The entries of a file, those of sections as `section.key`.
#[derive(Clone, Debug)]
pub(crate) struct TomlSpans {
    /// The file, as it is named in errors.
    pub file: String,
    /// In the order of the file.
    pub entries: Vec<Entry>,
}

/// An entry and its line.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub value: Value,
    pub line: usize,
}

/// The text of a settings file; `None` where there is none.
///
/// # Errors
/// A file that cannot be read, or is no text, or is far too long.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, Usage> {
    let failed = |why: &dyn std::fmt::Display| Usage(format!("{}: {why}", path.display()));
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(failed(&"not UTF-8")),
        Err(error) => Err(failed(&format!("cannot read: {error}"))),
        Ok(_) if text.len() as u64 > LARGEST => Err(failed(&format!("larger than {} KiB", LARGEST >> 10))),
        Ok(_) => Ok(Some(text)),
    }
}

impl TomlSpans {
    /// Reads TOML; `file` is what to call it.
    ///
    /// # Errors
    /// What is no TOML, with its line.
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
                    entries.extend(section.keys().map(|key| Entry {
                        key: format!("{}.{}", name.get_ref(), key.get_ref()),
                        value: values[key.get_ref().as_ref()].clone(),
                        line: line(key.span().start),
                    }));
                }
                _ => entries.push(Entry {
                    key: name.get_ref().to_string(),
                    value: value.clone(),
                    line: line(name.span().start),
                }),
            }
        }
        entries.sort_by_key(|entry| entry.line);
        Ok(TomlSpans { file: file.to_owned(), entries })
    }

    /// A complaint about an entry.
    pub fn at(&self, entry: &Entry, complaint: &str) -> Usage {
        Usage(format!("{}:{}: {complaint}", self.file, entry.line))
    }

    /// The complaint that an entry's value is not what it should be.
    pub fn expected(&self, entry: &Entry, wanted: &str) -> Usage {
        let shown: String = entry.value.to_string().chars().take(60).collect();
        self.at(entry, &format!("{} is {shown}, expected {wanted}", entry.key))
    }

    /// The complaint that there is no such key, with the known one most like it.
    pub fn unknown<'a>(&self, entry: &Entry, known: impl IntoIterator<Item = &'a str>) -> Usage {
        self.at(entry, &format!("unknown key \"{}\"{}", entry.key, did_you_mean(&entry.key, known)))
    }
}

/// `; did you mean "x"?` for the known name most like a misspelt one; nothing if none is.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default()
}
