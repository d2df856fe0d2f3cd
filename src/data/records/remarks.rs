//! What a reader could not take as it is, or is not sure of: counted by kind with the first lines, and reported as warnings.

use std::collections::BTreeMap;
use std::path::Path;

use crate::data::left_out::FaultLines;

/// Something about a row that is read nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remark {
    /// Bytes that are not UTF-8, read as Windows-1252.
    Windows1252,
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

    /// One sentence per kind of remark.
    pub fn warnings(&self, path: &Path) -> Vec<String> {
        let warning = |(remark, lines): (&Remark, &FaultLines)| {
            format!("{}: {} {} ({lines}){}", path.display(), lines.rows(), remark.finding(), remark.advice())
        };
        self.0.iter().map(warning).collect()
    }
}

impl Remark {
    /// The warning about a file that is one text.
    pub fn about_file(self, path: &Path) -> String {
        format!("{}: {}{}", path.display(), self.finding(), self.advice())
    }

    /// What follows "2 rows".
    fn finding(self) -> &'static str {
        match self {
            Remark::Windows1252 => "not UTF-8, read as Windows-1252 (Latin-1), the likely encoding",
            Remark::BrokenText => "read with U+FFFD in place of broken characters",
            Remark::LoneSurrogate => "read with U+FFFD in place of half a surrogate pair such as \\ud83d",
            Remark::TextAfterQuote => "with text after a closing quote, read as Python's csv reads it",
            Remark::RowsInQuotes => "with a quoted field whose lines look like rows",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Remark::Windows1252 => "; if characters are wrong, save the file as UTF-8",
            Remark::BrokenText | Remark::LoneSurrogate => "",
            Remark::TextAfterQuote => "; a quote within a quoted field has to be doubled",
            Remark::RowsInQuotes => "; is a quote not closed there?",
        }
    }
}
