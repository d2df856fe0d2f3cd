//! Rows that are left out of a dataset, counted by reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::Usage;

/// Line numbers listed for a reason.
const LINES_LISTED: usize = 5;

/// Distinct reasons per file. A message that quotes its row would be a reason of its own for every row.
const MAX_REASONS: usize = 20;

/// The rows of a split: how many were read, and how many of them were left out, by file and reason.
#[derive(Debug, Default)]
pub(super) struct RowCounts {
    rows: u64,
    left_out: BTreeMap<(PathBuf, String), FaultLines>,
}

/// How many rows have a fault, and the lines of the first of them.
#[derive(Debug, Default)]
pub(super) struct FaultLines {
    count: u64,
    first: Vec<u64>,
}

impl FaultLines {
    pub fn count_row(&mut self, line: u64) {
        self.count += 1;
        if self.first.len() < LINES_LISTED {
            self.first.push(line);
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// `1 row`, `2 rows`.
    pub fn rows(&self) -> String {
        format!("{} {}", self.count, if self.count == 1 { "row" } else { "rows" })
    }
}

impl RowCounts {
    /// Counts a row, whether it is used or not.
    pub fn count_row(&mut self) {
        self.rows += 1;
    }

    /// Counts a row that is left out. `reason` follows "rows skipped:", as in `no label`.
    pub fn leave_out(&mut self, path: &Path, reason: &str, line: u64) {
        let known = self.left_out.range((path.to_owned(), String::new())..).take_while(|((file, _), _)| file == path);
        let full = known.count() >= MAX_REASONS;
        let key = match (path.to_owned(), reason.to_owned()) {
            key if full && !self.left_out.contains_key(&key) => (key.0, "other reasons".to_owned()),
            key => key,
        };
        self.left_out.entry(key).or_default().count_row(line);
    }

    /// Rows that were left out.
    pub fn left_out(&self) -> u64 {
        self.left_out.values().map(|lines| lines.count).sum()
    }

    /// One sentence per file and reason: `train.csv: 2 rows skipped: no label (lines 3, 7)`.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |((path, reason), lines): (&(PathBuf, String), &FaultLines)| {
            format!("{}: {} skipped: {reason} ({lines})", path.display(), lines.rows())
        };
        self.left_out.iter().map(warning).collect()
    }

    /// Checks that enough rows are usable. `kind` ("training") and `path` are for the error.
    ///
    /// # Errors
    /// [`Usage`], with every reason: no usable row, or a larger fraction than `max_bad_rows` was left out.
    pub fn check(&self, kind: &str, path: &Path, max_bad_rows: f64) -> Result<()> {
        let (left_out, rows) = (self.left_out(), self.rows);
        let reasons = || {
            let reason = |((_, reason), lines): (&(PathBuf, String), &FaultLines)| {
                format!("{reason}: {} ({lines})", lines.rows())
            };
            self.left_out.iter().map(reason).collect::<Vec<_>>().join("; ")
        };
        if left_out == rows {
            let why = if rows == 0 { String::new() } else { format!("; every row was skipped, {}", reasons()) };
            bail!(Usage(format!("{}: no {kind} examples{why}", path.display())));
        }
        if left_out as f64 > max_bad_rows * rows as f64 {
            bail!(Usage(format!(
                "{}: {left_out} of {rows} {kind} rows cannot be used, more than data.max_bad_rows = {max_bad_rows} allows: \
                 {}. Correct the rows, or set a larger data.max_bad_rows to train without them",
                path.display(),
                reasons()
            )));
        }
        Ok(())
    }
}

impl std::fmt::Display for FaultLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers = self.first.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let more = if self.count > self.first.len() as u64 { ", …" } else { "" };
        let line = if self.count == 1 { "line" } else { "lines" };
        write!(f, "{line} {numbers}{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: u64, faults: &[(&str, u64)]) -> RowCounts {
        let mut counts = RowCounts::default();
        (0..rows).for_each(|_| counts.count_row());
        for (reason, line) in faults {
            counts.leave_out(Path::new("a.csv"), reason, *line);
        }
        counts
    }

    #[test]
    fn rows_are_counted_by_reason_with_their_first_lines() {
        let faults: Vec<(&str, u64)> = (2..9).map(|line| ("no label", line)).chain([("no text", 30)]).collect();
        let counts = counts(100, &faults);
        let expected =
            ["a.csv: 7 rows skipped: no label (lines 2, 3, 4, 5, 6, …)", "a.csv: 1 row skipped: no text (line 30)"];
        assert_eq!(counts.warnings(), expected);
        assert_eq!(counts.left_out(), 8);
        counts.check("training", Path::new("a.csv"), 0.1).unwrap();
    }

    #[test]
    fn too_many_bad_rows_are_an_error_with_the_reasons() {
        let check =
            |counts: RowCounts, most| counts.check("training", Path::new("a.csv"), most).unwrap_err().to_string();
        assert_eq!(
            check(counts(10, &[("no label", 2), ("no text", 3)]), 0.1),
            "a.csv: 2 of 10 training rows cannot be used, more than data.max_bad_rows = 0.1 allows: no label: 1 row (line 2); \
             no text: 1 row (line 3). Correct the rows, or set a larger data.max_bad_rows to train without them"
        );
        assert_eq!(check(counts(0, &[]), 1.0), "a.csv: no training examples");
        assert_eq!(
            check(counts(1, &[("no label", 2)]), 1.0),
            "a.csv: no training examples; every row was skipped, no label: 1 row (line 2)"
        );
        counts(10, &[("no label", 2)]).check("training", Path::new("a.csv"), 0.1).unwrap();
    }

    #[test]
    fn reasons_without_end_are_counted_together() {
        let reasons: Vec<String> = (0..1000).map(|number| format!("message {number}")).collect();
        let faults: Vec<(&str, u64)> = reasons.iter().map(|reason| (reason.as_str(), 1)).collect();
        let counts = counts(5000, &faults);
        assert_eq!((counts.warnings().len(), counts.left_out()), (MAX_REASONS + 1, 1000));
    }
}
