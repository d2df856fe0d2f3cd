//! Parquet files: rows as JSON objects.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::{Type, TypePtr};

use super::columns::column_indices;
use super::content::{Compression, check_kind};
use super::parquet_values::ValueReader;
use super::remarks::{Remark, Remarks};
use super::row_reader::{FieldRow, ReaderState, RowReader};
use crate::Usage;
use crate::data::guard::guarded;

/// Limit on the unpacked size that a file declares, in bytes. A few KB can declare terabytes.
const MAX_UNPACKED: i64 = 8 << 30;

const UNREADABLE: &str = "not a readable parquet file";

/// An open parquet file.
pub(super) struct ParquetFile {
    path: PathBuf,
    rows: RowIter<'static>,
    columns: Vec<TypePtr>,
    /// Rows read.
    done: u64,
    /// Rows of the file.
    total: u64,
    remarks: Remarks,
}

impl ParquetFile {
    /// Reads all columns.
    pub fn open(path: &Path) -> Result<ParquetFile> {
        let (reader, total) = open_checked(path)?;
        let columns = reader.metadata().file_metadata().schema().get_fields().to_vec();
        ParquetFile::of(path, reader, total, columns, None)
    }

    /// Reads these columns, of single values.
    pub fn open_columns(path: &Path, names: &[&str]) -> Result<ParquetFile> {
        let (reader, total) = open_checked(path)?;
        let schema = reader.metadata().file_metadata().schema();
        let header: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        let mut indices = column_indices(path, &header, names)?;
        // A projection keeps the file's order of columns.
        indices.sort_unstable();
        let columns: Vec<TypePtr> = indices.iter().map(|&index| schema.get_fields()[index].clone()).collect();
        if let Some(nested) = columns.iter().find(|column| !column.is_primitive()) {
            bail!(Usage(format!(
                "{}: column \"{}\" is a list or a struct; expected strings or numbers",
                path.display(),
                nested.name()
            )));
        }
        let projection = Type::group_type_builder(schema.name())
            .with_fields(columns.clone())
            .build()
            .with_context(|| format!("{}: cannot select columns", path.display()))?;
        ParquetFile::of(path, reader, total, columns, Some(projection))
    }

    fn of(
        path: &Path,
        reader: SerializedFileReader<File>,
        total: u64,
        columns: Vec<TypePtr>,
        projection: Option<Type>,
    ) -> Result<ParquetFile> {
        let rows = guarded(path, UNREADABLE, || RowIter::from_file_into(Box::new(reader)).project(projection))?;
        Ok(ParquetFile { path: path.to_owned(), rows, columns, done: 0, total, remarks: Remarks::default() })
    }
}

impl RowReader for ParquetFile {
    type Row = FieldRow;

    /// The next row. A null is an absent key: files fill in all keys of a column's structs.
    fn next(&mut self) -> Result<Option<FieldRow>> {
        let row = guarded(&self.path, UNREADABLE, || self.rows.next().transpose())?;
        let Some(row) = row else {
            return match self.done == self.total {
                true => Ok(None),
                false => bail!(Usage(format!(
                    "{}: {UNREADABLE}: it declares {} rows, but holds {}",
                    self.path.display(),
                    self.total,
                    self.done
                ))),
            };
        };
        self.done += 1;
        let mut reader = ValueReader::default();
        // What the library computes of dates and decimals panics where a file's numbers make no sense.
        let fields = guarded(&self.path, UNREADABLE, || Ok::<_, std::fmt::Error>(reader.fields(&row, &self.columns)))?;
        if reader.broken_text {
            self.remarks.note(Remark::BrokenText, self.done);
        }
        Ok(Some(FieldRow { row: self.done, fields }))
    }

    fn state(&self) -> ReaderState<'_> {
        let ParquetFile { done, total, remarks, .. } = self;
        ReaderState { done: *done, total: *total, unit: "examples", description: Vec::new(), remarks }
    }
}

/// Opens a file whose declared size is within the limit; also returns its number of rows.
pub(super) fn open_checked(path: &Path) -> Result<(SerializedFileReader<File>, u64)> {
    let mut file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
    let mut head = Vec::new();
    file.by_ref().take(64).read_to_end(&mut head).with_context(|| format!("{}: cannot read", path.display()))?;
    if !head.starts_with(b"PAR1") {
        check_kind(path, &head)?;
        if let Some(kind) = Compression::of(&head) {
            bail!(Usage(format!(
                "{}: compressed with {}; unpack it: parquet has a compression of its own",
                path.display(),
                kind.name()
            )));
        }
    }
    let reader = guarded(path, UNREADABLE, || SerializedFileReader::new(file))?;
    let metadata = reader.metadata();
    let unpacked = metadata.row_groups().iter().fold(0_i64, |sum, group| sum.saturating_add(group.total_byte_size()));
    if unpacked > MAX_UNPACKED {
        bail!(Usage(format!(
            "{}: unpacks to {} GiB, more than the limit of {} GiB",
            path.display(),
            unpacked >> 30,
            MAX_UNPACKED >> 30
        )));
    }
    let total = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
    Ok((reader, total))
}
