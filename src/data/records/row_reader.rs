//! What the readers of all kinds of files have in common: rows one at a time, progress, and notes at the end.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use super::remarks::Remarks;
use crate::protocol::Progress;

/// Rows per progress report.
const REPORT_EVERY: u64 = 4096;

/// Reads the rows of a file.
pub(super) trait RowReader {
    type Row;

    /// The next row; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<Self::Row>>;

    fn state(&self) -> ReaderState<'_>;
}

/// A row with its fields by name.
pub(super) struct FieldRow {
    /// Line in a file of JSON lines, otherwise the number of the row; both from 1.
    pub row: u64,
    pub fields: Map<String, Value>,
}

/// How far a file is read, and what there is to say about it.
pub(super) struct ReaderState<'a> {
    /// Units read so far.
    pub done: u64,
    pub total: u64,
    pub unit: &'static str,
    /// What is not as the file's extension says: `delimiter ";"`, `UTF-16LE`.
    pub description: Vec<String>,
    pub remarks: &'a Remarks,
}

/// What there is to say about files that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct FileNotes {
    /// How files were read that are not plain UTF-8 text with the delimiter of their extension, one sentence per file.
    pub info: Vec<String>,
    /// What was replaced or may be misread.
    pub warnings: Vec<String>,
}

impl FileNotes {
    pub(in crate::data) fn extend(&mut self, other: FileNotes) {
        self.info.extend(other.info);
        self.warnings.extend(other.warnings);
    }
}

/// Calls `take` with each row in order and reports progress.
pub(super) fn read_all<Row>(
    path: &Path,
    rows: &mut dyn RowReader<Row = Row>,
    progress: &dyn Fn(Progress),
    mut take: impl FnMut(Row) -> Result<()>,
) -> Result<FileNotes> {
    let task = format!("reading {}", path.file_name().unwrap_or_default().to_string_lossy());
    let report = |done: u64, total, unit: &str| {
        progress(Progress { task: task.clone(), done, total, unit: unit.to_owned() });
    };
    let mut count = 0;
    while let Some(row) = rows.next()? {
        take(row)?;
        if count % REPORT_EVERY == 0 {
            let state = rows.state();
            report(state.done.min(state.total), state.total, state.unit);
        }
        count += 1;
    }
    let ReaderState { total, unit, description, remarks, .. } = rows.state();
    remarks.check(path, count)?;
    report(total, total, unit);
    let noun = if count == 1 { "row" } else { "rows" };
    let sentence = || format!("{}: {count} {noun}, {}", path.display(), description.join(", "));
    Ok(FileNotes {
        info: if description.is_empty() { Vec::new() } else { vec![sentence()] },
        warnings: remarks.warnings(path),
    })
}
