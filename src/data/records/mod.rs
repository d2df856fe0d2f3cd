//! Rows of a file, one at a time, in bounded memory: what the wanted columns hold, not what it means.

mod delimited;
mod json;
mod lines;
mod objects;
mod parquet;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Result, bail};

use crate::Usage;
use crate::protocol::Progress;
use crate::suggest::nearest;
pub(super) use objects::Objects;

/// The longest row read. A longer one is no text to fine-tune on but a file of another kind, or an unclosed quote.
const LONGEST_ROW: usize = 4 << 20;

/// Rows between two reports of progress.
const REPORT_EVERY: u64 = 4096;

/// How rows are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Tabs and no quoting: a quote is a character like any other, and a field holds neither tab nor line break.
    Tsv,
    /// Commas and RFC 4180 quotes.
    Csv,
    /// One JSON object per line.
    JsonLines,
    /// Columns of strings, numbers or booleans.
    Parquet,
}

impl Format {
    /// The format of a user's file, by its extension.
    pub fn of(path: &Path) -> Result<Format> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        match extension.as_str() {
            "tsv" => Ok(Format::Tsv),
            "csv" => Ok(Format::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Format::JsonLines),
            "parquet" => Ok(Format::Parquet),
            _ => bail!(Usage(format!(
                "{}: the extension does not say how the file is written; expected .csv, .tsv, .jsonl or .parquet",
                path.display()
            ))),
        }
    }
}

/// That there is a file to read.
///
/// # Errors
/// [`Usage`]: there is none, or a folder in its place.
pub(super) fn expect_file(path: &Path) -> Result<()> {
    match path {
        file if file.is_file() => Ok(()),
        folder if folder.is_dir() => bail!(Usage(format!("{}: a folder, expected a file", folder.display()))),
        _ => bail!(Usage(format!("{}: no such file", path.display()))),
    }
}

/// The columns to read.
pub(super) enum Wanted<'a> {
    /// By name, in this order.
    Named(&'a [&'a str]),
    /// By index, in this order, from a TSV file of so many columns and without a header.
    Placed { columns: usize, at: &'a [usize] },
}

/// One row.
pub(super) struct Record {
    /// Line in the file where it starts, from 1; in a parquet file the row, from 1.
    pub line: u64,
    /// The wanted cells in the wanted order, `None` where there is nothing; no cells where the row has more or fewer
    /// columns than it should.
    pub cells: Option<Vec<Option<String>>>,
    /// Whether bytes that are not UTF-8 were replaced by U+FFFD.
    pub repaired: bool,
}

/// The rows of an open file.
pub(super) struct Records {
    path: PathBuf,
    rows: Box<dyn Iterator<Item = Result<Record>>>,
    /// Units done, kept by the reader beneath `rows`.
    done: Rc<Cell<u64>>,
    total: u64,
    unit: &'static str,
}

impl Records {
    /// Opens a file and looks for the columns in its header; a JSON-lines file tells at its end what it lacks.
    pub fn open(path: &Path, format: Format, wanted: &Wanted<'_>) -> Result<Records> {
        match format {
            Format::Tsv => delimited::tsv(path, wanted),
            Format::Csv => delimited::csv(path, wanted),
            Format::JsonLines => json::open(path, wanted),
            Format::Parquet => parquet::open(path, wanted),
        }
    }

    /// Hands over every row in order and reports how far the reading is.
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

/// Finds wanted columns in a header.
fn locate(path: &Path, header: &[String], names: &[&str]) -> Result<Vec<usize>> {
    let find = |name: &&str| {
        header.iter().position(|column| column == name).ok_or_else(|| missing_column(path, name, header).into())
    };
    names.iter().map(find).collect()
}

fn missing_column(path: &Path, name: &str, columns: &[String]) -> Usage {
    let shown = |column: &String| format!("\"{}\"", shortened(column));
    let meant = match nearest(name, columns.iter().map(String::as_str)) {
        Some(column) => format!("; did you mean \"{}\"?", shortened(column)),
        None => ".".to_owned(),
    };
    let mut list = columns.iter().take(20).map(shown).collect::<Vec<_>>().join(", ");
    if columns.len() > 20 {
        list.push_str(", …");
    }
    Usage(format!("{}: no column \"{name}\"{meant} There are: {list}", path.display()))
}

/// Enough of a cell to recognise it in a message.
pub(super) fn shortened(cell: &str) -> String {
    match cell.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}
