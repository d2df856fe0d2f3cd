//! Rows become labelled examples. Incomplete rows are skipped and counted; an unknown label is an error.

use std::path::Path;

use anyhow::{Result, bail};

use super::Example;
use super::labels::{LabelColumn, LabelRule};
use super::left_out::RowCounts;
use super::records::{FileNotes, Format, Record, RecordColumns, Records};
use crate::Usage;
use crate::protocol::Progress;

/// Limit on the text held in memory, in bytes: about a hundred times the largest GLUE task.
const MAX_TEXT: usize = 8 << 30;

/// Collects the examples of one split from one or more files.
pub(super) struct ExampleCollector {
    labels: LabelColumn,
    paired: bool,
    examples: Vec<Example>,
    text: usize,
    counts: RowCounts,
    notes: FileNotes,
}

/// The examples of one split. Their classes are provisional until the labels of all splits are resolved.
pub(super) struct CollectedExamples {
    pub labels: LabelColumn,
    pub examples: Vec<Example>,
    pub notes: FileNotes,
}

impl ExampleCollector {
    /// Takes records of a text, its pair if `paired`, and a label, in this order.
    pub fn new(labels: LabelRule, paired: bool) -> ExampleCollector {
        ExampleCollector {
            labels: LabelColumn::new(labels),
            paired,
            examples: Vec::new(),
            text: 0,
            counts: RowCounts::default(),
            notes: FileNotes::default(),
        }
    }

    /// Adds all rows of a file.
    pub fn read(
        &mut self,
        path: &Path,
        format: Format,
        columns: &RecordColumns<'_>,
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        let notes = Records::open(path, format, columns)?.for_each(progress, |record| self.add(path, record))?;
        self.notes.extend(notes);
        Ok(())
    }

    /// Adds one row of a file. Cells after the label are ignored.
    pub fn add(&mut self, path: &Path, record: Record) -> Result<()> {
        let line = record.line;
        self.counts.count_row();
        let Some(cells) = record.cells else {
            self.counts.leave_out(path, "wrong number of columns", line);
            return Ok(());
        };
        let mut cells = cells.into_iter();
        let text = cells.next().flatten();
        let pair = if self.paired { cells.next() } else { None };
        let label = cells.next().flatten().unwrap_or_default();
        // The second text of a pair may be empty, as in some rows of QQP that the hub's dataset keeps, but not absent.
        let (Some(text), Some(pair)) = (text, transposed(pair)) else {
            self.counts.leave_out(path, "no text", line);
            return Ok(());
        };
        if text.trim().is_empty() && pair.as_ref().is_none_or(|pair| pair.trim().is_empty()) {
            self.counts.leave_out(path, "no text", line);
            return Ok(());
        }
        let label = self.labels.read(label.trim(), path, line).map_err(|error| error.at(path, line))?;
        let Some(label) = label else {
            self.counts.leave_out(path, "no label", line);
            return Ok(());
        };
        self.text += text.len() + pair.as_ref().map_or(0, String::len);
        if self.text > MAX_TEXT {
            bail!(Usage(format!(
                "{}:{line}: more than {} GiB of text; train on a part of it",
                path.display(),
                MAX_TEXT >> 30
            )));
        }
        self.examples.push(Example { text, pair, label });
        Ok(())
    }

    /// `kind` ("training") and `path` are for the error that too few rows can be used.
    pub fn finish(self, kind: &str, path: &Path, max_bad_rows: f64) -> Result<CollectedExamples> {
        self.counts.check(kind, path, max_bad_rows)?;
        let mut notes = self.notes;
        notes.warnings.extend(self.counts.warnings());
        Ok(CollectedExamples { labels: self.labels, examples: self.examples, notes })
    }
}

/// `None` where a pair is expected but absent; `Some(None)` where none is expected.
fn transposed(pair: Option<Option<String>>) -> Option<Option<String>> {
    match pair {
        None => Some(None),
        Some(pair) => pair.map(Some),
    }
}
