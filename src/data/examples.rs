//! Rows become labelled examples. Incomplete rows are skipped and counted; an unknown label is an error.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::labels::LabelReader;
use super::records::{Format, Record, RecordColumns, Records};
use super::{Example, Label, LabelSet};
use crate::Usage;
use crate::protocol::Progress;

/// Limit on the text held in memory, in bytes: about a hundred times the largest GLUE task.
const MAX_TEXT: usize = 8 << 30;

/// Line numbers listed in a warning.
const LINES_LISTED: usize = 5;

/// Collects the examples of one split from one or more files.
pub(super) struct ExampleCollector {
    labels: LabelReader,
    paired: bool,
    examples: Vec<Example>,
    text: usize,
    faults: BTreeMap<(PathBuf, RowFault), FaultLines>,
}

/// The examples of one split.
pub(super) struct CollectedExamples {
    pub labels: LabelSet,
    pub examples: Vec<Example>,
    pub warnings: Vec<String>,
}

/// A fault of a row that is reported as a warning and does not stop the run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RowFault {
    Columns,
    Text,
    Label,
    Encoding,
}

#[derive(Default)]
struct FaultLines {
    count: u64,
    first: Vec<u64>,
}

impl ExampleCollector {
    /// Takes records of a text, its pair if `paired`, and a label, in this order.
    pub fn new(labels: LabelReader, paired: bool) -> ExampleCollector {
        ExampleCollector { labels, paired, examples: Vec::new(), text: 0, faults: BTreeMap::new() }
    }

    /// Adds all rows of a file.
    pub fn read(
        &mut self,
        path: &Path,
        format: Format,
        columns: &RecordColumns<'_>,
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        Records::open(path, format, columns)?.for_each(progress, |record| self.add(path, record))
    }

    /// Adds one row of a file. Cells after the label are ignored.
    pub fn add(&mut self, path: &Path, record: Record) -> Result<()> {
        let line = record.line;
        let Some(cells) = record.cells else {
            self.note(path, RowFault::Columns, line);
            return Ok(());
        };
        let mut cells = cells.into_iter();
        let text = cells.next().flatten();
        let pair = if self.paired { cells.next() } else { None };
        let label = cells.next().flatten().unwrap_or_default();
        // The second text of a pair may be empty, as in some rows of QQP that the hub's dataset keeps, but not absent.
        let (Some(text), Some(pair)) = (text, transposed(pair)) else {
            self.note(path, RowFault::Text, line);
            return Ok(());
        };
        if text.trim().is_empty() && pair.as_ref().is_none_or(|pair| pair.trim().is_empty()) {
            self.note(path, RowFault::Text, line);
            return Ok(());
        }
        let label = match label.trim() {
            "" => None,
            label => match self.labels.read(label) {
                Ok(label) => label,
                Err(error) => bail!(error.at(path, line)),
            },
        };
        let Some(label) = label else {
            self.note(path, RowFault::Label, line);
            return Ok(());
        };
        if record.repaired {
            self.note(path, RowFault::Encoding, line);
        }
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

    /// `kind` ("training") and `path` are for the error that there are no examples.
    pub fn finish(self, kind: &str, path: &Path) -> Result<CollectedExamples> {
        let warnings: Vec<String> =
            self.faults.iter().map(|((path, fault), lines)| fault.warning(path, lines)).collect();
        if self.examples.is_empty() {
            let mut message = format!("{}: no {kind} examples", path.display());
            for warning in warnings {
                let _ = write!(message, "\n{warning}");
            }
            bail!(Usage(message));
        }
        let mut examples = self.examples;
        let (labels, renumbered) = self.labels.finish();
        if let Some(renumbered) = renumbered {
            for example in &mut examples {
                if let Label::Class(class) = &mut example.label {
                    *class = renumbered[*class as usize];
                }
            }
        }
        Ok(CollectedExamples { labels, examples, warnings })
    }

    fn note(&mut self, path: &Path, fault: RowFault, line: u64) {
        let lines = self.faults.entry((path.to_owned(), fault)).or_default();
        lines.count += 1;
        if lines.first.len() < LINES_LISTED {
            lines.first.push(line);
        }
    }
}

impl RowFault {
    fn warning(self, path: &Path, lines: &FaultLines) -> String {
        let numbers = lines.first.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let more = if lines.count > lines.first.len() as u64 { ", …" } else { "" };
        let rows = if lines.count == 1 { "row" } else { "rows" };
        let line = if lines.count == 1 { "line" } else { "lines" };
        let fault = match self {
            RowFault::Columns => "skipped: wrong number of columns",
            RowFault::Text => "skipped: no text",
            RowFault::Label => "skipped: no label",
            RowFault::Encoding => "read with U+FFFD in place of bytes that are not UTF-8",
        };
        format!("{}: {} {rows} {fault} ({line} {numbers}{more})", path.display(), lines.count)
    }
}

/// `None` where a pair is expected but absent; `Some(None)` where none is expected.
fn transposed(pair: Option<Option<String>>) -> Option<Option<String>> {
    match pair {
        None => Some(None),
        Some(pair) => pair.map(Some),
    }
}
