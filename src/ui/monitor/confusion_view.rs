//! The cursor of the confusion matrix, and the cell that the examples are filtered by.

use std::borrow::Cow;

use crate::protocol::{Confusion, ExamplePrediction, Examples};
use crate::runs::History;

/// The cursor of the confusion matrix, and the filter of the examples.
#[derive(Default)]
pub struct ConfusionView {
    /// Whether keys move the cursor of the matrix rather than that of the examples.
    pub(super) focused: bool,
    /// Row of the cursor: the label.
    pub(super) label: usize,
    /// Column of the cursor: the predicted class.
    pub(super) predicted: usize,
    pub(super) filter: Option<CellFilter>,
}

/// A cell of the matrix, by the names of its classes: a later evaluation may list others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CellFilter {
    pub label: String,
    pub predicted: String,
}

/// The matrix that can be shown of a run.
pub(super) struct Matrix<'a> {
    pub confusion: Cow<'a, Confusion>,
    /// Whether it counts only the examples that are listed: runs of earlier versions recorded no matrix.
    pub listed_only: bool,
}

impl CellFilter {
    pub fn accepts(&self, example: &ExamplePrediction) -> bool {
        example.label == self.label && example.prediction == self.predicted
    }
}

impl ConfusionView {
    /// Whether there is something for esc to undo.
    pub(super) fn is_active(&self) -> bool {
        self.focused || self.filter.is_some()
    }

    /// Undoes the filter; without one, goes back to the examples.
    pub(super) fn back(&mut self) {
        if self.filter.take().is_none() {
            self.focused = false;
        }
    }

    /// The examples that pass the filter.
    pub(super) fn examples<'a>(&self, run: &'a History) -> Vec<&'a ExamplePrediction> {
        let all = run.examples.iter().flat_map(|examples| &examples.examples);
        all.filter(|example| self.filter.as_ref().is_none_or(|filter| filter.accepts(example))).collect()
    }

    /// Filters by the cell under the cursor; by no cell if that is the filter already.
    pub(super) fn toggle_filter(&mut self, matrix: &Confusion) {
        let cell = self.cell(matrix);
        self.filter = if self.filter == cell { None } else { cell };
    }

    /// Lets an active filter follow the cursor.
    pub(super) fn follow(&mut self, matrix: &Confusion) {
        if self.filter.is_some() {
            self.filter = self.cell(matrix);
        }
    }

    /// The cell under the cursor.
    pub(super) fn cell(&self, matrix: &Confusion) -> Option<CellFilter> {
        let name = |index: usize| matrix.classes.get(index).cloned();
        Some(CellFilter { label: name(self.label)?, predicted: name(self.predicted)? })
    }
}

impl Matrix<'_> {
    /// The matrix of the latest evaluation; `None` for regression, before an evaluation, and without classes to show.
    pub fn of(run: &History) -> Option<Matrix<'_>> {
        let examples = run.examples.as_ref().filter(|examples| examples.wrong.is_some())?;
        let matrix = match &examples.confusion {
            Some(confusion) => Matrix { confusion: Cow::Borrowed(confusion), listed_only: false },
            None => Matrix { confusion: Cow::Owned(of_listed(examples)), listed_only: true },
        };
        (!matrix.confusion.classes.is_empty()).then_some(matrix)
    }
}

/// The matrix of the examples that are listed.
fn of_listed(examples: &Examples) -> Confusion {
    let listed = &examples.examples;
    let mut classes: Vec<String> =
        listed.iter().flat_map(|example| [&example.label, &example.prediction]).cloned().collect();
    classes.sort_unstable();
    classes.dedup();
    let count = |label: &String, predicted: &String| {
        listed.iter().filter(|example| example.label == *label && example.prediction == *predicted).count() as u64
    };
    let row = |label| classes.iter().map(|predicted| count(label, predicted)).collect::<Vec<u64>>();
    let counts: Vec<Vec<u64>> = classes.iter().map(row).collect();
    let labelled = counts.iter().map(|row| row.iter().sum()).collect();
    Confusion { of: classes.len() as u64, classes, counts, labelled }
}
