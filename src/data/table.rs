//! Reads the user's own labelled files, and holds out a part of them.

use std::path::Path;

use anyhow::{Result, bail};

use super::classes::Classes;
use super::examples::{CollectedExamples, ExampleCollector};
use super::labels::{LabelRule, Numbers, Reading};
use super::records::{Format, RecordColumns, Records, class_label_names, expect_file};
use super::source::{Columns, HeldOut, LabelKind, ReadOptions};
use super::split::hold_out;
use super::splits::{Splits, without_examples};
use super::{Dataset, Example, Label, LabelSet, Split};
use crate::Usage;
use crate::protocol::Progress;

/// The labelled examples of one file.
pub struct LabelledFile {
    pub labels: LabelSet,
    pub examples: Vec<Example>,
    /// How the labels are read, unless they are names, which cannot be misread.
    pub note: Option<String>,
    pub warnings: Vec<String>,
}

pub(super) fn load(
    train: &Path,
    held_out: &HeldOut,
    columns: &Columns,
    options: ReadOptions,
    progress: &dyn Fn(Progress),
) -> Result<Dataset> {
    columns.check()?;
    let rule = columns.rule(train)?;
    let read = |path: &Path, kind: &str| columns.read(path, rule.clone(), kind, options.max_bad_rows, progress);
    let mut collected = vec![read(train, "training")?];
    if let HeldOut::File(path) = held_out {
        expect_file(path)?;
        collected.push(read(path, "evaluation")?);
    }
    let resolved = Splits::of(collected)?;
    let notes = vec![resolved.note_of(&rule, train)];
    let Splits { labels, mut splits, mut warnings, .. } = resolved;
    if let LabelSet::Classes(classes) = &labels
        && classes.names.len() < 2
    {
        let only = classes.names.first().map(String::as_str).unwrap_or_default();
        bail!(Usage(format!(
            "{}: every label is \"{only}\"; a classifier needs at least two classes",
            train.display()
        )));
    }
    let first = splits.swap_remove(0);
    warnings.extend(without_examples(&labels, &first));
    let (train_examples, eval) = match (held_out, splits.pop()) {
        (HeldOut::Fraction(fraction), _) => hold_out(first, *fraction, options.seed)?,
        (HeldOut::File(_), eval) => (first, eval.unwrap_or_default()),
    };
    Ok(Dataset {
        name: train.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        metrics: labels.metrics(),
        labels,
        train: train_examples,
        eval: vec![Split { name: "validation".into(), examples: eval }],
        notes,
        warnings,
    })
}

/// Reads the labelled examples of one file, with how its labels are read, and warnings. `names` says where the names of the
/// classes come from.
///
/// # Errors
/// As [`load`](super::load).
pub fn read_labelled(path: &Path, columns: &Columns, names: &str, progress: &dyn Fn(Progress)) -> Result<LabelledFile> {
    columns.check()?;
    let rule = columns.rule(path)?;
    let collected = columns.read(path, rule.clone(), "labelled", 1.0, progress)?;
    let resolved = Splits::of(vec![collected])?;
    let note = (resolved.reading != Reading::Names).then(|| resolved.note(names, &file_name(path)));
    let Splits { labels, mut splits, warnings, .. } = resolved;
    Ok(LabelledFile { labels, examples: splits.swap_remove(0), note, warnings })
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
        labels: LabelRule,
        kind: &str,
        max_bad_rows: f64,
        progress: &dyn Fn(Progress),
    ) -> Result<CollectedExamples> {
        let mut collector = ExampleCollector::new(labels, self.text_pair.is_some());
        collector.read(path, Format::of(path)?, &RecordColumns::Named(&self.names()), progress)?;
        collector.finish(kind, path, max_bad_rows)
    }

    /// What is known about the labels of a file before it is read.
    fn rule(&self, path: &Path) -> Result<LabelRule> {
        expect_file(path)?;
        let in_file = match Format::of(path)? {
            Format::Parquet => class_label_names(path, &self.label)?,
            _ => None,
        };
        let (published, origin) = match in_file {
            Some(names) => (Some(names), "the file's ClassLabel"),
            None => (self.published.clone(), "the dataset's card"),
        };
        Ok(match (&self.label_kind, published) {
            (LabelKind::Regression, _) => LabelRule::Scores(f32::MIN..=f32::MAX),
            (LabelKind::Model(classes), _) => {
                LabelRule::Known { classes: classes.clone(), numbers: Numbers::Recorded, origin: "the model" }
            }
            (LabelKind::Classes(None), None) => LabelRule::Collect,
            (LabelKind::Classes(None), Some(names)) => {
                LabelRule::Known { classes: Classes::named(names), numbers: Numbers::Published, origin }
            }
            (LabelKind::Classes(Some(names)), published) => {
                check_names(names)?;
                let mut classes = Classes::named(names.clone());
                let numbers = if published.is_some() { Numbers::Published } else { Numbers::Named };
                // The file's numbers are indices into the names that were published with it.
                if let Some(order) = published.and_then(|published| classes.order_in(&published)) {
                    classes.numbers = order.into_iter().map(|index| index.to_string()).collect();
                }
                LabelRule::Known { classes, numbers, origin: "data.labels" }
            }
        })
    }
}

fn check_names(names: &[String]) -> Result<()> {
    for (i, name) in names.iter().enumerate() {
        if name.trim().is_empty() || name.trim() != name || names[..i].contains(name) {
            bail!(Usage(format!("data.labels: \"{name}\" is empty, has spaces around it or is given twice")));
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Splits {
    /// How the labels of a file with this rule were read.
    fn note_of(&self, rule: &LabelRule, file: &Path) -> String {
        let file = file_name(file);
        match (rule, &self.labels) {
            (LabelRule::Known { origin, .. }, _) => self.note(origin, &file),
            (_, LabelSet::Classes(classes)) => format!("labels: {} from {file}", classes.describe()),
            (_, LabelSet::Regression) => format!("labels: numbers from {file} (regression)"),
        }
    }
}
