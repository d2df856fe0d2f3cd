//! Rows that a stray quote swallows: it opens in one row, and the next stray quote closes it rows later.
//!
//! The field between them may as well be a text of several lines. What tells it from one is a column of few values, such as
//! labels: if the lines of the field have known values in their place, they are rows.

use std::collections::HashSet;

use anyhow::Result;

use super::delimited::{Table, TableRow};

/// Limit on the values of a column. One with more holds texts.
const MAX_VALUES: usize = 1000;

/// Limit on the fields that are remembered. One is enough for an error.
const MAX_SUSPECTS: usize = 100;

/// Quoted fields whose lines look like rows.
pub(super) struct SwallowedRows {
    columns: Vec<usize>,
    suspects: Vec<Suspect>,
}

struct Suspect {
    line: u64,
    /// The values that its lines have in each of the columns.
    cells: Vec<Vec<String>>,
}

impl SwallowedRows {
    /// `columns` are those whose values tell rows from text.
    pub fn new(columns: &[usize]) -> SwallowedRows {
        SwallowedRows { columns: columns.to_vec(), suspects: Vec::new() }
    }

    /// Takes note of a row that may enclose others.
    pub fn watch(&mut self, row: &TableRow<'_>) {
        if let Some(enclosed) = row.enclosed.as_ref().filter(|_| self.suspects.len() < MAX_SUSPECTS) {
            let cells =
                |column: &usize| enclosed.cells(*column).map(|cell| row.text(cell).into_owned()).collect::<Vec<_>>();
            self.suspects.push(Suspect { line: row.line, cells: self.columns.iter().map(cells).collect() });
        }
    }

    /// The line of a row whose quoted field holds rows. The table is read once more where a row may.
    pub fn find(&self, table: &Table) -> Result<Option<u64>> {
        if self.suspects.is_empty() {
            return Ok(None);
        }
        let values = self.values(table.reopen()?)?;
        let known = |(values, cells): (&Option<HashSet<String>>, &Vec<String>)| {
            !cells.is_empty() && values.as_ref().is_some_and(|values| cells.iter().all(|cell| values.contains(cell)))
        };
        let swallows = |suspect: &&Suspect| values.iter().zip(&suspect.cells).any(known);
        Ok(self.suspects.iter().find(swallows).map(|suspect| suspect.line))
    }

    /// The values of each column in complete rows; `None` of a column with too many.
    fn values(&self, mut table: Table) -> Result<Vec<Option<HashSet<String>>>> {
        let mut all = vec![Some(HashSet::new()); self.columns.len()];
        while let Some(row) = table.next()? {
            if !row.is_complete() {
                continue;
            }
            for (column, values) in self.columns.iter().zip(&mut all) {
                let Some(known) = values else { continue };
                known.insert(row.cell(*column).into_owned());
                if known.len() > MAX_VALUES {
                    *values = None;
                }
            }
        }
        Ok(all)
    }
}
