//! CSV and TSV files with a header: rows of cells.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Result, bail};

use super::MAX_ROW;
use super::csv_rows::{CsvError, CsvRow, CsvRows};
use super::decode::Decoding;
use super::dialect::{Dialect, EnclosedRows, Quotes, column_names};
use super::remarks::{Remark, Remarks};
use super::row_reader::ReaderState;
use super::text_file::TextFile;
use crate::Usage;

/// Line breaks from which on a quoted field that looks like rows is remarked on. Two lines of text may look so by chance.
const SUSPICIOUS_BREAKS: usize = 2;

/// What to do about a stray quote.
pub(super) const CLOSE_QUOTE: &str = "close it, or double it if it is text";

/// An open CSV or TSV file.
pub(super) struct Table {
    rows: CsvRows<TextFile>,
    row: CsvRow,
    /// The names of the columns, up to the last one that has a name.
    pub header: Vec<String>,
    dialect: Dialect,
    usual_delimiter: u8,
    remarks: Remarks,
}

/// One row of a table.
pub(super) struct TableRow<'a> {
    pub line: u64,
    row: &'a CsvRow,
    decoding: Decoding,
    width: usize,
    /// Rows that a quoted field seems to enclose.
    pub enclosed: Option<EnclosedRows<'a>>,
}

impl Table {
    /// `needed` are columns by which the delimiter is recognised.
    pub fn csv(path: &Path, needed: &[&str]) -> Result<Table> {
        Table::open(path, Dialect::of_csv(path, needed)?, b',')
    }

    /// As [`Table::csv`].
    pub fn tsv(path: &Path, needed: &[&str]) -> Result<Table> {
        Table::open(path, Dialect::of_tsv(path, needed)?, b'\t')
    }

    fn open(path: &Path, dialect: Dialect, usual_delimiter: u8) -> Result<Table> {
        let (mut rows, mut row) = (dialect.rows(path)?, CsvRow::default());
        if !rows.read(&mut row).map_err(|error| unreadable(&rows, error))? {
            bail!(Usage(format!("{}: the file is empty; expected a line of column names", path.display())));
        }
        let mut header = column_names(&row);
        // Spreadsheets end every row with delimiters if a column further right was ever used.
        while header.last().is_some_and(String::is_empty) {
            header.pop();
        }
        if header.is_empty() {
            bail!(Usage(format!("{}:{}: expected a line of column names", path.display(), row.line)));
        }
        Ok(Table { rows, row, header, dialect, usual_delimiter, remarks: Remarks::default() })
    }

    /// The same table from its first row on.
    pub fn reopen(&self) -> Result<Table> {
        Table::open(&self.rows.reader().path, self.dialect, self.usual_delimiter)
    }

    pub fn next(&mut self) -> Result<Option<TableRow<'_>>> {
        let width = self.header.len();
        loop {
            if !self.rows.read(&mut self.row).map_err(|error| unreadable(&self.rows, error))? {
                return Ok(None);
            }
            // A line of spaces is an empty line.
            if width == 1 || self.row.len() > 1 || !self.row.field(0).trim_ascii().is_empty() {
                break;
            }
        }
        let (row, line) = (&self.row, self.row.line);
        let decoding = Decoding::of(&row.bytes);
        if let Some(remark) = decoding.remark(&row.bytes, self.rows.reader().encoding) {
            self.remarks.note(remark, line);
        }
        if row.signs.text_after_quote {
            self.remarks.note(Remark::TextAfterQuote, line);
        }
        let enclosed = self.dialect.enclosed_rows(row, width).filter(|rows| rows.breaks() >= SUSPICIOUS_BREAKS);
        if enclosed.is_some() {
            self.remarks.note(Remark::RowsInQuotes, line);
        }
        Ok(Some(TableRow { line, row, decoding, width, enclosed }))
    }

    pub fn state(&self) -> ReaderState<'_> {
        self.rows.reader().state(self.description(), &self.remarks)
    }

    /// What is not as the extension says: `delimiter ";"`, `UTF-16LE`, `gzip`.
    fn description(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if self.dialect.delimiter != self.usual_delimiter {
            parts.push(match self.dialect.delimiter {
                b'\t' => "delimiter tab".to_owned(),
                delimiter => format!("delimiter \"{}\"", char::from(delimiter)),
            });
        }
        match self.dialect.quotes {
            Quotes::Enclosing => {}
            Quotes::FoundEnclosing => parts.push("quotes enclose fields".to_owned()),
            Quotes::FoundText { line } => parts.push(format!("quotes are text, as in line {line}")),
        }
        parts.extend(self.rows.reader().storage());
        parts
    }
}

impl<'a> TableRow<'a> {
    /// The text of a part of the row.
    pub fn text(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        self.decoding.text(bytes)
    }

    /// Whether the row has a cell for each column, and nothing beyond the last one.
    pub fn is_complete(&self) -> bool {
        self.row.len() >= self.width && (self.width..self.row.len()).all(|index| self.row.field(index).is_empty())
    }

    pub fn cell(&self, index: usize) -> Cow<'a, str> {
        self.decoding.text(self.row.field(index))
    }
}

fn unreadable(rows: &CsvRows<TextFile>, error: CsvError) -> anyhow::Error {
    let path = rows.reader().path.display();
    let message = match error {
        CsvError::Io(error) => return rows.reader().failed(error),
        CsvError::OpenQuote { line, end_of_file: true } => {
            format!(
                "{path}:{line}: the quote that opens in this row is not closed by the end of the file; {CLOSE_QUOTE}"
            )
        }
        CsvError::OpenQuote { line, end_of_file: false } => {
            format!("{path}:{line}: the quote that opens in this row is not closed within 1 MiB; {CLOSE_QUOTE}")
        }
        CsvError::TextAfterQuote { opened, closed } => format!(
            "{path}:{opened}: the quote that opens in this row is closed only in line {closed}, within a field; {CLOSE_QUOTE}"
        ),
        CsvError::TooLong { line, limit } if limit < MAX_ROW => {
            format!("{path}:{line}: a field is longer than {} MiB; is this a table?", limit >> 20)
        }
        CsvError::TooLong { line, limit } => {
            format!("{path}:{line}: the row is longer than {} MiB; is this a table?", limit >> 20)
        }
    };
    Usage(message).into()
}
