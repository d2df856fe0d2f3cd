//! Rows as objects with any fields.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Map, Value};

use super::columns::check_distinct;
use super::delimited::Table;
use super::format::Format;
use super::json::JsonFile;
use super::parquet::ParquetFile;
use super::row_error::RowError;
use super::row_reader::{FieldRow, FileNotes, ReaderState, RowReader, read_all};
use crate::protocol::Progress;

/// One object of a file.
pub struct Object {
    /// First line of the row in the file, from 1; in a parquet file or a JSON list the number of the row, from 1.
    pub row: u64,
    /// An error is a row that cannot be an object because of its number of columns.
    pub fields: Result<Map<String, Value>, RowError>,
}

/// An open file of objects: JSON objects, rows of a parquet file without their nulls, or rows of a CSV or TSV file, whose
/// values are strings.
pub struct Objects {
    path: PathBuf,
    rows: Box<dyn RowReader<Row = Object>>,
}

impl Objects {
    /// Recognises the kind of the file by its extension.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): a file of another kind, or two columns of one name.
    pub fn open(path: &Path) -> Result<Objects> {
        let rows: Box<dyn RowReader<Row = Object>> = match Format::of(path)? {
            Format::Csv => Box::new(TableObjects::of(Table::csv(path, &[])?, path)?),
            Format::Tsv | Format::GlueTsv => Box::new(TableObjects::of(Table::tsv(path, &[])?, path)?),
            Format::Json => Box::new(AllFields(JsonFile::open(path)?)),
            Format::Parquet => Box::new(AllFields(ParquetFile::open(path)?)),
        };
        Ok(Objects { path: path.to_owned(), rows })
    }

    /// Calls `take` with each object in order and reports progress.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage) with file and line: a malformed file. Those of `take`.
    pub fn for_each(
        mut self,
        progress: &dyn Fn(Progress),
        take: impl FnMut(Object) -> Result<()>,
    ) -> Result<FileNotes> {
        read_all(&self.path, self.rows.as_mut(), progress, take)
    }
}

struct TableObjects {
    table: Table,
    header: Vec<String>,
}

impl TableObjects {
    fn of(table: Table, path: &Path) -> Result<TableObjects> {
        check_distinct(path, &table.header)?;
        Ok(TableObjects { header: table.header.clone(), table })
    }
}

impl RowReader for TableObjects {
    type Row = Object;

    fn next(&mut self) -> Result<Option<Object>> {
        let Some(row) = self.table.next()? else { return Ok(None) };
        // A column without a name is the index that pandas writes.
        let named = self.header.iter().enumerate().filter(|(_, name)| !name.is_empty());
        let fields = match row.is_complete() {
            true => Ok(named.map(|(index, name)| (name.clone(), row.cell(index).into())).collect()),
            false => Err(RowError::new("wrong number of columns")),
        };
        Ok(Some(Object { row: row.line, fields }))
    }

    fn state(&self) -> ReaderState<'_> {
        self.table.state()
    }
}

/// The rows of a reader whose rows are objects already.
struct AllFields<R>(R);

impl<R: RowReader<Row = FieldRow>> RowReader for AllFields<R> {
    type Row = Object;

    fn next(&mut self) -> Result<Option<Object>> {
        Ok(self.0.next()?.map(|FieldRow { row, fields }| Object { row, fields: Ok(fields) }))
    }

    fn state(&self) -> ReaderState<'_> {
        self.0.state()
    }
}
