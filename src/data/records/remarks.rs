//! What a reader could not take as it is, or is not sure of: counted by kind with the first lines, and reported as warnings.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Usage;
use crate::data::left_out::FaultLines;

/// Something about a row that is read nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remark {
    /// Bytes that are not UTF-8, read as Windows-1252.
    Windows1252,
    /// Bytes that are not UTF-8 and unlikely to be Windows-1252, but read as such.
    UnknownEncoding,
    /// UTF-8 or UTF-16 with broken characters, read as U+FFFD.
    BrokenText,
    /// Half of a surrogate pair in JSON (`\ud83d`), read as U+FFFD.
    LoneSurrogate,
    /// Text after the closing quote of a field.
    TextAfterQuote,
    /// A quoted field whose lines look like rows.
    RowsInQuotes,
}

/// The remarks about a file.
#[derive(Debug, Default)]
pub(super) struct Remarks(BTreeMap<Remark, FaultLines>);

impl Remarks {
    /// `line` is where the row begins.
    pub fn note(&mut self, remark: Remark, line: u64) {
        self.0.entry(remark).or_default().count_row(line);
    }

    /// # Errors
    /// More than a tenth of the rows, and most of those that are not UTF-8, are of an unknown encoding: what was read is not
    /// what was written.
    pub fn check(&self, path: &Path, rows: u64) -> Result<(), Usage> {
        let count = |remark| self.0.get(&remark).map_or(0, FaultLines::count);
        match self.0.get(&Remark::UnknownEncoding) {
            Some(lines) if lines.count() > count(Remark::Windows1252).max(rows / 10) => Err(Usage(format!(
                "{}: {} neither UTF-8 nor, by their many letters beyond ASCII, Windows-1252 ({lines}); save the file as UTF-8",
                path.display(),
                lines.rows()
            ))),
            _ => Ok(()),
        }
    }

    /// One sentence per kind of remark.
    pub fn warnings(&self, path: &Path) -> Vec<String> {
        let warning = |(remark, lines): (&Remark, &FaultLines)| {
            format!("{}: {} {} ({lines}){}", path.display(), lines.rows(), remark.finding(), remark.advice())
        };
        self.0.iter().map(warning).collect()
    }
}

impl Remark {
    /// What follows "2 rows".
    fn finding(self) -> &'static str {
        match self {
            Remark::Windows1252 => "not UTF-8, read as Windows-1252 (Latin-1), the likely encoding",
            Remark::UnknownEncoding => "not UTF-8, read as Windows-1252 (Latin-1) as others are",
            Remark::BrokenText => "read with U+FFFD in place of broken characters",
            Remark::LoneSurrogate => "read with U+FFFD in place of half a surrogate pair such as \\ud83d",
            Remark::TextAfterQuote => "with text after a closing quote, read as Python's csv reads it",
            Remark::RowsInQuotes => "with a quoted field whose lines look like rows",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Remark::Windows1252 | Remark::UnknownEncoding => "; if characters are wrong, save the file as UTF-8",
            Remark::BrokenText | Remark::LoneSurrogate => "",
            Remark::TextAfterQuote => "; a quote within a quoted field has to be doubled",
            Remark::RowsInQuotes => "; is a quote not closed there?",
        }
    }
}
