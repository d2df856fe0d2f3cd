//! Label columns: which class each label is.
//!
//! A label is a name. It is an index only where the data say so, and then for the whole column: the column is read first, and
//! its labels become classes when all of them are known.

mod resolve;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::Label;
use super::classes::{Classes, key};
use super::records::{RowError, shortened};
pub(super) use resolve::{ReadLabels, Reading, resolve};

/// Limit on the classes of a column. A column with more holds scores or texts.
const MAX_CLASSES: usize = 1000;

/// What is known about the labels of a column before it is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LabelRule {
    /// Classes; their names are the labels that occur.
    Collect,
    /// These classes, of which the data have the names or a number each. `origin` says where the names come from.
    Known { classes: Classes, numbers: Numbers, origin: &'static str },
    /// Numbers within a range.
    Scores(RangeInclusive<f32>),
}

/// What a number means where class names are known, and none of them is that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// An index, since the dataset is published so; -1 is an example without a label.
    Published,
    /// An index, or the place in numeric order: the user named the classes of a file of numbers.
    Named,
    /// [`Classes::numbers`] alone.
    Recorded,
}

/// The labels of one split, while it is read.
pub(super) struct LabelColumn {
    rule: LabelRule,
    /// The distinct labels, in order of appearance.
    distinct: Vec<FirstLabel>,
    /// The place of each in `distinct`, by key.
    places: HashMap<String, u32>,
}

/// A label where it occurs first.
struct FirstLabel {
    text: String,
    path: PathBuf,
    line: u64,
}

impl LabelColumn {
    pub fn new(rule: LabelRule) -> LabelColumn {
        LabelColumn { rule, distinct: Vec::new(), places: HashMap::new() }
    }

    /// Reads a trimmed cell. `None` means that the example has no label. A class is provisional until [`resolve`].
    pub fn read(&mut self, label: &str, path: &Path, line: u64) -> Result<Option<Label>, RowError> {
        if let LabelRule::Scores(range) = &self.rule {
            return score(label, range);
        }
        let key = key(label);
        if self.is_missing(&key) {
            return Ok(None);
        }
        if let Some(&place) = self.places.get(key.as_ref()) {
            return Ok(Some(Label::Class(place)));
        }
        let place = self.distinct.len() as u32;
        if self.distinct.len() == MAX_CLASSES {
            return Err(RowError::new(format!(
                "label \"{}\" is class number {}; is this the right column? Set data.regression = true if the labels are \
                 numbers to predict",
                shortened(label),
                MAX_CLASSES + 1
            )));
        }
        self.places.insert(key.into_owned(), place);
        self.distinct.push(FirstLabel { text: label.to_owned(), path: path.to_owned(), line });
        Ok(Some(Label::Class(place)))
    }

    /// An empty cell, the NaN that pandas writes for one, or the -1 of published datasets.
    fn is_missing(&self, key: &str) -> bool {
        match (&self.rule, key) {
            (_, "") => true,
            (LabelRule::Known { classes, .. }, key) if classes.names.iter().any(|name| name == key) => false,
            (_, "nan" | "NaN" | "<NA>") => true,
            (LabelRule::Known { numbers: Numbers::Published, .. }, "-1") => true,
            _ => false,
        }
    }

    fn keys(&self) -> impl Iterator<Item = String> + '_ {
        self.distinct.iter().map(|label| key(&label.text).into_owned())
    }
}

fn score(label: &str, range: &RangeInclusive<f32>) -> Result<Option<Label>, RowError> {
    match label.parse::<f32>() {
        _ if label.is_empty() => Ok(None),
        Ok(score) if score.is_nan() => Ok(None),
        Ok(score) if score.is_finite() && range.contains(&score) => Ok(Some(Label::Score(score))),
        Ok(score) if score.is_finite() => {
            Err(RowError::new(format!("score {label} is not within {} to {}", range.start(), range.end())))
        }
        _ => Err(RowError::new(format!("score \"{}\" is not a number", shortened(label)))),
    }
}
