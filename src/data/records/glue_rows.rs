//! GLUE's own files: tab-separated without quoting, so that a row is a line.

use std::path::Path;

use anyhow::{Result, bail};

use super::columns::column_indices;
use super::decode::Decoding;
use super::lines::{LineBreak, Lines};
use super::record::{Record, RecordColumns};
use super::remarks::Remarks;
use super::row_reader::{ReaderState, RowReader};
use crate::Usage;

pub(super) struct GlueRows {
    lines: Lines,
    /// Columns of the file.
    count: usize,
    /// The columns to read.
    indices: Vec<usize>,
    remarks: Remarks,
}

impl GlueRows {
    pub fn open(path: &Path, columns: &RecordColumns<'_>) -> Result<GlueRows> {
        let mut lines = Lines::open(path, LineBreak::Feed)?;
        let (count, indices) = match *columns {
            RecordColumns::Indexed { count, indices } => (count, indices.to_vec()),
            RecordColumns::Named(names) => {
                let Some(header) = lines.next()? else {
                    bail!(Usage(format!("{}: the file is empty; expected a line of column names", path.display())));
                };
                let header: Vec<String> = String::from_utf8_lossy(header).split('\t').map(str::to_owned).collect();
                (header.len(), column_indices(path, &header, names)?)
            }
        };
        Ok(GlueRows { lines, count, indices, remarks: Remarks::default() })
    }
}

impl RowReader for GlueRows {
    type Row = Record;

    fn next(&mut self) -> Result<Option<Record>> {
        let encoding = self.lines.file.encoding;
        if self.lines.next()?.is_none() {
            return Ok(None);
        }
        let (line, number) = (self.lines.line(), self.lines.number);
        let decoding = Decoding::of(line);
        if let Some(remark) = decoding.remark(line, encoding) {
            self.remarks.note(remark, number);
        }
        let text = decoding.text(line);
        let fields: Vec<&str> = text.split('\t').collect();
        let cells = || self.indices.iter().map(|&index| Some(fields[index].to_owned())).collect();
        Ok(Some(Record { line: number, cells: (fields.len() == self.count).then(cells) }))
    }

    fn state(&self) -> ReaderState<'_> {
        self.lines.file.state(self.lines.file.storage(), &self.remarks)
    }
}
