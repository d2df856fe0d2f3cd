//! Reads the user's own labelled files, and holds out a part of them.

use std::path::Path;

use anyhow::{Result, bail};

use super::examples::{CollectedExamples, ExampleCollector};
use super::labels::LabelReader;
use super::records::{Format, RecordColumns, Records, expect_file};
use super::source::{Columns, HeldOut, LabelKind, ReadOptions};
use super::split::hold_out;
use super::{Dataset, Example, Label, LabelSet, Split};
use crate::Usage;
use crate::protocol::Progress;

pub(super) fn load(
    train: &Path,
    held_out: &HeldOut,
    columns: &Columns,
    options: ReadOptions,
    progress: &dyn Fn(Progress),
) -> Result<Dataset> {
    columns.check()?;
    let collected = columns.read(train, columns.label_kind.reader()?, "training", options.max_bad_rows, progress)?;
    let CollectedExamples { labels, examples, mut warnings } = collected;
    if let LabelSet::Classes(names) = &labels
        && names.len() < 2
    {
        let only = names.first().map(String::as_str).unwrap_or_default();
        bail!(Usage(format!(
            "{}: every label is \"{only}\"; a classifier needs at least two classes",
            train.display()
        )));
    }
    let (examples, eval) = match held_out {
        HeldOut::Fraction(fraction) => hold_out(examples, *fraction, options.seed)?,
        HeldOut::File(path) => {
            let reader = match &labels {
                LabelSet::Classes(names) => LabelReader::Known(names.clone()),
                LabelSet::Regression => columns.label_kind.reader()?,
            };
            let eval = columns.read(path, reader, "evaluation", options.max_bad_rows, progress)?;
            warnings.extend(eval.warnings);
            (examples, eval.examples)
        }
    };
    Ok(Dataset {
        name: train.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        metrics: labels.metrics(),
        labels,
        train: examples,
        eval: vec![Split { name: "validation".into(), examples: eval }],
        warnings,
    })
}

/// Reads the labelled examples of one file. Also returns the warnings about skipped rows.
///
/// # Errors
/// As [`load`](super::load).
pub fn read_labelled(
    path: &Path,
    columns: &Columns,
    progress: &dyn Fn(Progress),
) -> Result<(Vec<Example>, Vec<String>)> {
    columns.check()?;
    let collected = columns.read(path, columns.label_kind.reader()?, "labelled", 1.0, progress)?;
    Ok((collected.examples, collected.warnings))
}

/// Reads the texts of one file to predict on. No row is skipped, so that predictions line up with rows. The labels of the
/// examples are placeholders.
///
/// # Errors
/// As [`load`](super::load); also a row without a text.
pub fn read_texts(path: &Path, text: &str, pair: Option<&str>, progress: &dyn Fn(Progress)) -> Result<Vec<Example>> {
    expect_file(path)?;
    let names: Vec<&str> = [Some(text), pair].into_iter().flatten().collect();
    let mut examples = Vec::new();
    Records::open(path, Format::of(path)?, &RecordColumns::Named(&names))?.for_each(progress, |record| {
        let mut cells = record.cells.into_iter().flatten();
        match (cells.next().flatten(), cells.next().flatten()) {
            (Some(text), second) if second.is_some() == pair.is_some() => {
                examples.push(Example { text, pair: second, label: Label::Class(0) });
                Ok(())
            }
            _ => {
                bail!(Usage(format!("{}:{}: no text in {}", path.display(), record.line, names.join(" or "))))
            }
        }
    })?;
    Ok(examples)
}

impl Columns {
    /// In the order that [`ExampleCollector`] expects.
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
            bail!(Usage(format!(
                "column \"{}\" is given twice; data.text, data.text_pair and data.label have to differ",
                twice[0]
            )));
        }
        Ok(())
    }

    fn read(
        &self,
        path: &Path,
        labels: LabelReader,
        kind: &str,
        max_bad_rows: f64,
        progress: &dyn Fn(Progress),
    ) -> Result<CollectedExamples> {
        expect_file(path)?;
        let mut collector = ExampleCollector::new(labels, self.text_pair.is_some());
        collector.read(path, Format::of(path)?, &RecordColumns::Named(&self.names()), progress)?;
        collector.finish(kind, path, max_bad_rows)
    }
}

impl LabelKind {
    fn reader(&self) -> Result<LabelReader> {
        Ok(match self {
            LabelKind::Regression => LabelReader::Scores(f32::MIN..=f32::MAX),
            LabelKind::Classes(None) => LabelReader::collecting(),
            LabelKind::Classes(Some(names)) => {
                for (i, name) in names.iter().enumerate() {
                    if name.trim().is_empty() || name.trim() != name || names[..i].contains(name) {
                        bail!(Usage(format!(
                            "data.labels: \"{name}\" is empty, has spaces around it or is given twice"
                        )));
                    }
                }
                LabelReader::Known(names.clone())
            }
        })
    }
}
