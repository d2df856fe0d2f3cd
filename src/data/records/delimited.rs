//! TSV without quoting, as GLUE uses it, and CSV.

use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use csv::ByteRecord;

use super::lines::{Lines, TextLine};
use super::metered::{ByteMeter, MeteredFile};
use super::{MAX_ROW, Record, RecordColumns, Records, column_indices};
use crate::Usage;

/// Opens a tab-separated file. Without quoting a row is a line, whose length [`Lines`] limits, so the `csv` crate is not
/// needed.
pub(super) fn tsv(path: &Path, columns: &RecordColumns<'_>) -> Result<Records> {
    let mut lines = Lines::open(path)?;
    let (count, indices) = match *columns {
        RecordColumns::Indexed { count, indices } => (count, indices.to_vec()),
        RecordColumns::Named(names) => {
            let header = lines.next().ok_or_else(|| no_header(path))??;
            let header: Vec<String> = header.text.split('\t').map(str::to_owned).collect();
            (header.len(), column_indices(path, &header, names)?)
        }
    };
    let (done, total) = (lines.done.clone(), lines.total);
    let rows = lines.map(move |line| {
        let TextLine { number, text, repaired } = line?;
        let fields: Vec<&str> = text.split('\t').collect();
        let cells = (fields.len() == count).then(|| indices.iter().map(|&i| Some(fields[i].to_owned())).collect());
        Ok(Record { line: number, cells, repaired })
    });
    Ok(Records { path: path.to_owned(), rows: Box::new(rows), done, total, unit: "bytes" })
}

/// Opens a comma-separated file.
pub(super) fn csv(path: &Path, columns: &RecordColumns<'_>) -> Result<Records> {
    let RecordColumns::Named(names) = columns else { bail!("{}: a CSV file is read by column names", path.display()) };
    let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
    let total = file.metadata().with_context(|| format!("{}: cannot read", path.display()))?.len();
    let meter =
        ByteMeter::new(MAX_ROW as u64, format!("the row is longer than {} MiB; is a quote not closed?", MAX_ROW >> 20));
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(MeteredFile::new(file, meter.clone()));

    let mut row = ByteRecord::new();
    if !reader.read_byte_record(&mut row).map_err(|error| broken(path, 1, &error))? {
        return Err(no_header(path).into());
    }
    let header: Vec<String> = row.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect();
    let indices = column_indices(path, &header, names)?;

    let (path, done) = (path.to_owned(), Rc::new(Cell::new(0)));
    let (rows_path, rows_done) = (path.clone(), done.clone());
    let mut ended = false;
    let rows = std::iter::from_fn(move || {
        if ended {
            return None;
        }
        meter.next_item();
        let start = reader.position().line();
        match reader.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                ended = true;
                return Some(Err(broken(&rows_path, start, &error).into()));
            }
        }
        rows_done.set(meter.bytes());
        let line = row.position().map_or(start, csv::Position::line);
        let repaired = row.iter().any(|field| std::str::from_utf8(field).is_err());
        let cells = (row.len() == header.len())
            .then(|| indices.iter().map(|&i| Some(String::from_utf8_lossy(&row[i]).into_owned())).collect());
        Some(Ok(Record { line, cells, repaired }))
    });
    Ok(Records { path, rows: Box::new(rows), done, total, unit: "bytes" })
}

fn no_header(path: &Path) -> Usage {
    Usage(format!("{}: the file is empty; expected a line of column names", path.display()))
}

fn broken(path: &Path, line: u64, error: &csv::Error) -> Usage {
    Usage(format!("{}:{line}: {error}", path.display()))
}
