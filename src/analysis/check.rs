//! What every report must hold for its figures to be drawn and its files to be written.

use std::collections::HashSet;
use std::fmt;

use super::report::Report;
use crate::figure::{Figure, Plot};

/// A report that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The figure or table.
    name: String,
    what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {}", self.name, self.what)
    }
}

impl std::error::Error for Malformed {}

impl Report {
    /// Checks names and lengths.
    ///
    /// # Errors
    /// The first figure or table that contradicts itself.
    pub fn check(&self) -> Result<(), Malformed> {
        let bad = |name: &str, what| Err(Malformed { name: name.to_owned(), what });
        let mut names = HashSet::from(["report"]);
        let figures = self.figures.iter().map(|figure| figure.name.as_str());
        for name in figures.chain(self.tables.iter().map(|table| table.name.as_str())) {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return bad(name, "a name has lower-case letters, digits and _ only");
            }
            if !names.insert(name) {
                return bad(name, "a second figure or table of this name");
            }
        }
        for figure in &self.figures {
            if let Err(what) = check_plot(figure) {
                return bad(&figure.name, what);
            }
        }
        for table in &self.tables {
            if table.rows.iter().any(|row| row.len() != table.columns.len()) {
                return bad(&table.name, "a row has not as many cells as there are columns");
            }
        }
        Ok(())
    }
}

fn check_plot(figure: &Figure) -> Result<(), &'static str> {
    let holds = match &figure.plot {
        Plot::Curves(curves) => curves.iter().all(|curve| {
            let points = curve.points.len();
            curve.band.as_ref().is_none_or(|band| band.low.len() == points && band.high.len() == points)
        }),
        Plot::Histograms(histograms) => {
            histograms.iter().all(|histogram| histogram.edges.len() == histogram.counts.len() + 1)
        }
        Plot::HeatMap(map) => map.values.len() == map.xs.len() * map.ys.len(),
        Plot::Points(_) | Plot::Rows(_) => true,
    };
    if holds { Ok(()) } else { Err("values and places differ in number") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples;

    #[test]
    fn names_and_lengths_are_checked() {
        let changed = |change: fn(&mut Report)| {
            let mut report = samples::report();
            change(&mut report);
            report.check().map_err(|error| error.to_string())
        };
        assert_eq!(changed(|_| {}), Ok(()));
        assert!(changed(|report| report.figures[0].name = "../x".into()).unwrap_err().contains("lower-case"));
        assert!(changed(|report| report.figures[0].name = "report".into()).unwrap_err().contains("a second"));
        assert!(changed(|report| report.tables[0].rows[0].truncate(1)).unwrap_err().contains("cells"));
        let map = |report: &mut Report| {
            let Plot::HeatMap(map) = &mut report.figures[2].plot else { panic!("no heat map") };
            map.values.pop();
        };
        assert!(changed(map).unwrap_err().contains("differ in number"));
    }
}
