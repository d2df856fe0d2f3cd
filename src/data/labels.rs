//! From what a label column holds to classes and scores.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::records::shortened;
use super::{Labels, Target};

/// The most classes found in a column. More of them are scores or texts taken for classes.
const MOST_CLASSES: usize = 1000;

/// Reads labels, and learns the classes where they are not known beforehand.
pub(super) enum LabelReader {
    /// These classes, by name or by index.
    Known(Vec<String>),
    /// Whatever there is, numbered as it comes.
    Found { names: Vec<String>, indices: HashMap<String, u32> },
    /// Numbers within a range.
    Scores(RangeInclusive<f32>),
}

impl LabelReader {
    /// For classes that are yet to be found.
    pub fn finding() -> LabelReader {
        LabelReader::Found { names: Vec::new(), indices: HashMap::new() }
    }

    /// The target a trimmed, non-empty label stands for; `None` for the hub's -1, which says that there is no label.
    /// Otherwise what is wrong with it.
    pub fn read(&mut self, label: &str) -> Result<Option<Target>, String> {
        match self {
            LabelReader::Known(names) => known(names, label),
            LabelReader::Found { names, indices } => {
                if let Some(&index) = indices.get(label) {
                    return Ok(Some(Target::Class(index)));
                }
                if names.len() == MOST_CLASSES {
                    return Err(format!(
                        "label \"{}\" is class number {}; is it the right column? Numbers are learnt as scores where \
                         the target is regression",
                        shortened(label),
                        MOST_CLASSES + 1
                    ));
                }
                let index = names.len() as u32;
                names.push(label.to_owned());
                indices.insert(label.to_owned(), index);
                Ok(Some(Target::Class(index)))
            }
            LabelReader::Scores(range) => match label.parse::<f32>() {
                Ok(score) if score.is_finite() && range.contains(&score) => Ok(Some(Target::Score(score))),
                Ok(score) if score.is_finite() => {
                    Err(format!("score {label} is not within {} to {}", range.start(), range.end()))
                }
                _ => Err(format!("score \"{}\" is not a number", shortened(label))),
            },
        }
    }

    /// The labels, and for each class as it was numbered while reading the index it has among them.
    pub fn finish(self) -> (Labels, Option<Vec<u32>>) {
        match self {
            LabelReader::Known(names) => (Labels::Classes(names), None),
            LabelReader::Scores(_) => (Labels::Regression, None),
            LabelReader::Found { mut names, indices } => {
                // 10 follows 9 where all are numbers.
                match names.iter().map(|name| name.parse::<i64>()).collect::<Result<Vec<_>, _>>() {
                    Ok(_) => names.sort_by_key(|name| (name.parse::<i64>().ok(), name.clone())),
                    Err(_) => names.sort(),
                }
                let mut renumbered = vec![0; names.len()];
                for (index, name) in (0..).zip(&names) {
                    renumbered[indices[name] as usize] = index;
                }
                (Labels::Classes(names), Some(renumbered))
            }
        }
    }
}

fn known(names: &[String], label: &str) -> Result<Option<Target>, String> {
    if let Some(index) = names.iter().position(|name| name == label) {
        return Ok(Some(Target::Class(index as u32)));
    }
    // The hub stores classes as indices. Where a name is itself a number, an index would be ambiguous.
    let by_index = names.iter().all(|name| name.parse::<i64>().is_err());
    match label.parse::<i64>() {
        Ok(-1) if by_index => Ok(None),
        Ok(index) if by_index && (0..names.len() as i64).contains(&index) => Ok(Some(Target::Class(index as u32))),
        _ => {
            let shown = names.iter().take(20).map(|name| shortened(name)).collect::<Vec<_>>().join(", ");
            let more = if names.len() > 20 { ", …" } else { "" };
            let label = shortened(label);
            Err(match by_index {
                true => format!("label \"{label}\" is none of 0 to {} ({shown}{more})", names.len() - 1),
                false => format!("label \"{label}\" is none of {shown}{more}"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_by_name_and_by_index() {
        let mut reader = LabelReader::Known(vec!["entailment".into(), "not_entailment".into()]);
        assert_eq!(reader.read("not_entailment"), Ok(Some(Target::Class(1))));
        assert_eq!(reader.read("0"), Ok(Some(Target::Class(0))));
        assert_eq!(reader.read("-1"), Ok(None));
        assert_eq!(reader.read("2"), Err("label \"2\" is none of 0 to 1 (entailment, not_entailment)".to_owned()));
    }

    #[test]
    fn a_numeric_name_is_a_name() {
        let mut reader = LabelReader::Known(vec!["1".into(), "0".into()]);
        assert_eq!(reader.read("1"), Ok(Some(Target::Class(0))));
        assert!(reader.read("-1").is_err());
    }

    #[test]
    fn found_numbers_are_sorted_as_numbers() {
        let mut reader = LabelReader::finding();
        for label in ["10", "9", "-1"] {
            reader.read(label).unwrap();
        }
        let (labels, renumbered) = reader.finish();
        assert_eq!(labels, Labels::Classes(vec!["-1".into(), "9".into(), "10".into()]));
        assert_eq!(renumbered, Some(vec![2, 1, 0]));
    }

    #[test]
    fn scores_stay_in_their_range() {
        let mut reader = LabelReader::Scores(0.0..=5.0);
        assert_eq!(reader.read("3.800"), Ok(Some(Target::Score(3.8))));
        for label in ["5.1", "nan", "inf", "five"] {
            assert!(reader.read(label).is_err(), "{label}");
        }
    }
}
