//! How a delimited file is written: its delimiter, by the header, and whether quotes enclose fields.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::Result;
use memchr::{memchr, memchr2};

use super::csv_rows::{CsvError, CsvRow, CsvRows};
use super::decode::Decoding;
use super::lines::{LineBreak, Lines};
use super::text_file::TextFile;

/// Bytes of the file in which the header has to end.
const MAX_HEADER: u64 = 1 << 16;

/// What files are written with, the most likely first.
const COMMA_FIRST: [u8; 4] = [b',', b'\t', b';', b'|'];
const TAB_FIRST: [u8; 4] = [b'\t', b',', b';', b'|'];

/// How a delimited file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub quotes: Quotes,
    /// Whether the first line is Excel's `sep=;`.
    pub names_delimiter: bool,
}

/// What quotes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// They enclose fields, by the rules of CSV.
    Enclosing,
    /// The same, found by looking at the file.
    FoundEnclosing,
    /// They are text: in this line one does not enclose a field.
    FoundText { line: u64 },
}

impl Dialect {
    /// Recognises the dialect of a .csv file, whose quotes always enclose fields.
    pub fn of_csv(path: &Path, needed: &[&str]) -> Result<Dialect> {
        let (delimiter, names_delimiter) = delimiter(path, COMMA_FIRST, needed)?;
        Ok(Dialect { delimiter, quotes: Quotes::Enclosing, names_delimiter })
    }

    /// Recognises the dialect of a .tsv file. Some writers quote (pandas), others do not (GLUE): quotes enclose fields only
    /// if they do so in all of the file.
    pub fn of_tsv(path: &Path, needed: &[&str]) -> Result<Dialect> {
        let (delimiter, names_delimiter) = delimiter(path, TAB_FIRST, needed)?;
        let dialect = Dialect { delimiter, quotes: Quotes::Enclosing, names_delimiter };
        Ok(match has_quotes(path)? {
            true => Dialect { quotes: dialect.found_quotes(path)?, ..dialect },
            false => dialect,
        })
    }

    /// The rows of the file, the header first.
    pub fn rows(self, path: &Path) -> Result<CsvRows<TextFile>> {
        let mut lines = Lines::open(path, LineBreak::FeedOrReturn)?;
        if self.names_delimiter {
            lines.next()?;
        }
        let quoting = !matches!(self.quotes, Quotes::FoundText { .. });
        Ok(CsvRows::new(lines.file, self.delimiter, quoting, 1 + u64::from(self.names_delimiter)))
    }

    /// Reads all of the file. A writer that quotes puts no quote into a field that it does not quote, and doubles those
    /// within a field that it does. A field that looks like rows is no sign against a quoting writer where other fields show
    /// that there is one: by a doubled quote, by a delimiter or a line break within quotes.
    fn found_quotes(self, path: &Path) -> Result<Quotes> {
        let (mut rows, mut row) = (self.rows(path)?, CsvRow::default());
        let (mut width, mut proven, mut doubled, mut doubtful) = (None, false, false, None);
        loop {
            match rows.read(&mut row) {
                Ok(true) => {}
                Ok(false) => {
                    return Ok(match doubtful {
                        Some(line) if !proven && !doubled => Quotes::FoundText { line },
                        _ => Quotes::FoundEnclosing,
                    });
                }
                Err(CsvError::Io(error)) => return Err(rows.reader().failed(error)),
                // Doubled quotes are no accident: reading the file will say where a quote is missing.
                Err(_) if doubled => return Ok(Quotes::FoundEnclosing),
                Err(CsvError::OpenQuote { line, .. } | CsvError::TooLong { line, .. }) => {
                    return Ok(Quotes::FoundText { line });
                }
                Err(CsvError::TextAfterQuote { opened, .. }) => return Ok(Quotes::FoundText { line: opened }),
            }
            let width = *width.get_or_insert(row.len());
            if row.signs.text_after_quote || row.signs.within_field {
                return Ok(Quotes::FoundText { line: row.line });
            }
            doubled |= row.signs.doubled;
            let incomplete = row.multi_line.is_some() && row.len() < width;
            if incomplete || self.enclosed_rows(&row, width).is_some() {
                doubtful.get_or_insert(row.line);
            } else {
                let holds_delimiter = |field: &[u8]| memchr(self.delimiter, field).is_some();
                proven |= row.multi_line.is_some() || row.fields().any(holds_delimiter);
            }
        }
    }

    /// The rows that a quoted field of the row seems to enclose: its lines are rows of this width. So looks a quote that is
    /// not closed until another one comes. The first of the rows begins, and the last one ends, outside of the field; in a
    /// row with a wrong number of columns it is unknown where.
    pub fn enclosed_rows<'a>(self, row: &'a CsvRow, width: usize) -> Option<EnclosedRows<'a>> {
        let column = row.multi_line.filter(|_| width > 1)?;
        let field = row.field(column);
        let field = field.strip_suffix(b"\n").unwrap_or(field);
        let lines = field.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let rows: Vec<Vec<&[u8]>> = lines.map(|line| line.split(|byte| *byte == self.delimiter).collect()).collect();
        let [first, between @ .., last] = rows.as_slice() else { return None };
        let whole = column + first.len() == width && last.len() == column + 1 && row.len() == width;
        let likely = if row.len() == width { whole } else { !between.is_empty() };
        let fits = likely && between.iter().all(|row| row.len() == width);
        fits.then_some(EnclosedRows { column, whole, rows })
    }
}

/// What looks like rows within a quoted field.
pub(super) struct EnclosedRows<'a> {
    /// The column of the field, with which the first row begins. The last row ends with it.
    column: usize,
    /// Whether it is known which columns the first and the last of the rows have within the field.
    whole: bool,
    /// At least two.
    rows: Vec<Vec<&'a [u8]>>,
}

impl<'a> EnclosedRows<'a> {
    /// Line breaks of the field.
    pub fn breaks(&self) -> usize {
        self.rows.len() - 1
    }

    /// The cells of a column, as far as they are within the field; none for the column that is cut.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = &'a [u8]> {
        let last = self.rows.len() - 1;
        self.rows.iter().enumerate().filter_map(move |(index, row)| match index {
            _ if column == self.column => None,
            index if !self.whole && (index == 0 || index == last) => None,
            0 => row.get(column.checked_sub(self.column)?).copied(),
            index if index == last && column > self.column => None,
            _ => row.get(column).copied(),
        })
    }
}

/// The delimiter, and whether the first line names it: the first of the candidates that gives all needed columns, or, where
/// none are needed, more than one.
fn delimiter(path: &Path, candidates: [u8; 4], needed: &[&str]) -> Result<(u8, bool)> {
    let mut file = TextFile::open(path)?;
    let mut head = Vec::new();
    if let Err(error) = file.by_ref().take(MAX_HEADER).read_to_end(&mut head) {
        return Err(file.failed(error));
    }
    if let Some(delimiter) = named_delimiter(&head) {
        return Ok((delimiter, true));
    }
    let headers = candidates.map(|delimiter| (delimiter, header(&head, delimiter)));
    let fits = |header: &Vec<String>| match needed {
        [] => header.len() > 1,
        needed => needed.iter().all(|name| header.iter().any(|column| column == name)),
    };
    let fitting = headers.iter().find(|(_, header)| fits(header));
    // Without one the error lists the columns: those of the header that is split best.
    let best = || headers.iter().rev().max_by_key(|(_, header)| header.len());
    Ok((fitting.or_else(best).map_or(candidates[0], |(delimiter, _)| *delimiter), false))
}

/// The delimiter that Excel writes into a line of its own before the header: `sep=;`.
fn named_delimiter(head: &[u8]) -> Option<u8> {
    let line = &head[..memchr2(b'\n', b'\r', head)?];
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && delimiter.is_ascii() => {
            Some(*delimiter)
        }
        _ => None,
    }
}

fn header(head: &[u8], delimiter: u8) -> Vec<String> {
    let mut row = CsvRow::default();
    match CsvRows::new(head, delimiter, true, 1).read(&mut row) {
        Ok(true) => column_names(&row),
        _ => Vec::new(),
    }
}

/// The cells of a header, without the spaces around them.
pub(super) fn column_names(row: &CsvRow) -> Vec<String> {
    let decoding = Decoding::of(&row.bytes);
    row.fields().map(|field| decoding.text(field).trim().to_owned()).collect()
}

fn has_quotes(path: &Path) -> Result<bool> {
    let mut file = TextFile::open(path)?;
    loop {
        let length = match file.fill_buf() {
            Ok([]) => return Ok(false),
            Ok(buffer) if memchr(b'"', buffer).is_some() => return Ok(true),
            Ok(buffer) => buffer.len(),
            Err(error) => return Err(file.failed(error)),
        };
        file.consume(length);
    }
}
