//! Rows of TSV, CSV, JSON-lines and parquet files, one at a time and in bounded memory. Cells are text here; their meaning
//! is read elsewhere.

mod delimited;
mod features;
mod json_lines;
mod lines;
mod metered;
mod objects;
mod parquet;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Result, bail};

use crate::Usage;
use crate::protocol::Progress;
use crate::suggest::did_you_mean;
pub(super) use features::class_label_names;
pub(super) use objects::Objects;

/// Limit on a row, in bytes. A longer one is an unclosed quote, or a file of another kind.
const MAX_ROW: usize = 4 << 20;

/// Rows per progress report.
const REPORT_EVERY: u64 = 4096;

/// File formats of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Tab-separated without quoting: quotes are ordinary characters, and fields hold neither tabs nor line breaks.
    Tsv,
    /// Comma-separated with RFC 4180 quotes.
    Csv,
    /// One JSON object per line.
    JsonLines,
    /// Columns of strings, numbers or booleans.
    Parquet,
}

impl Format {
    /// By the file's extension.
    pub fn of(path: &Path) -> Result<Format> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        match extension.as_str() {
            "tsv" => Ok(Format::Tsv),
            "csv" => Ok(Format::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Format::JsonLines),
            "parquet" => Ok(Format::Parquet),
            _ => bail!(Usage(format!(
                "{}: unknown file extension; expected .csv, .tsv, .jsonl or .parquet",
                path.display()
            ))),
        }
    }
}

/// # Errors
/// [`Usage`]: the path does not exist or is a folder.
pub(super) fn expect_file(path: &Path) -> Result<()> {
    match path {
        file if file.is_file() => Ok(()),
        folder if folder.is_dir() => bail!(Usage(format!("{}: a folder, expected a file", folder.display()))),
        _ => bail!(Usage(format!("{}: no such file", path.display()))),
    }
}

/// The columns to read from a file.
pub(super) enum RecordColumns<'a> {
    /// By name, in this order.
    Named(&'a [&'a str]),
    /// By index, in this order, from a TSV file without a header that has `count` columns.
    Indexed { count: usize, indices: &'a [usize] },
}

/// What is wrong with a row. The caller that knows file and line adds them with [`RowError::at`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RowError(String);

impl RowError {
    pub fn new(message: impl Into<String>) -> RowError {
        RowError(message.into())
    }

    pub fn at(&self, path: &Path, line: u64) -> Usage {
        Usage(format!("{}:{line}: {self}", path.display()))
    }
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One row of a file.
pub(super) struct Record {
    /// First line of the row in the file, from 1; in a parquet file the number of the row, from 1.
    pub line: u64,
    /// The cells in the order of [`RecordColumns`], `None` for a null. No cells at all if the row has a wrong number of
    /// columns.
    pub cells: Option<Vec<Option<String>>>,
    /// Whether bytes that are not UTF-8 were replaced by U+FFFD.
    pub repaired: bool,
}

/// An open file of rows.
pub(super) struct Records {
    path: PathBuf,
    rows: Box<dyn Iterator<Item = Result<Record>>>,
    /// Units read so far; `rows` updates it.
    done: Rc<Cell<u64>>,
    total: u64,
    unit: &'static str,
}

impl Records {
    /// Opens a file and finds the columns in its header. A JSON-lines file has none: a missing key is an error at its end.
    pub fn open(path: &Path, format: Format, columns: &RecordColumns<'_>) -> Result<Records> {
        match format {
            Format::Tsv => delimited::tsv(path, columns),
            Format::Csv => delimited::csv(path, columns),
            Format::JsonLines => json_lines::open(path, columns),
            Format::Parquet => parquet::open(path, columns),
        }
    }

    /// Calls `take` with each row in order and reports progress.
    pub fn for_each(self, progress: &dyn Fn(Progress), mut take: impl FnMut(Record) -> Result<()>) -> Result<()> {
        let task = format!("reading {}", self.path.file_name().unwrap_or_default().to_string_lossy());
        let report =
            |done| progress(Progress { task: task.clone(), done, total: self.total, unit: self.unit.to_owned() });
        for (count, record) in (0..).zip(self.rows) {
            take(record?)?;
            if count % REPORT_EVERY == 0 {
                report(self.done.get().min(self.total));
            }
        }
        report(self.total);
        Ok(())
    }
}

/// Indices of the named columns in a header.
fn column_indices(path: &Path, header: &[String], names: &[&str]) -> Result<Vec<usize>> {
    let find = |name: &&str| {
        header.iter().position(|column| column == name).ok_or_else(|| missing_column(path, name, header).into())
    };
    names.iter().map(find).collect()
}

fn missing_column(path: &Path, name: &str, columns: &[String]) -> Usage {
    let shown = |column: &String| format!("\"{}\"", shortened(column));
    let hint = did_you_mean(name, columns.iter().map(String::as_str));
    let stop = if hint.is_empty() { "." } else { "" };
    let mut list = columns.iter().take(20).map(shown).collect::<Vec<_>>().join(", ");
    if columns.len() > 20 {
        list.push_str(", …");
    }
    Usage(format!("{}: no column \"{name}\"{hint}{stop} The columns are {list}", path.display()))
}

/// The beginning of a cell, for error messages.
pub(super) fn shortened(cell: &str) -> String {
    match cell.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}
