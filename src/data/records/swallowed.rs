//! Rows that a stray quote swallows: it opens in one row, and the next stray quote closes it rows later.
//!
//! The field between them may as well be a text of several lines. What tells it from one is a column of few values, such as
//! labels: if the lines of the field have known values in their place, they are rows.

use std::collections::HashSet;

use super::delimited::TableRow;

/// Limit on the values of a column. One with more holds texts.
const MAX_VALUES: usize = 1000;

/// Limit on the fields that are remembered. One is enough for an error.
const MAX_SUSPECTS: usize = 100;

/// Looks for swallowed rows in some columns of a table.
pub(super) struct SwallowedRows {
    columns: Vec<ColumnValues>,
    suspects: Vec<Suspect>,
}

/// The values of a column.
struct ColumnValues {
    column: usize,
    /// `None` of a column with too many.
    values: Option<HashSet<String>>,
}

/// A quoted field whose lines look like rows.
struct Suspect {
    line: u64,
    /// The values that its lines have in each of the columns.
    cells: Vec<Vec<String>>,
}

impl SwallowedRows {
    pub fn new(columns: &[usize]) -> SwallowedRows {
        let columns = columns.iter().map(|&column| ColumnValues { column, values: Some(HashSet::new()) }).collect();
        SwallowedRows { columns, suspects: Vec::new() }
    }

    /// Takes note of a row.
    pub fn watch(&mut self, row: &TableRow<'_>) {
        if row.is_complete() {
            self.note_values(row);
        }
        if let Some(enclosed) = row.enclosed.as_ref().filter(|_| self.suspects.len() < MAX_SUSPECTS) {
            let cells = |values: &ColumnValues| {
                enclosed.cells(values.column).map(|cell| row.text(cell).into_owned()).collect::<Vec<_>>()
            };
            self.suspects.push(Suspect { line: row.line, cells: self.columns.iter().map(cells).collect() });
        }
    }

    fn note_values(&mut self, row: &TableRow<'_>) {
        for ColumnValues { column, values } in &mut self.columns {
            let Some(known) = values else { continue };
            let cell = row.cell(*column);
            if !known.contains(cell.as_ref()) {
                known.insert(cell.into_owned());
            }
            if known.len() > MAX_VALUES {
                *values = None;
            }
        }
    }

    /// The line of a row whose quoted field holds rows, once all rows are read.
    pub fn found(&self) -> Option<u64> {
        let known = |(values, cells): (&ColumnValues, &Vec<String>)| {
            let values = values.values.as_ref();
            !cells.is_empty() && values.is_some_and(|values| cells.iter().all(|cell| values.contains(cell)))
        };
        let swallows = |suspect: &&Suspect| self.columns.iter().zip(&suspect.cells).any(known);
        self.suspects.iter().find(swallows).map(|suspect| suspect.line)
    }
}
