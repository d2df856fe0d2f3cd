//! The parts of a report, which are shown one at a time: figures first, then tables, the findings and the notes.

use crate::analysis::Report;

/// A part of a report, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Figure(usize),
    Table(usize),
    Findings,
    Notes,
}

impl Part {
    /// The parts that a report has, in their order.
    pub fn all(report: &Report) -> Vec<Part> {
        let figures = (0..report.figures.len()).map(Part::Figure);
        let tables = (0..report.tables.len()).map(Part::Table);
        let texts = [(Part::Findings, &report.findings), (Part::Notes, &report.notes)];
        let texts = texts.into_iter().filter(|(_, lines)| !lines.is_empty()).map(|(part, _)| part);
        figures.chain(tables).chain(texts).collect()
    }

    /// The name of the figure or table, which stays the same while a report fills.
    pub fn name(self, report: &Report) -> Option<&str> {
        match self {
            Part::Figure(number) => report.figures.get(number).map(|figure| figure.name.as_str()),
            Part::Table(number) => report.tables.get(number).map(|table| table.name.as_str()),
            Part::Findings => Some("findings"),
            Part::Notes => Some("notes"),
        }
    }
}
