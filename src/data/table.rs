//! A user's own files: which columns are what, and what is held out.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::examples::{Collected, Collector};
use super::labels::LabelReader;
use super::records::{Format, Records, Wanted, expect_file};
use super::split::hold_out;
use super::{Dataset, Example, Labels, Split, Target};
use crate::Usage;
use crate::metrics::Metrics;
use crate::protocol::Progress;

/// What to evaluate on.
#[derive(Clone, Debug, PartialEq)]
pub enum HeldOut {
    /// A file with the columns of the training file.
    File(PathBuf),
    /// This share of the training file, more than 0 and less than 1. It is drawn by the seed, and each class has its
    /// part in it.
    Share(f64),
}

/// The columns of a user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The text, or the first of a pair.
    pub text: String,
    /// The second of a pair.
    pub text_pair: Option<String>,
    /// The label.
    pub label: String,
    /// What the label is.
    pub target: TargetKind,
}

/// What a label is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One of these in this order, written out or as an index; or, where `None`, of those found in the training file,
    /// sorted.
    Classes(Option<Vec<String>>),
    /// A number.
    Regression,
}

/// Reads a user's files.
pub(super) fn load(
    train: &Path,
    held_out: &HeldOut,
    columns: &Columns,
    seed: u64,
    progress: &dyn Fn(Progress),
) -> Result<Dataset> {
    columns.check()?;
    let collected = columns.read(train, columns.target.reader()?, "training", progress)?;
    let Collected { labels, examples, mut warnings } = collected;
    if let Labels::Classes(names) = &labels
        && names.len() < 2
    {
        let only = names.first().map(String::as_str).unwrap_or_default();
        bail!(Usage(format!("{}: every label is \"{only}\"; there is nothing to tell apart", train.display())));
    }
    let (examples, eval) = match held_out {
        HeldOut::Share(share) => hold_out(examples, *share, seed)?,
        HeldOut::File(path) => {
            let reader = match &labels {
                Labels::Classes(names) => LabelReader::Known(names.clone()),
                Labels::Regression => columns.target.reader()?,
            };
            let eval = columns.read(path, reader, "evaluation", progress)?;
            warnings.extend(eval.warnings);
            (examples, eval.examples)
        }
    };
    Ok(Dataset {
        name: train.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        metrics: Metrics::of(&labels),
        labels,
        train: examples,
        eval: vec![Split { name: "validation".into(), examples: eval }],
        warnings,
    })
}

/// Reads the labelled examples of one file, and what is wrong with some of its rows.
///
/// # Errors
/// As [`load`](super::load).
pub fn read_labelled(
    path: &Path,
    columns: &Columns,
    progress: &dyn Fn(Progress),
) -> Result<(Vec<Example>, Vec<String>)> {
    columns.check()?;
    let collected = columns.read(path, columns.target.reader()?, "labelled", progress)?;
    Ok((collected.examples, collected.warnings))
}

/// Reads the texts of one file, a label or none beside them. Each row counts, so that what is made of them has its order.
/// Their targets mean nothing.
///
/// # Errors
/// As [`load`](super::load), and a row without a text.
pub fn read_texts(path: &Path, text: &str, pair: Option<&str>, progress: &dyn Fn(Progress)) -> Result<Vec<Example>> {
    expect_file(path)?;
    let names: Vec<&str> = [Some(text), pair].into_iter().flatten().collect();
    let mut examples = Vec::new();
    Records::open(path, Format::of(path)?, &Wanted::Named(&names))?.for_each(progress, |record| {
        let mut cells = record.cells.into_iter().flatten();
        match (cells.next().flatten(), cells.next().flatten()) {
            (Some(text), second) if second.is_some() == pair.is_some() => {
                examples.push(Example { text, pair: second, target: Target::Class(0) });
                Ok(())
            }
            _ => {
                bail!(Usage(format!("{}:{}: expected a text in {}", path.display(), record.line, names.join(" and "))))
            }
        }
    })?;
    Ok(examples)
}

impl Columns {
    /// Names in the order a [`Collector`] takes them.
    fn names(&self) -> Vec<&str> {
        [Some(&self.text), self.text_pair.as_ref(), Some(&self.label)]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }

    fn check(&self) -> Result<()> {
        let mut names = self.names();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!(Usage(format!("column \"{}\" cannot be two of text, text_pair and label", twice[0])));
        }
        Ok(())
    }

    fn read(&self, path: &Path, labels: LabelReader, kind: &str, progress: &dyn Fn(Progress)) -> Result<Collected> {
        expect_file(path)?;
        let mut collector = Collector::new(labels, self.text_pair.is_some());
        collector.read(path, Format::of(path)?, &Wanted::Named(&self.names()), progress)?;
        collector.finish(kind, path)
    }
}

impl TargetKind {
    fn reader(&self) -> Result<LabelReader> {
        Ok(match self {
            TargetKind::Regression => LabelReader::Scores(f32::MIN..=f32::MAX),
            TargetKind::Classes(None) => LabelReader::finding(),
            TargetKind::Classes(Some(names)) => {
                for (i, name) in names.iter().enumerate() {
                    if name.trim().is_empty() || name.trim() != name || names[..i].contains(name) {
                        bail!(Usage(format!("labels: \"{name}\" is empty, spaced or there twice")));
                    }
                }
                LabelReader::Known(names.clone())
            }
        })
    }
}
