//! Rows of delimited text, split as Python's `csv` and pandas split them.
//!
//! The `csv` crate splits rows in the same way, but says neither that a quote is still open at the end of the file, nor where
//! it was opened, nor that a closing quote stands within a field. These are the signs of a file that is read wrong.

use std::io::{self, BufRead};

use memchr::{memchr, memchr2_iter, memchr3};

use super::MAX_ROW;

/// Limit on a field, in bytes. A longer one is an unclosed quote, or a file of another kind.
const MAX_FIELD: usize = 1 << 20;

const QUOTE: u8 = b'"';

/// Why a row cannot be read.
#[derive(Debug)]
pub(super) enum CsvError {
    Io(io::Error),
    /// The quote that opened in this line is not closed at the end of the file, or within [`MAX_FIELD`].
    OpenQuote {
        line: u64,
        end_of_file: bool,
    },
    /// The quoted field that begins in line `opened` ends in line `closed`, but text follows its closing quote.
    TextAfterQuote {
        opened: u64,
        closed: u64,
    },
    /// The field or row in this line is longer than the limit.
    TooLong {
        line: u64,
        limit: usize,
    },
}

/// One row, as bytes.
#[derive(Debug, Default)]
pub(super) struct CsvRow {
    /// The line in which the row begins, from 1.
    pub line: u64,
    /// The fields, one after the other.
    pub bytes: Vec<u8>,
    /// Where each field ends in `bytes`.
    ends: Vec<usize>,
    /// The first quoted field that has a line break.
    pub multi_line: Option<usize>,
    pub signs: QuoteSigns,
}

/// What tells quotes that enclose fields from quotes that are text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct QuoteSigns {
    /// A quoted field holds a doubled quote.
    pub doubled: bool,
    /// A field has text after its closing quote.
    pub text_after_quote: bool,
    /// A field that is not quoted holds a quote.
    pub within_field: bool,
}

impl CsvRow {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn field(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }

    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.field(index))
    }

    fn field_start(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn end_field(&mut self) {
        self.ends.push(self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        (self.multi_line, self.signs) = (None, QuoteSigns::default());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    RowStart,
    /// After a carriage return that ended a row: a line feed belongs to it.
    AfterReturn,
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote within a quoted field: it closes the field, or is the first of two.
    AfterQuote,
}

/// Splits a reader's text into rows. Empty lines are skipped.
pub(super) struct CsvRows<R> {
    reader: R,
    splitter: Splitter,
}

struct Splitter {
    delimiter: u8,
    quoting: bool,
    state: State,
    /// The current line, from 1.
    line: u64,
    /// The line in which the current quoted field opened.
    opened: u64,
    /// Whether the last byte of a quoted field so far is a carriage return, so that a line feed is no further line break.
    after_return: bool,
}

impl<R: BufRead> CsvRows<R> {
    /// `line` is the number of the reader's first line. Without `quoting` quotes are ordinary characters.
    pub fn new(reader: R, delimiter: u8, quoting: bool, line: u64) -> CsvRows<R> {
        let splitter = Splitter { delimiter, quoting, state: State::RowStart, line, opened: line, after_return: false };
        CsvRows { reader, splitter }
    }

    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// Reads a row; false at the end of the file.
    pub fn read(&mut self, row: &mut CsvRow) -> Result<bool, CsvError> {
        row.clear();
        loop {
            let buffer = self.reader.fill_buf().map_err(CsvError::Io)?;
            if buffer.is_empty() {
                return self.splitter.end(row);
            }
            let (used, complete) = self.splitter.split(buffer, row)?;
            self.reader.consume(used);
            if complete {
                return Ok(true);
            }
        }
    }
}

impl Splitter {
    /// Takes bytes of the buffer into the row; returns their number, and whether the row is complete.
    fn split(&mut self, buffer: &[u8], row: &mut CsvRow) -> Result<(usize, bool), CsvError> {
        let mut at = 0;
        while let Some(&byte) = buffer.get(at) {
            match self.state {
                State::AfterReturn => {
                    at += usize::from(byte == b'\n');
                    self.state = State::RowStart;
                }
                State::RowStart if matches!(byte, b'\n' | b'\r') => {
                    at += 1;
                    self.end_line(byte);
                }
                State::RowStart => {
                    row.line = self.line;
                    self.state = State::FieldStart;
                }
                State::FieldStart if byte == QUOTE && self.quoting => {
                    at += 1;
                    (self.opened, self.after_return) = (self.line, false);
                    self.state = State::Quoted;
                }
                State::FieldStart => self.state = State::Unquoted,
                State::Unquoted => {
                    let rest = &buffer[at..];
                    let end = memchr3(self.delimiter, b'\n', b'\r', rest);
                    let text = &rest[..end.unwrap_or(rest.len())];
                    row.signs.within_field |= memchr(QUOTE, text).is_some();
                    self.push(row, text)?;
                    at += text.len();
                    if end.is_some() {
                        at += 1;
                        if self.end_field(buffer[at - 1], row) {
                            return Ok((at, true));
                        }
                    }
                }
                State::Quoted => {
                    let rest = &buffer[at..];
                    let end = memchr(QUOTE, rest);
                    let text = &rest[..end.unwrap_or(rest.len())];
                    self.count_lines(text, row);
                    self.push(row, text)?;
                    at += text.len();
                    if end.is_some() {
                        at += 1;
                        self.state = State::AfterQuote;
                    }
                }
                State::AfterQuote if byte == QUOTE => {
                    at += 1;
                    self.after_return = false;
                    row.signs.doubled = true;
                    self.push(row, b"\"")?;
                    self.state = State::Quoted;
                }
                State::AfterQuote if byte == self.delimiter || matches!(byte, b'\n' | b'\r') => {
                    at += 1;
                    if self.end_field(byte, row) {
                        return Ok((at, true));
                    }
                }
                State::AfterQuote => {
                    if self.line > self.opened {
                        return Err(CsvError::TextAfterQuote { opened: self.opened, closed: self.line });
                    }
                    row.signs.text_after_quote = true;
                    self.state = State::Unquoted;
                }
            }
        }
        Ok((at, false))
    }

    /// The end of the file: completes the row that has begun, if any.
    fn end(&mut self, row: &mut CsvRow) -> Result<bool, CsvError> {
        match std::mem::replace(&mut self.state, State::RowStart) {
            State::RowStart | State::AfterReturn => Ok(false),
            State::Quoted => Err(CsvError::OpenQuote { line: self.opened, end_of_file: true }),
            State::FieldStart | State::Unquoted | State::AfterQuote => {
                row.end_field();
                Ok(true)
            }
        }
    }

    /// Ends a field at a delimiter or a line break; true if that ends the row.
    fn end_field(&mut self, byte: u8, row: &mut CsvRow) -> bool {
        row.end_field();
        if byte == self.delimiter {
            self.state = State::FieldStart;
            return false;
        }
        self.end_line(byte);
        true
    }

    fn end_line(&mut self, byte: u8) {
        self.line += 1;
        self.state = if byte == b'\r' { State::AfterReturn } else { State::RowStart };
    }

    /// Counts the line breaks of a quoted field.
    fn count_lines(&mut self, text: &[u8], row: &mut CsvRow) {
        for at in memchr2_iter(b'\n', b'\r', text) {
            let after_return = if at == 0 { self.after_return } else { text[at - 1] == b'\r' };
            self.line += u64::from(text[at] == b'\r' || !after_return);
            row.multi_line.get_or_insert(row.ends.len());
        }
        if let Some(last) = text.last() {
            self.after_return = *last == b'\r';
        }
    }

    fn push(&self, row: &mut CsvRow, text: &[u8]) -> Result<(), CsvError> {
        row.bytes.extend_from_slice(text);
        if row.bytes.len() - row.field_start() > MAX_FIELD {
            return Err(match self.state {
                State::Quoted => CsvError::OpenQuote { line: self.opened, end_of_file: false },
                _ => CsvError::TooLong { line: self.line, limit: MAX_FIELD },
            });
        }
        if row.bytes.len() + row.len() > MAX_ROW {
            return Err(CsvError::TooLong { line: row.line, limit: MAX_ROW });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &[u8], buffer: usize) -> Result<Vec<(u64, Vec<String>)>, CsvError> {
        let mut rows = CsvRows::new(io::BufReader::with_capacity(buffer, text), b',', true, 1);
        let (mut row, mut all) = (CsvRow::default(), Vec::new());
        while rows.read(&mut row)? {
            let fields = row.fields().map(|field| String::from_utf8_lossy(field).into_owned());
            all.push((row.line, fields.collect()));
        }
        Ok(all)
    }

    fn expect(text: &str, expected: &[(u64, &[&str])]) {
        for buffer in [1, 2, 3, 64] {
            let expected: Vec<(u64, Vec<String>)> =
                expected.iter().map(|(line, row)| (*line, row.iter().map(|cell| cell.to_string()).collect())).collect();
            assert_eq!(rows(text.as_bytes(), buffer).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn rows_are_split_as_by_python() {
        expect("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        expect("a,b\r\n\r\n1,\r2", &[(1, &["a", "b"]), (3, &["1", ""]), (4, &["2"])]);
        expect("a,\n,b", &[(1, &["a", ""]), (2, &["", "b"])]);
        expect("\"a\"\"b\",c\"d\"\n\"\",x", &[(1, &["a\"b", "c\"d\""]), (2, &["", "x"])]);
        expect("\"a\r\nb\n\rc\",x\ny,z", &[(1, &["a\r\nb\n\rc", "x"]), (5, &["y", "z"])]);
        expect("\"a\"b\"c,d\n", &[(1, &["ab\"c", "d"])]);
        expect("a, \"b\"", &[(1, &["a", " \"b\""])]);
    }

    #[test]
    fn an_open_quote_is_an_error_with_its_line() {
        for (text, line) in [("a,b\n1,\"2\n3,4\n", 2), ("a,b\n\"x\r\ny\",\"2\n", 3), ("\"", 1), ("a\n\n\nb,\"c", 4)] {
            for buffer in [1, 2, 64] {
                let error = rows(text.as_bytes(), buffer).unwrap_err();
                assert!(matches!(error, CsvError::OpenQuote { line: l, end_of_file: true } if l == line), "{text:?}");
            }
        }
        let long = format!("a,b\n1,\"{}", "2\n".repeat(MAX_FIELD));
        assert!(matches!(rows(long.as_bytes(), 4096), Err(CsvError::OpenQuote { line: 2, end_of_file: false })));
        let long = format!("a,b\n1,{}", "2".repeat(2 * MAX_FIELD));
        assert!(matches!(rows(long.as_bytes(), 4096), Err(CsvError::TooLong { line: 2, .. })));
    }

    #[test]
    fn a_quote_that_closes_in_the_text_of_a_later_line_is_an_error() {
        let error = rows(b"t,l\na,b\n\"never closed,b\nx,b\n\"good, this\",b\n", 8).unwrap_err();
        assert!(matches!(error, CsvError::TextAfterQuote { opened: 3, closed: 5 }));
    }

    proptest! {
        #[test]
        fn what_a_writer_quotes_is_read_back(
            cells in prop::collection::vec(prop::collection::vec("[a,\"\r\n;é]{0,6}", 2..4), 1..6),
            buffer in 1_usize..9,
        ) {
            let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
            let text = cells.iter().map(line).collect::<Vec<_>>().join("\r\n");
            let read: Vec<Vec<String>> =
                rows(text.as_bytes(), buffer).unwrap().into_iter().map(|(_, row)| row).collect();
            prop_assert_eq!(read, cells);
        }

        #[test]
        fn any_bytes_give_rows_or_an_error(text in prop::collection::vec(prop::sample::select(b"a,\"\r\n\0\xff".to_vec()), 0..40)) {
            let whole = rows(&text, 64).map_err(|error| format!("{error:?}"));
            prop_assert_eq!(rows(&text, 1).map_err(|error| format!("{error:?}")), whole);
        }
    }
}
