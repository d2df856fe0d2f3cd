//! Reads the user's own labelled files, and holds out a part of them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::classes::Classes;
use super::examples::{CollectedExamples, ExampleCollector};
use super::files::{DataFiles, Purpose};
use super::labels::{LabelRule, Numbers, Reading};
use super::records::{FileNotes, Format, RecordColumns, Records, class_label_names};
use super::source::{Columns, HeldOut, LabelKind, ReadOptions};
use super::split::hold_out;
use super::splits::{Splits, without_examples};
use super::{Dataset, Example, Label, LabelSet, Split, Task};
use crate::Usage;
use crate::protocol::Progress;

/// Labelled examples to evaluate a model on.
pub struct LabelledExamples {
    pub labels: LabelSet,
    pub examples: Vec<Example>,
    /// Among them how the labels are read, unless they are names, which cannot be misread.
    pub notes: FileNotes,
}

/// Where labelled examples are read from.
pub struct LabelledInput<'a> {
    /// A file, a folder or a glob pattern.
    pub path: &'a Path,
    /// The GLUE task, whose own TSV files have no quoting.
    pub task: Option<Task>,
    /// Says where the names of the classes come from.
    pub names: &'a str,
}

pub(super) fn load(
    train: &[PathBuf],
    held_out: &HeldOut,
    columns: &Columns,
    options: ReadOptions,
    progress: &dyn Fn(Progress),
) -> Result<Dataset> {
    columns.check()?;
    let files = DataFiles::find(train, Purpose::Training, false)?;
    let eval_files = match held_out {
        HeldOut::Files(named) => Some(DataFiles::find(named, Purpose::Evaluation, false)?),
        HeldOut::Fraction(_) => None,
    };
    let rule = columns.rule(&files)?;
    let read = |files: &DataFiles, kind: &str| {
        let split = LabelledSplit { kind, max_bad_rows: options.max_bad_rows, task: None };
        columns.read(files, rule.clone(), split, progress)
    };
    let mut collected = vec![read(&files, "training")?];
    if let Some(eval_files) = &eval_files {
        collected.push(read(eval_files, "evaluation")?);
    }
    let resolved = Splits::of(collected)?;
    let labels_note = resolved.note_of(&rule, &files);
    let Splits { labels, mut splits, mut notes, .. } = resolved;
    notes.info.insert(0, labels_note);
    if let LabelSet::Classes(classes) = &labels
        && classes.names.len() < 2
    {
        let only = classes.names.first().map(String::as_str).unwrap_or_default();
        bail!(Usage(format!(
            "{}: every label is \"{only}\"; a classifier needs at least two classes",
            files.paths[0].display()
        )));
    }
    let first = splits.swap_remove(0);
    notes.warnings.extend(without_examples(&labels, &first));
    notes.warnings.extend(eval_files.and_then(|eval_files| eval_files.overlap(&files)));
    let (train_examples, eval) = match (held_out, splits.pop()) {
        (HeldOut::Fraction(fraction), _) => hold_out(first, *fraction, options.seed)?,
        (HeldOut::Files(_), eval) => (first, eval.unwrap_or_default()),
    };
    Ok(Dataset {
        name: files.name,
        metrics: labels.metrics(),
        labels,
        train: train_examples,
        eval: vec![Split { name: "validation".into(), examples: eval }],
        notes: notes.info,
        warnings: notes.warnings,
    })
}

/// Reads labelled examples, with how their labels are read, and warnings.
///
/// # Errors
/// As [`load`](super::load).
pub fn read_labelled(
    input: &LabelledInput<'_>,
    columns: &Columns,
    progress: &dyn Fn(Progress),
) -> Result<LabelledExamples> {
    columns.check()?;
    let files = DataFiles::find(&[input.path.to_owned()], Purpose::Evaluation, false)?;
    let split = LabelledSplit { kind: "labelled", max_bad_rows: 1.0, task: input.task };
    let collected = columns.read(&files, columns.rule(&files)?, split, progress)?;
    let resolved = Splits::of(vec![collected])?;
    let note = (resolved.reading != Reading::Names).then(|| resolved.note(input.names, &files.described()));
    let Splits { labels, mut splits, mut notes, .. } = resolved;
    notes.info.extend(note);
    Ok(LabelledExamples { labels, examples: splits.swap_remove(0), notes })
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
        labels: LabelRule,
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

    /// What is known about the labels of files before they are read.
    fn rule(&self, files: &DataFiles) -> Result<LabelRule> {
        let (published, origin) = match self.published_in(files)? {
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

    /// The names that parquet files have for the indices in their label column. All files have to agree.
    fn published_in(&self, files: &DataFiles) -> Result<Option<Vec<String>>> {
        let mut published: Option<(&Path, Vec<String>)> = None;
        for path in &files.paths {
            let names = match Format::of(path)? {
                Format::Parquet => class_label_names(path, &self.label)?,
                _ => None,
            };
            match (&published, names) {
                (Some((first, known)), Some(names)) if *known != names => bail!(Usage(format!(
                    "{}: the classes of column \"{}\" are {}, but {} in {}",
                    path.display(),
                    self.label,
                    names.join(", "),
                    known.join(", "),
                    first.display()
                ))),
                (None, Some(names)) => published = Some((path, names)),
                _ => {}
            }
        }
        Ok(published.map(|(_, names)| names))
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

impl Splits {
    /// How the labels of a file with this rule were read.
    fn note_of(&self, rule: &LabelRule, files: &DataFiles) -> String {
        let file = files.described();
        match (rule, &self.labels) {
            (LabelRule::Known { origin, .. }, _) => self.note(origin, &file),
            (_, LabelSet::Classes(classes)) => format!("labels: {} from {file}", classes.describe()),
            (_, LabelSet::Regression) => format!("labels: numbers from {file} (regression)"),
        }
    }
}
