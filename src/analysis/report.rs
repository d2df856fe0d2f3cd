//! The result of an analysis.

use serde::{Deserialize, Serialize};

use crate::figure::Figure;

/// What an analysis found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The analysis: `gradients`, `landscape`, `bound`.
    pub kind: String,
    /// One line: what was analysed, such as `MiniLM on MRPC`.
    pub subject: String,
    /// The results in sentences, the most telling first.
    pub findings: Vec<String>,
    /// How it was computed, and every assumption that a reader needs to judge it.
    pub notes: Vec<String>,
    /// Tables of numbers.
    pub tables: Vec<Table>,
    /// Plots.
    pub figures: Vec<Figure>,
}

/// A table of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Names its file, as a figure's name does.
    pub name: String,
    /// One line above it.
    pub title: String,
    /// Names of the columns, with units.
    pub columns: Vec<String>,
    /// The cells of each row, as many as columns, as text with sensible digits.
    pub rows: Vec<Vec<String>>,
}
