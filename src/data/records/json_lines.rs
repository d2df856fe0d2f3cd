//! JSON lines: one object per line; scalars become text.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::lines::{Lines, TextLine};
use super::{Record, RecordColumns, Records, missing_column};
use crate::Usage;

/// Limit on the keys remembered for the error that a column is missing.
const MAX_KEYS: usize = 100;

/// Opens a file. A key missing from a row is a null; missing from all rows it is an error.
pub(super) fn open(path: &Path, columns: &RecordColumns<'_>) -> Result<Records> {
    let RecordColumns::Named(names) = columns else { bail!("{}: JSON lines are read by column names", path.display()) };
    let lines = Lines::open(path)?;
    let (done, total) = (lines.done.clone(), lines.total);
    let rows = JsonRows {
        seen: vec![false; names.len()],
        names: names.iter().map(|&name| name.to_owned()).collect(),
        keys: Vec::new(),
        lines,
        ended: false,
    };
    Ok(Records { path: path.to_owned(), rows: Box::new(rows), done, total, unit: "bytes" })
}

struct JsonRows {
    lines: Lines,
    names: Vec<String>,
    /// Whether each of the names has occurred.
    seen: Vec<bool>,
    /// The keys that have occurred, in order of appearance.
    keys: Vec<String>,
    ended: bool,
}

impl JsonRows {
    fn record(&mut self, line: TextLine) -> Result<Record> {
        let location = || format!("{}:{}", self.lines.path.display(), line.number);
        let mut object: Map<String, Value> = match serde_json::from_str(&line.text) {
            Ok(object) => object,
            Err(_) if line.text.starts_with('[') => {
                bail!(Usage(format!("{}: expected one JSON object per line, not a JSON array", location())))
            }
            Err(error) => bail!(Usage(format!("{}: not a JSON object: {error}", location()))),
        };
        for key in object.keys() {
            if self.keys.len() < MAX_KEYS && !self.keys.contains(key) {
                self.keys.push(key.clone());
            }
        }
        let mut cells = Vec::with_capacity(self.names.len());
        for (name, seen) in self.names.iter().zip(&mut self.seen) {
            *seen |= object.contains_key(name);
            cells.push(match object.remove(name) {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text),
                Some(scalar @ (Value::Bool(_) | Value::Number(_))) => Some(scalar.to_string()),
                Some(Value::Array(_) | Value::Object(_)) => {
                    bail!(Usage(format!(
                        "{}: \"{name}\" is a list or an object; expected a string or a number",
                        location()
                    )))
                }
            });
        }
        Ok(Record { line: line.number, cells: Some(cells), repaired: line.repaired })
    }

    /// The error at the file's end that a column never occurred.
    fn missing(&self) -> Option<Usage> {
        let absent = self.seen.iter().position(|seen| !seen)?;
        // Of an empty file the caller says that it has no examples.
        (!self.keys.is_empty()).then(|| missing_column(&self.lines.path, &self.names[absent], &self.keys))
    }
}

impl Iterator for JsonRows {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.ended {
            return None;
        }
        let record = match self.lines.next() {
            Some(line) => Some(line.and_then(|line| self.record(line))),
            None => self.missing().map(|error| Err(error.into())),
        };
        self.ended = !matches!(record, Some(Ok(_)));
        record
    }
}
