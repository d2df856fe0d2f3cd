//! Rows as cells of named columns.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::columns::{column_indices, missing_column};
use super::delimited::{CLOSE_QUOTE, Table};
use super::format::Format;
use super::glue_rows::GlueRows;
use super::json::JsonFile;
use super::parquet::ParquetFile;
use super::row_reader::{FieldRow, FileNotes, ReaderState, RowReader, read_all};
use super::scalar::scalar_text;
use super::swallowed::SwallowedRows;
use crate::Usage;
use crate::protocol::Progress;

/// Limit on the keys remembered for the error that a column is missing.
const MAX_KEYS: usize = 100;

/// The columns to read from a file.
pub(in crate::data) enum RecordColumns<'a> {
    /// By name, in this order.
    Named(&'a [&'a str]),
    /// By index, in this order, from a file of [`Format::GlueTsv`] without a header that has `count` columns.
    Indexed { count: usize, indices: &'a [usize] },
}

/// One row of a file.
pub(in crate::data) struct Record {
    /// First line of the row in the file, from 1; in a parquet file or a JSON list the number of the row, from 1.
    pub line: u64,
    /// The cells in the order of [`RecordColumns`], `None` for a null. No cells at all if the row has a wrong number of
    /// columns.
    pub cells: Option<Vec<Option<String>>>,
}

/// An open file of records.
pub(in crate::data) struct Records {
    path: PathBuf,
    rows: Box<dyn RowReader<Row = Record>>,
}

impl Records {
    /// Opens a file and finds the columns in its header. JSON has none: a missing key is an error at the file's end.
    pub fn open(path: &Path, format: Format, columns: &RecordColumns<'_>) -> Result<Records> {
        let rows: Box<dyn RowReader<Row = Record>> = match (format, columns) {
            (Format::GlueTsv, columns) => Box::new(GlueRows::open(path, columns)?),
            (_, RecordColumns::Indexed { .. }) => bail!("{}: the file is read by column names", path.display()),
            (Format::Csv, RecordColumns::Named(names)) => TableRecords::boxed(Table::csv(path, names)?, path, names)?,
            (Format::Tsv, RecordColumns::Named(names)) => TableRecords::boxed(Table::tsv(path, names)?, path, names)?,
            (Format::Json, RecordColumns::Named(names)) => {
                let keys = WantedKeys::new(path, names);
                Box::new(JsonRecords {
                    file: JsonFile::open(path)?,
                    seen: vec![false; names.len()],
                    keys,
                    all: Vec::new(),
                })
            }
            (Format::Parquet, RecordColumns::Named(names)) => Box::new(ParquetRecords {
                file: ParquetFile::open_columns(path, names)?,
                keys: WantedKeys::new(path, names),
            }),
        };
        Ok(Records { path: path.to_owned(), rows })
    }

    /// Calls `take` with each row in order and reports progress.
    pub fn for_each(
        mut self,
        progress: &dyn Fn(Progress),
        take: impl FnMut(Record) -> Result<()>,
    ) -> Result<FileNotes> {
        read_all(&self.path, self.rows.as_mut(), progress, take)
    }
}

struct TableRecords {
    path: PathBuf,
    table: Table,
    indices: Vec<usize>,
    swallowed: SwallowedRows,
}

impl TableRecords {
    fn boxed(table: Table, path: &Path, names: &[&str]) -> Result<Box<dyn RowReader<Row = Record>>> {
        let indices = column_indices(path, &table.header, names)?;
        let swallowed = SwallowedRows::new(&indices);
        Ok(Box::new(TableRecords { path: path.to_owned(), table, indices, swallowed }))
    }
}

impl RowReader for TableRecords {
    type Row = Record;

    fn next(&mut self) -> Result<Option<Record>> {
        let Some(row) = self.table.next()? else {
            return match self.swallowed.find(&self.table)? {
                Some(line) => bail!(Usage(format!(
                    "{}:{line}: the quote that opens in this row encloses the rows after it; {CLOSE_QUOTE}",
                    self.path.display()
                ))),
                None => Ok(None),
            };
        };
        self.swallowed.watch(&row);
        let cells = || self.indices.iter().map(|&index| Some(row.cell(index).into_owned())).collect();
        Ok(Some(Record { line: row.line, cells: row.is_complete().then(cells) }))
    }

    fn state(&self) -> ReaderState<'_> {
        self.table.state()
    }
}

/// Nulls of a parquet file are absent from its rows.
struct ParquetRecords {
    file: ParquetFile,
    keys: WantedKeys,
}

impl RowReader for ParquetRecords {
    type Row = Record;

    fn next(&mut self) -> Result<Option<Record>> {
        self.file.next()?.map(|row| self.keys.record(row)).transpose()
    }

    fn state(&self) -> ReaderState<'_> {
        self.file.state()
    }
}

/// JSON has no header: a key missing from a row is a null, missing from all rows it is an error.
struct JsonRecords {
    file: JsonFile,
    keys: WantedKeys,
    /// Whether each of the wanted keys has occurred.
    seen: Vec<bool>,
    /// The keys that have occurred, in order of appearance.
    all: Vec<String>,
}

impl RowReader for JsonRecords {
    type Row = Record;

    fn next(&mut self) -> Result<Option<Record>> {
        let Some(row) = self.file.next()? else {
            return match self.seen.iter().position(|seen| !seen) {
                // Of an empty file the caller says that it has no examples.
                Some(absent) if !self.all.is_empty() => {
                    bail!(missing_column(&self.keys.path, &self.keys.names[absent], &self.all))
                }
                _ => Ok(None),
            };
        };
        for key in row.fields.keys() {
            if self.all.len() < MAX_KEYS && !self.all.contains(key) {
                self.all.push(key.clone());
            }
        }
        for (name, seen) in self.keys.names.iter().zip(&mut self.seen) {
            *seen |= row.fields.contains_key(name);
        }
        self.keys.record(row).map(Some)
    }

    fn state(&self) -> ReaderState<'_> {
        self.file.state()
    }
}

/// The keys that are read from objects, in the order of the record's cells.
struct WantedKeys {
    path: PathBuf,
    names: Vec<String>,
}

impl WantedKeys {
    fn new(path: &Path, names: &[&str]) -> WantedKeys {
        WantedKeys { path: path.to_owned(), names: names.iter().map(|&name| name.to_owned()).collect() }
    }

    fn record(&self, FieldRow { row: line, mut fields }: FieldRow) -> Result<Record> {
        let mut cells = Vec::with_capacity(self.names.len());
        for name in &self.names {
            let Ok(cell) = scalar_text(fields.remove(name).unwrap_or_default()) else {
                bail!(Usage(format!(
                    "{}:{line}: \"{name}\" is a list or an object; expected a string or a number",
                    self.path.display()
                )))
            };
            cells.push(cell);
        }
        Ok(Record { line, cells: Some(cells) })
    }
}
