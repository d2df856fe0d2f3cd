//! TSV without quoting, as GLUE is written, and CSV with it.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use csv::ByteRecord;

use super::lines::{Line, Lines};
use super::{LONGEST_ROW, Record, Records, Wanted, locate};
use crate::Usage;

/// Opens a tab-separated file. The `csv` crate is not asked: without quoting a row is a line, and [`Lines`] bounds it.
pub(super) fn tsv(path: &Path, wanted: &Wanted<'_>) -> Result<Records> {
    let mut lines = Lines::open(path)?;
    let (columns, at) = match *wanted {
        Wanted::Placed { columns, at } => (columns, at.to_vec()),
        Wanted::Named(names) => {
            let header = lines.next().ok_or_else(|| no_header(path))??;
            let header: Vec<String> = header.text.split('\t').map(str::to_owned).collect();
            (header.len(), locate(path, &header, names)?)
        }
    };
    let (done, total) = (lines.done.clone(), lines.total);
    let rows = lines.map(move |line| {
        let Line { number, text, repaired } = line?;
        let fields: Vec<&str> = text.split('\t').collect();
        let cells = (fields.len() == columns).then(|| at.iter().map(|&i| Some(fields[i].to_owned())).collect());
        Ok(Record { line: number, cells, repaired })
    });
    Ok(Records { path: path.to_owned(), rows: Box::new(rows), done, total, unit: "bytes" })
}

/// Opens a comma-separated file.
pub(super) fn csv(path: &Path, wanted: &Wanted<'_>) -> Result<Records> {
    let Wanted::Named(names) = wanted else { bail!("{}: a CSV file is read by column names", path.display()) };
    let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
    let total = file.metadata().with_context(|| format!("{}: cannot read", path.display()))?.len();
    let meter = Rc::new(Meter { read: Cell::new(0), allowed: Cell::new(LONGEST_ROW as u64) });
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .from_reader(Metered { inner: file, meter: meter.clone() });

    let mut row = ByteRecord::new();
    if !reader.read_byte_record(&mut row).map_err(|error| broken(path, 1, &error))? {
        return Err(no_header(path).into());
    }
    let header: Vec<String> = row.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect();
    let at = locate(path, &header, names)?;

    let (path, done) = (path.to_owned(), Rc::new(Cell::new(0)));
    let (rows_path, rows_done) = (path.clone(), done.clone());
    let mut ended = false;
    let rows = std::iter::from_fn(move || {
        if ended {
            return None;
        }
        meter.allowed.set(meter.read.get() + LONGEST_ROW as u64);
        let start = reader.position().line();
        match reader.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                ended = true;
                return Some(Err(broken(&rows_path, start, &error).into()));
            }
        }
        rows_done.set(meter.read.get());
        let line = row.position().map_or(start, csv::Position::line);
        let repaired = row.iter().any(|field| std::str::from_utf8(field).is_err());
        let cells = (row.len() == header.len())
            .then(|| at.iter().map(|&i| Some(String::from_utf8_lossy(&row[i]).into_owned())).collect());
        Some(Ok(Record { line, cells, repaired }))
    });
    Ok(Records { path, rows: Box::new(rows), done, total, unit: "bytes" })
}

/// Bytes read from a file, and how many may be until the next row is complete.
struct Meter {
    read: Cell<u64>,
    allowed: Cell<u64>,
}

/// A file that refuses to be read on past what the meter allows: the `csv` crate would hold all that follows an
/// unclosed quote.
struct Metered {
    inner: File,
    meter: Rc<Meter>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.read.get() >= self.meter.allowed.get() {
            return Err(io::Error::other(format!(
                "the row is longer than {} MiB; is a quote not closed?",
                LONGEST_ROW >> 20
            )));
        }
        let read = self.inner.read(buffer)?;
        self.meter.read.set(self.meter.read.get() + read as u64);
        Ok(read)
    }
}

fn no_header(path: &Path) -> Usage {
    Usage(format!("{}: the file is empty; expected a line of column names", path.display()))
}

fn broken(path: &Path, line: u64, error: &csv::Error) -> Usage {
    Usage(format!("{}:{line}: {error}", path.display()))
}
