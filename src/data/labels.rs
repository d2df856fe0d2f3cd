//! Reads label columns: class names, class indices and scores.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::records::{RowError, shortened};
use super::{Label, LabelSet};

/// Limit on the classes of a column. A column with more holds scores or texts.
const MAX_CLASSES: usize = 1000;

/// Reads labels, and collects the classes where they are not given.
pub(super) enum LabelReader {
    /// These classes, by name or by index.
    Known(Vec<String>),
    /// The classes that occur in the file, numbered in order of appearance.
    Collecting { names: Vec<String>, indices: HashMap<String, u32> },
    /// Numbers within a range.
    Scores(RangeInclusive<f32>),
}

impl LabelReader {
    /// For a file whose classes are not known beforehand.
    pub fn collecting() -> LabelReader {
        LabelReader::Collecting { names: Vec::new(), indices: HashMap::new() }
    }

    /// Reads a trimmed, non-empty cell. `None` is the hub's -1: the example has no label.
    pub fn read(&mut self, label: &str) -> Result<Option<Label>, RowError> {
        match self {
            LabelReader::Known(names) => known(names, label),
            LabelReader::Collecting { names, indices } => {
                if let Some(&index) = indices.get(label) {
                    return Ok(Some(Label::Class(index)));
                }
                if names.len() == MAX_CLASSES {
                    return Err(RowError::new(format!(
                        "label \"{}\" is class number {}; is this the right column? Set data.regression = true if \
                         the labels are numbers to predict",
                        shortened(label),
                        MAX_CLASSES + 1
                    )));
                }
                let index = names.len() as u32;
                names.push(label.to_owned());
                indices.insert(label.to_owned(), index);
                Ok(Some(Label::Class(index)))
            }
            LabelReader::Scores(range) => match label.parse::<f32>() {
                Ok(score) if score.is_finite() && range.contains(&score) => Ok(Some(Label::Score(score))),
                Ok(score) if score.is_finite() => {
                    Err(RowError::new(format!("score {label} is not within {} to {}", range.start(), range.end())))
                }
                _ => Err(RowError::new(format!("score \"{}\" is not a number", shortened(label)))),
            },
        }
    }

    /// The label set; where the classes were collected also the final index of each class, by its index while reading.
    pub fn finish(self) -> (LabelSet, Option<Vec<u32>>) {
        match self {
            LabelReader::Known(names) => (LabelSet::Classes(names), None),
            LabelReader::Scores(_) => (LabelSet::Regression, None),
            LabelReader::Collecting { mut names, indices } => {
                // Sorted as numbers where all are numbers: 9 before 10.
                match names.iter().map(|name| name.parse::<i64>()).collect::<Result<Vec<_>, _>>() {
                    Ok(_) => names.sort_by_key(|name| (name.parse::<i64>().ok(), name.clone())),
                    Err(_) => names.sort(),
                }
                let mut renumbered = vec![0; names.len()];
                for (index, name) in (0..).zip(&names) {
                    renumbered[indices[name] as usize] = index;
                }
                (LabelSet::Classes(names), Some(renumbered))
            }
        }
    }
}

fn known(names: &[String], label: &str) -> Result<Option<Label>, RowError> {
    if let Some(index) = names.iter().position(|name| name == label) {
        return Ok(Some(Label::Class(index as u32)));
    }
    // The hub stores classes as indices. Where names are numbers, an index would be ambiguous.
    let by_index = names.iter().all(|name| name.parse::<i64>().is_err());
    match label.parse::<i64>() {
        Ok(-1) if by_index => Ok(None),
        Ok(index) if by_index && (0..names.len() as i64).contains(&index) => Ok(Some(Label::Class(index as u32))),
        _ => {
            let shown = names.iter().take(20).map(|name| shortened(name)).collect::<Vec<_>>().join(", ");
            let more = if names.len() > 20 { ", …" } else { "" };
            let label = shortened(label);
            Err(RowError::new(match by_index {
                true => format!("unknown label \"{label}\"; expected 0 to {} ({shown}{more})", names.len() - 1),
                false => format!("unknown label \"{label}\"; expected {shown}{more}"),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_by_name_and_by_index() {
        let mut reader = LabelReader::Known(vec!["entailment".into(), "not_entailment".into()]);
        assert_eq!(reader.read("not_entailment"), Ok(Some(Label::Class(1))));
        assert_eq!(reader.read("0"), Ok(Some(Label::Class(0))));
        assert_eq!(reader.read("-1"), Ok(None));
        assert_eq!(
            reader.read("2"),
            Err(RowError::new("unknown label \"2\"; expected 0 to 1 (entailment, not_entailment)"))
        );
    }

    #[test]
    fn a_number_is_a_name_where_class_names_are_numbers() {
        let mut reader = LabelReader::Known(vec!["1".into(), "0".into()]);
        assert_eq!(reader.read("1"), Ok(Some(Label::Class(0))));
        assert!(reader.read("-1").is_err());
    }

    #[test]
    fn collected_classes_that_are_numbers_are_sorted_as_numbers() {
        let mut reader = LabelReader::collecting();
        for label in ["10", "9", "-1"] {
            reader.read(label).unwrap();
        }
        let (labels, renumbered) = reader.finish();
        assert_eq!(labels, LabelSet::Classes(vec!["-1".into(), "9".into(), "10".into()]));
        assert_eq!(renumbered, Some(vec![2, 1, 0]));
    }

    #[test]
    fn scores_outside_the_range_are_errors() {
        let mut reader = LabelReader::Scores(0.0..=5.0);
        assert_eq!(reader.read("3.800"), Ok(Some(Label::Score(3.8))));
        for label in ["5.1", "nan", "inf", "five"] {
            assert!(reader.read(label).is_err(), "{label}");
        }
    }
}
