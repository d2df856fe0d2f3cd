//! Rows become examples. A row that cannot be one is left out and counted; a wrong label is an error.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::labels::LabelReader;
use super::records::{Format, Record, Records, Wanted};
use super::{Example, Labels, Target};
use crate::Usage;
use crate::protocol::Progress;

/// Text held in memory, in bytes: some hundred times the largest GLUE task.
const MOST_TEXT: usize = 8 << 30;

/// Lines a warning names.
const LINES_NAMED: usize = 5;

/// Gathers the examples of one split, of one file or several.
pub(super) struct Collector {
    labels: LabelReader,
    paired: bool,
    examples: Vec<Example>,
    text: usize,
    faults: BTreeMap<(PathBuf, Fault), Lines>,
}

/// The examples of a split.
pub(super) struct Collected {
    pub labels: Labels,
    pub examples: Vec<Example>,
    pub warnings: Vec<String>,
}

/// What may be wrong with a row without being wrong with the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Columns,
    Text,
    Label,
    Encoding,
}

#[derive(Default)]
struct Lines {
    count: u64,
    first: Vec<u64>,
}

impl Collector {
    /// For rows of a text, its pair where `paired`, and a label, in this order.
    pub fn new(labels: LabelReader, paired: bool) -> Collector {
        Collector { labels, paired, examples: Vec::new(), text: 0, faults: BTreeMap::new() }
    }

    /// Adds all rows of a file.
    pub fn read(
        &mut self,
        path: &Path,
        format: Format,
        wanted: &Wanted<'_>,
        progress: &dyn Fn(Progress),
    ) -> Result<()> {
        Records::open(path, format, wanted)?.for_each(progress, |record| self.add(path, record))
    }

    /// Adds one row of a file. Cells after the label are not looked at.
    pub fn add(&mut self, path: &Path, record: Record) -> Result<()> {
        let line = record.line;
        let Some(cells) = record.cells else {
            self.note(path, Fault::Columns, line);
            return Ok(());
        };
        let mut cells = cells.into_iter();
        let text = cells.next().flatten();
        let pair = if self.paired { cells.next() } else { None };
        let label = cells.next().flatten().unwrap_or_default();
        // The second text of a pair may be empty, as in some rows of QQP, and the hub counts these; it may not be absent.
        let (Some(text), Some(pair)) = (text, transposed(pair)) else {
            self.note(path, Fault::Text, line);
            return Ok(());
        };
        if text.trim().is_empty() && pair.as_ref().is_none_or(|pair| pair.trim().is_empty()) {
            self.note(path, Fault::Text, line);
            return Ok(());
        }
        let target = match label.trim() {
            "" => None,
            label => match self.labels.read(label) {
                Ok(target) => target,
                Err(complaint) => bail!(Usage(format!("{}:{line}: {complaint}", path.display()))),
            },
        };
        let Some(target) = target else {
            self.note(path, Fault::Label, line);
            return Ok(());
        };
        if record.repaired {
            self.note(path, Fault::Encoding, line);
        }
        self.text += text.len() + pair.as_ref().map_or(0, String::len);
        if self.text > MOST_TEXT {
            bail!(Usage(format!(
                "{}:{line}: more than {} GiB of text; train on a part",
                path.display(),
                MOST_TEXT >> 30
            )));
        }
        self.examples.push(Example { text, pair, target });
        Ok(())
    }

    /// The examples. `kind` ("training") and `place` are for the error that there are none.
    pub fn finish(self, kind: &str, place: &Path) -> Result<Collected> {
        let warnings: Vec<String> =
            self.faults.iter().map(|((path, fault), lines)| fault.warning(path, lines)).collect();
        if self.examples.is_empty() {
            let mut message = format!("{}: no {kind} examples", place.display());
            for warning in warnings {
                let _ = write!(message, "\n{warning}");
            }
            bail!(Usage(message));
        }
        let mut examples = self.examples;
        let (labels, renumbered) = self.labels.finish();
        if let Some(renumbered) = renumbered {
            for example in &mut examples {
                if let Target::Class(class) = &mut example.target {
                    *class = renumbered[*class as usize];
                }
            }
        }
        Ok(Collected { labels, examples, warnings })
    }

    fn note(&mut self, path: &Path, fault: Fault, line: u64) {
        let lines = self.faults.entry((path.to_owned(), fault)).or_default();
        lines.count += 1;
        if lines.first.len() < LINES_NAMED {
            lines.first.push(line);
        }
    }
}

impl Fault {
    fn warning(self, path: &Path, lines: &Lines) -> String {
        let numbers = lines.first.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let more = if lines.count > lines.first.len() as u64 { ", …" } else { "" };
        let rows = if lines.count == 1 { "row" } else { "rows" };
        let line = if lines.count == 1 { "line" } else { "lines" };
        let what = match self {
            Fault::Columns => "left out for a wrong number of columns",
            Fault::Text => "left out for having no text",
            Fault::Label => "left out for having no label",
            Fault::Encoding => "read with U+FFFD in place of bytes that are not UTF-8",
        };
        format!("{}: {} {rows} {what} ({line} {numbers}{more})", path.display(), lines.count)
    }
}

/// `None` where a pair is wanted and absent; `Some(None)` where none is wanted.
fn transposed(pair: Option<Option<String>>) -> Option<Option<String>> {
    match pair {
        None => Some(None),
        Some(pair) => pair.map(Some),
    }
}
