//! Rows of CSV, TSV, JSON and parquet files, one at a time and in bounded memory. What cells mean is read elsewhere.
//!
//! ```text
//! format            the kinds of files, by extension
//! record objects    rows as cells of named columns, or as objects with any fields
//! row_reader        what all readers have in common
//! delimited dialect csv_rows swallowed
//!                   CSV and TSV: rows, delimiter and quotes, splitting, stray quotes
//! glue_rows         GLUE's own TSV files, which have no quoting
//! json json_items python_json
//!                   JSON: objects, lines or items of a list, what Python accepts
//! parquet parquet_values features
//!                   parquet: rows, values, names of classes
//! text_file content decode lines plain_text
//!                   text: compression and byte-order marks, other kinds of files, encodings, lines
//! columns scalar remarks row_error
//!                   names of columns, values as text, what is reported
//! ```

mod columns;
mod content;
mod csv_rows;
mod decode;
mod delimited;
mod dialect;
mod features;
mod format;
mod glue_rows;
mod json;
mod json_items;
mod lines;
mod objects;
mod parquet;
mod parquet_values;
mod plain_text;
mod python_json;
mod record;
mod remarks;
mod row_error;
mod row_reader;
mod scalar;
mod swallowed;
mod text_file;

pub(super) use columns::shortened;
pub(super) use features::class_label_names;
pub(super) use format::{Format, expect_file, extension};
pub use objects::{Object, Objects};
pub(super) use plain_text::read_text;
pub(super) use record::{Record, RecordColumns, Records};
pub use row_error::RowError;
pub use row_reader::FileNotes;

/// Limit on a row, in bytes. A longer one is a file of another kind.
const MAX_ROW: usize = 4 << 20;
