//! The splits of a labelled dataset, once the labels of all of them are known.

use super::examples::CollectedExamples;
use super::labels::{ReadLabels, Reading, resolve};
use super::records::FileNotes;
use super::{Example, Label, LabelSet};
use crate::Usage;

/// The examples of each split, in the order they were read, with their final labels.
pub(super) struct Splits {
    pub labels: LabelSet,
    pub splits: Vec<Vec<Example>>,
    pub reading: Reading,
    pub notes: FileNotes,
}

impl Splits {
    /// Resolves the labels. The training set comes first.
    ///
    /// # Errors
    /// [`Usage`] with file and line: a label that is no class.
    pub fn of(collected: Vec<CollectedExamples>) -> Result<Splits, Usage> {
        let (mut columns, mut splits, mut notes) = (Vec::new(), Vec::new(), FileNotes::default());
        for split in collected {
            columns.push(split.labels);
            splits.push(split.examples);
            notes.extend(split.notes);
        }
        let read = resolve(&columns)?;
        for (column, examples) in splits.iter_mut().enumerate() {
            for example in examples {
                example.label = read.label(column, example.label);
            }
        }
        let ReadLabels { labels, reading, warnings: doubts, .. } = read;
        notes.warnings.extend(doubts);
        Ok(Splits { labels, reading, splits, notes })
    }

    /// One line for the log: `labels: negative (0), positive (1) from data.labels; train.csv has indices`. `names` says where
    /// the names come from, and `files` which files have the labels.
    pub fn note(&self, names: &str, files: &str) -> String {
        let LabelSet::Classes(classes) = &self.labels else {
            return format!("labels: numbers from {names} (regression)");
        };
        let reading = match self.reading {
            Reading::Names => "the names".to_owned(),
            Reading::Indices => "their indices".to_owned(),
            Reading::Numbers => classes.numbers.join(", "),
        };
        format!("labels: {} from {names}; {files} has {reading}", classes.describe())
    }
}

/// A warning about classes that no training example has.
pub(super) fn without_examples(labels: &LabelSet, examples: &[Example]) -> Option<String> {
    let LabelSet::Classes(classes) = labels else { return None };
    let mut counts = vec![0_u64; classes.names.len()];
    for example in examples {
        if let Label::Class(class) = example.label {
            counts[class as usize] += 1;
        }
    }
    let absent: Vec<&str> =
        counts.iter().zip(&classes.names).filter(|(count, _)| **count == 0).map(|(_, name)| name.as_str()).collect();
    let shown = absent[..absent.len().min(10)].join(", ");
    let more = if absent.len() > 10 { ", …" } else { "" };
    (!absent.is_empty()).then(|| format!("labels: no training example of {shown}{more}"))
}
