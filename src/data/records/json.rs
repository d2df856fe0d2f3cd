//! JSON files, one object per line or one list of objects.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::decode::Decoding;
use super::json_items::{JsonItem, JsonItems};
use super::python_json::{self, JsonError, JsonErrorKind};
use super::remarks::Remarks;
use super::row_reader::{FieldRow, ReaderState, RowReader};
use crate::Usage;

/// An open JSON file.
pub(super) struct JsonFile {
    path: PathBuf,
    items: JsonItems,
    count: u64,
    remarks: Remarks,
}

impl JsonFile {
    pub fn open(path: &Path) -> Result<JsonFile> {
        Ok(JsonFile { path: path.to_owned(), items: JsonItems::open(path)?, count: 0, remarks: Remarks::default() })
    }

    fn is_at_end(&mut self) -> Result<bool> {
        let JsonItems::Lines(lines) = &mut self.items else { return Ok(false) };
        match lines.file.fill_buf() {
            Ok(rest) => Ok(rest.is_empty()),
            Err(error) => Err(lines.file.failed(error)),
        }
    }

    /// Checks that the only object of a file is a row, and does not hold the rows.
    fn check_single(&self, fields: &Map<String, Value>) -> Result<()> {
        let path = self.path.display();
        let rows = |(key, value): (&String, &Value)| {
            let list = value.as_array().is_some_and(|list| list.first().is_some_and(Value::is_object));
            (list && ROWS_KEYS.contains(&key.as_str())).then(|| key.clone())
        };
        if let Some(key) = fields.iter().find_map(rows) {
            bail!(Usage(format!(
                "{path}: the rows are in the list \"{key}\" of one object; save that list alone: `jq .{key}`"
            )));
        }
        let is_column = |value: &Value| value.as_object().is_some_and(|column| column.contains_key("0"));
        if !fields.is_empty() && fields.values().all(is_column) {
            bail!(Usage(format!(
                "{path}: one object of columns, as pandas' to_json writes it; write rows: to_json(…, orient=\"records\", \
                 lines=True)"
            )));
        }
        Ok(())
    }
}

impl RowReader for JsonFile {
    type Row = FieldRow;

    fn next(&mut self) -> Result<Option<FieldRow>> {
        let encoding = self.items.file().encoding;
        let Some(JsonItem { row, text, start }) = self.items.next()? else { return Ok(None) };
        let decoding = Decoding::of(text);
        let remark = decoding.remark(text, encoding);
        let text = decoding.text(text);
        let parsed = python_json::parse(&text).map_err(|error| {
            let column = if error.line == 1 { start.column + error.column - 1 } else { error.column };
            let line = start.line + error.line - 1;
            Usage(format!("{}:{line}:{column}: {}", self.path.display(), explained(&error, &text, row)))
        })?;
        for remark in remark.into_iter().chain(parsed.remark) {
            self.remarks.note(remark, start.line);
        }
        self.count += 1;
        if self.count == 1 && self.is_at_end()? {
            self.check_single(&parsed.fields)?;
        }
        Ok(Some(FieldRow { row, fields: parsed.fields }))
    }

    fn state(&self) -> ReaderState<'_> {
        let file = self.items.file();
        file.state(file.storage(), &self.remarks)
    }
}

/// Keys under which files hold their rows.
const ROWS_KEYS: [&str; 8] = ["data", "rows", "examples", "items", "records", "instances", "train", "results"];

fn explained(error: &JsonError, text: &str, row: u64) -> String {
    match text.trim_ascii_start().chars().next() {
        _ if error.kind == JsonErrorKind::OtherType => format!("expected a JSON object, found {}", error.message),
        Some('{') if error.kind == JsonErrorKind::Incomplete && row == 1 => {
            "an object over several lines; expected one object per line, or one list of objects: if the object holds \
             that list, save the list alone"
                .to_owned()
        }
        Some('{') => format!("not a JSON object: {}", error.message),
        _ => format!("expected a JSON object: {}", error.message),
    }
}
