//! Every step with what was measured at it, for exports.

use std::collections::BTreeMap;

use crate::protocol::{Eval, Step};

/// What was measured at a step.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Training time in seconds.
    pub elapsed: f64,
    pub step: Option<Step>,
    /// Gradient mass covered, in percent.
    pub mass: Option<f64>,
    pub eval: Option<Eval>,
}

/// Rows by step.
#[derive(Clone, Debug, Default)]
pub struct Rows(BTreeMap<u64, Row>);

impl Rows {
    /// The rows in the order of their steps; their times never decrease.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Row)> {
        self.0.iter().map(|(step, row)| (*step, row))
    }

    /// Training time at the last row.
    pub(super) fn elapsed(&self) -> f64 {
        self.0.values().next_back().map_or(0.0, |row| row.elapsed)
    }

    /// The row of a step. The first measurement of a step sets its time.
    pub(super) fn at(&mut self, step: u64, elapsed: f64) -> &mut Row {
        self.0.entry(step).or_insert_with(|| Row { elapsed, ..Row::default() })
    }

    pub(super) fn rewind(&mut self, step: u64) {
        self.0.retain(|of, _| *of <= step);
    }
}
