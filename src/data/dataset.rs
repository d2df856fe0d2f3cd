//! Labelled examples with their labels and splits.

use super::classes::Classes;
use crate::metrics::Metrics;

/// A labelled text.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The text, or the first text of a pair.
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
    pub label: Label,
}

/// The label of an example. All labels of a dataset are of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Label {
    /// Index of the class in [`LabelSet::Classes`].
    Class(u32),
    /// A finite number to regress to.
    Score(f32),
}

impl Label {
    /// The index of the class, or the number.
    pub fn number(self) -> f64 {
        match self {
            Label::Class(class) => f64::from(class),
            Label::Score(score) => f64::from(score),
        }
    }
}

/// The labels a dataset uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSet {
    /// Classes, by index.
    Classes(Classes),
    /// Numbers.
    Regression,
}

impl LabelSet {
    /// `num_labels` of the classification head: one logit per class, or one for regression.
    pub fn count(&self) -> usize {
        match self {
            LabelSet::Classes(classes) => classes.names.len(),
            LabelSet::Regression => 1,
        }
    }

    /// The metrics of the user's own data: GLUE tasks have their own.
    pub fn metrics(&self) -> Metrics {
        match self {
            LabelSet::Classes(classes) if classes.names.len() == 2 => Metrics::AccuracyAndF1,
            LabelSet::Classes(_) => Metrics::AccuracyAndMacroF1,
            LabelSet::Regression => Metrics::Correlations,
        }
    }
}

/// A held-out set.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// `validation`; MNLI has `validation_matched` and `validation_mismatched`.
    pub name: String,
    /// At least one.
    pub examples: Vec<Example>,
}

/// A labelled dataset with its held-out sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The task's id, or the name of the training file without its extension.
    pub name: String,
    pub labels: LabelSet,
    /// The metrics an evaluation reports.
    pub metrics: Metrics,
    /// At least one, in the file's order.
    pub train: Vec<Example>,
    /// At least one.
    pub eval: Vec<Split>,
    /// How the files were understood: a line for the log each, the labels first.
    pub notes: Vec<String>,
    /// Skipped rows, replaced bytes, and labels that may be meant otherwise: a sentence each.
    pub warnings: Vec<String>,
}
