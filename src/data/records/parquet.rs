//! Parquet files; scalars become text.

use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::{Record, RecordColumns, Records, column_indices};
use crate::Usage;
use crate::data::guard::guarded;

/// Limit on the unpacked size that a file declares, in bytes. A few KB can declare terabytes.
const MAX_UNPACKED: i64 = 8 << 30;

const UNREADABLE: &str = "not a readable parquet file";

/// Calls `take` with the number of rows and each row as JSON, all columns included.
pub(super) fn objects(path: &Path, take: &mut dyn FnMut(u64, Map<String, Value>) -> Result<()>) -> Result<()> {
    let (reader, total) = open_checked(path)?;
    let mut rows =
        guarded(path, UNREADABLE, || -> parquet::errors::Result<_> { Ok(RowIter::from_file_into(Box::new(reader))) })?;
    while let Some(row) = guarded(path, UNREADABLE, || rows.next().transpose())? {
        let fields = row.get_column_iter().map(|(name, field)| (name.clone(), json(field)));
        take(total, fields.collect())?;
    }
    Ok(())
}

fn json(field: &Field) -> Value {
    match field {
        Field::Bool(value) => (*value).into(),
        Field::Byte(value) => (*value).into(),
        Field::Short(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::UByte(value) => (*value).into(),
        Field::UShort(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        Field::Float(value) => (*value).into(),
        Field::Double(value) => (*value).into(),
        Field::Str(text) => text.clone().into(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned().into(),
        Field::Group(row) => {
            Value::Object(row.get_column_iter().map(|(name, field)| (name.clone(), json(field))).collect())
        }
        Field::ListInternal(list) => list.elements().iter().map(json).collect(),
        // Dates, decimals and maps are no part of a text.
        _ => Value::Null,
    }
}

/// Opens a file whose declared size is within the limit; also returns its number of rows.
pub(super) fn open_checked(path: &Path) -> Result<(SerializedFileReader<File>, u64)> {
    let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
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

pub(super) fn open(path: &Path, columns: &RecordColumns<'_>) -> Result<Records> {
    let RecordColumns::Named(names) = columns else { bail!("{}: parquet is read by column names", path.display()) };
    let (reader, total) = open_checked(path)?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema();
    let header: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let indices = column_indices(path, &header, names)?;
    for &i in &indices {
        let field = &schema.get_fields()[i];
        if !field.is_primitive() {
            bail!(Usage(format!(
                "{}: column \"{}\" is a list or a struct; expected strings or numbers",
                path.display(),
                field.name()
            )));
        }
    }
    // A projection keeps the file's order of columns: find the cells in it by name again.
    let fields = schema.get_fields().iter().enumerate().filter(|(i, _)| indices.contains(i));
    let fields: Vec<Arc<Type>> = fields.map(|(_, field)| field.clone()).collect();
    let order: Vec<usize> =
        column_indices(path, &fields.iter().map(|f| f.name().to_owned()).collect::<Vec<_>>(), names)?;
    let projection = Type::group_type_builder(schema.name())
        .with_fields(fields)
        .build()
        .with_context(|| format!("{}: cannot select columns", path.display()))?;
    let mut rows = guarded(path, UNREADABLE, || RowIter::from_file_into(Box::new(reader)).project(Some(projection)))?;

    let (path, done) = (path.to_owned(), Rc::new(Cell::new(0)));
    let (rows_path, rows_done) = (path.clone(), done.clone());
    let mut ended = false;
    let rows = std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let row = guarded(&rows_path, UNREADABLE, || rows.next().transpose()).transpose()?;
        rows_done.set(rows_done.get() + 1);
        ended = row.is_err();
        Some(row.and_then(|row| record(&rows_path, rows_done.get(), &row, &order)))
    });
    Ok(Records { path, rows: Box::new(rows), done, total, unit: "examples" })
}

fn record(path: &Path, line: u64, row: &Row, order: &[usize]) -> Result<Record> {
    let fields: Vec<(&String, &Field)> = row.get_column_iter().collect();
    let mut cells = Vec::with_capacity(order.len());
    let mut repaired = false;
    for &i in order {
        let Some((name, field)) = fields.get(i) else {
            bail!(Usage(format!("{}:{line}: the row lacks a column", path.display())))
        };
        cells.push(match field {
            Field::Null => None,
            Field::Str(text) => Some(text.clone()),
            // Some writers do not mark columns of strings as such: they read as bytes.
            Field::Bytes(bytes) => {
                repaired |= std::str::from_utf8(bytes.data()).is_err();
                Some(String::from_utf8_lossy(bytes.data()).into_owned())
            }
            Field::Bool(value) => Some(value.to_string()),
            Field::Byte(value) => Some(value.to_string()),
            Field::Short(value) => Some(value.to_string()),
            Field::Int(value) => Some(value.to_string()),
            Field::Long(value) => Some(value.to_string()),
            Field::UByte(value) => Some(value.to_string()),
            Field::UShort(value) => Some(value.to_string()),
            Field::UInt(value) => Some(value.to_string()),
            Field::ULong(value) => Some(value.to_string()),
            Field::Float(value) => Some(value.to_string()),
            Field::Double(value) => Some(value.to_string()),
            _ => bail!(Usage(format!(
                "{}: column \"{name}\" holds neither strings nor numbers nor booleans",
                path.display()
            ))),
        });
    }
    Ok(Record { line, cells: Some(cells), repaired })
}
