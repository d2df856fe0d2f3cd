//! Reads the user's own labelled files, and holds out a part of them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::examples::{CollectedExamples, ExampleCollector};
use super::files::{DataFiles, Purpose};
use super::labels::LabelReader;
use super::records::{FileNotes, Format, RecordColumns, Records};
use super::source::{Columns, HeldOut, LabelKind, ReadOptions};
use super::split::hold_out;
use super::{Dataset, Example, Label, LabelSet, Split, Task};
use crate::Usage;
use crate::protocol::Progress;

pub(super) fn load(
    train: &[PathBuf],
    held_out: &HeldOut,
    columns: &Columns,
    options: ReadOptions,
    progress: &dyn Fn(Progress),
) -> Result<Dataset> {
    columns.check()?;
    let files = DataFiles::find(train, Purpose::Training, false)?;
    let split = |kind| LabelledSplit { kind, max_bad_rows: options.max_bad_rows, task: None };
    let collected = columns.read(&files, columns.label_kind.reader()?, split("training"), progress)?;
    let CollectedExamples { labels, examples, mut notes } = collected;
    if let LabelSet::Classes(names) = &labels
        && names.len() < 2
    {
        let only = names.first().map(String::as_str).unwrap_or_default();
        bail!(Usage(format!(
            "{}: every label is \"{only}\"; a classifier needs at least two classes",
            files.paths[0].display()
        )));
    }
    let (examples, eval) = match held_out {
        HeldOut::Fraction(fraction) => hold_out(examples, *fraction, options.seed)?,
        HeldOut::Files(named) => {
            let reader = match &labels {
                LabelSet::Classes(names) => LabelReader::Known(names.clone()),
                LabelSet::Regression => columns.label_kind.reader()?,
            };
            let eval_files = DataFiles::find(named, Purpose::Evaluation, false)?;
            let eval = columns.read(&eval_files, reader, split("evaluation"), progress)?;
            notes.extend(eval.notes);
            notes.warnings.extend(eval_files.overlap(&files));
            (examples, eval.examples)
        }
    };
    Ok(Dataset {
        name: files.name,
        metrics: labels.metrics(),
        labels,
        train: examples,
        eval: vec![Split { name: "validation".into(), examples: eval }],
        notes: notes.info,
        warnings: notes.warnings,
    })
}

/// Reads the labelled examples of a file, a folder or a glob pattern; of a `task`, TSV files are without quoting as GLUE's own.
///
/// # Errors
/// As [`load`](super::load).
pub fn read_labelled(
    path: &Path,
    columns: &Columns,
    task: Option<Task>,
    progress: &dyn Fn(Progress),
) -> Result<(Vec<Example>, FileNotes)> {
    columns.check()?;
    let files = DataFiles::find(&[path.to_owned()], Purpose::Evaluation, false)?;
    let split = LabelledSplit { kind: "labelled", max_bad_rows: 1.0, task };
    let collected = columns.read(&files, columns.label_kind.reader()?, split, progress)?;
    Ok((collected.examples, collected.notes))
}

/// Reads the texts of a file, a folder or a glob pattern to predict on. No row is skipped, so that predictions line up with
/// rows. The labels of the examples are placeholders.
///
/// # Errors
/// As [`load`](super::load); also a row without a text.
pub fn read_texts(
    path: &Path,
    names: &[&str],
    task: Option<Task>,
    progress: &dyn Fn(Progress),
) -> Result<(Vec<Example>, FileNotes)> {
    let files = DataFiles::find(&[path.to_owned()], Purpose::Evaluation, false)?;
    let mut notes = FileNotes { info: files.notes, ..FileNotes::default() };
    let mut examples = Vec::new();
    for path in &files.paths {
        let records = Records::open(path, format(path, task)?, &RecordColumns::Named(names))?;
        notes.extend(records.for_each(progress, |record| {
            let mut texts = record.cells.into_iter().flatten().flatten();
            match (texts.next(), texts.next()) {
                (Some(text), pair) if pair.is_some() == (names.len() > 1) => {
                    examples.push(Example { text, pair, label: Label::Class(0) });
                    Ok(())
                }
                _ => bail!(Usage(format!("{}:{}: no text in {}", path.display(), record.line, names.join(" or ")))),
            }
        })?);
    }
    Ok((examples, notes))
}

/// The format of a file. GLUE's own TSV files have no quoting.
fn format(path: &Path, task: Option<Task>) -> Result<Format> {
    Ok(match Format::of(path)? {
        Format::Tsv if task.is_some() => Format::GlueTsv,
        format => format,
    })
}

/// What a split is read for.
struct LabelledSplit<'a> {
    /// Of the examples, in errors.
    kind: &'a str,
    max_bad_rows: f64,
    task: Option<Task>,
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
        files: &DataFiles,
        labels: LabelReader,
        split: LabelledSplit<'_>,
        progress: &dyn Fn(Progress),
    ) -> Result<CollectedExamples> {
        let mut collector = ExampleCollector::new(labels, self.text_pair.is_some());
        for path in &files.paths {
            collector.read(path, format(path, split.task)?, &RecordColumns::Named(&self.names()), progress)?;
        }
        let mut collected = collector.finish(split.kind, &files.paths[0], split.max_bad_rows)?;
        collected.notes.info.splice(0..0, files.notes.iter().cloned());
        Ok(collected)
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
