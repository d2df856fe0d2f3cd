//! JSON lines: one object per line, its scalars as text.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::lines::{Line, Lines};
use super::{Record, Records, Wanted, missing_column};
use crate::Usage;

/// Keys kept to tell which columns there are.
const KEYS: usize = 100;

/// Opens a file. A key may be absent from a row, which is then without that cell; from all rows, and it is an error.
pub(super) fn open(path: &Path, wanted: &Wanted<'_>) -> Result<Records> {
    let Wanted::Named(names) = wanted else { bail!("{}: JSON lines are read by column names", path.display()) };
    let lines = Lines::open(path)?;
    let (done, total) = (lines.done.clone(), lines.total);
    let rows = Rows {
        seen: vec![false; names.len()],
        names: names.iter().map(|&name| name.to_owned()).collect(),
        keys: Vec::new(),
        lines,
        ended: false,
    };
    Ok(Records { path: path.to_owned(), rows: Box::new(rows), done, total, unit: "bytes" })
}

struct Rows {
    lines: Lines,
    names: Vec<String>,
    /// Which of the names occurred.
    seen: Vec<bool>,
    /// The keys that occurred, in order of appearance.
    keys: Vec<String>,
    ended: bool,
}

impl Rows {
    fn record(&mut self, line: Line) -> Result<Record> {
        let place = || format!("{}:{}", self.lines.path.display(), line.number);
        let mut object: Map<String, Value> = match serde_json::from_str(&line.text) {
            Ok(object) => object,
            Err(_) if line.text.starts_with('[') => {
                bail!(Usage(format!("{}: expected one JSON object per line, not a JSON array", place())))
            }
            Err(error) => bail!(Usage(format!("{}: not a JSON object: {error}", place()))),
        };
        for key in object.keys() {
            if self.keys.len() < KEYS && !self.keys.contains(key) {
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
                    bail!(Usage(format!("{}: \"{name}\" is a list or an object; expected a text or a number", place())))
                }
            });
        }
        Ok(Record { line: line.number, cells: Some(cells), repaired: line.repaired })
    }

    /// What to say at the file's end of a name that never occurred.
    fn missing(&self) -> Option<Usage> {
        let absent = self.seen.iter().position(|seen| !seen)?;
        // An empty file lacks examples, not columns: whoever collects them says so.
        (!self.keys.is_empty()).then(|| missing_column(&self.lines.path, &self.names[absent], &self.keys))
    }
}

impl Iterator for Rows {
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
