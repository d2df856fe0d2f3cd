//! Finds and reads a GLUE task's files in a folder, in any of three layouts.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::examples::{CollectedExamples, ExampleCollector};
use super::labels::{LabelRule, Numbers};
use super::records::{Format, RecordColumns, Records};
use super::splits::{Splits, without_examples};
use super::{Dataset, LabelSet, ReadOptions, Split, Task};
use crate::Usage;
use crate::protocol::Progress;

/// The layouts in order of precedence: the original download, JSON lines, the hub's parquet.
const LAYOUTS: [(Format, &str); 3] = [(Format::GlueTsv, "tsv"), (Format::Json, "jsonl"), (Format::Parquet, "parquet")];

/// File stems of held-out files: in the original download, on the hub.
const EVAL_STEMS: [&str; 2] = ["dev", "validation"];

/// MRPC as Microsoft distributes it, and the ids of the rows that GLUE holds out.
const MSR_TRAIN: &str = "msr_paraphrase_train.txt";
const MSR_DEV_IDS: &str = "dev_ids.tsv";

pub(super) fn load(task: Task, folder: &Path, options: ReadOptions, progress: &dyn Fn(Progress)) -> Result<Dataset> {
    let most = options.max_bad_rows;
    if !folder.is_dir() {
        bail!(Usage(format!("{}: no such folder; expected the files of {}", folder.display(), task.title())));
    }
    let folders = candidates(task, folder)?;
    if task == Task::Mrpc {
        // GLUE's train.tsv of MRPC lacks a row, so the file it is made from takes precedence.
        let has_original = |folder: &&PathBuf| folder.join(MSR_TRAIN).is_file() && folder.join(MSR_DEV_IDS).is_file();
        if let Some(folder) = folders.iter().find(has_original) {
            let (train, dev) = read_msr(folder, most, progress)?;
            return dataset(task, train, vec![("validation".to_owned(), dev)]);
        }
    }
    let files = find_files(task, &folders)?;
    let train = read(task, files.format, &files.train, "training", most, progress)?;
    let mut eval = Vec::new();
    for (suffix, paths) in task.eval_suffixes().iter().zip(&files.eval) {
        eval.push((format!("validation{suffix}"), read(task, files.format, paths, "evaluation", most, progress)?));
    }
    dataset(task, train, eval)
}

/// The files of a task; each split has one or more shards.
struct TaskFiles {
    format: Format,
    train: Vec<PathBuf>,
    /// One per suffix of the task.
    eval: Vec<Vec<PathBuf>>,
}

/// The folder itself and its sub-folders that are named after the task.
fn candidates(task: Task, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![folder.to_owned()];
    for name in listing(folder)? {
        let named = name.eq_ignore_ascii_case(task.id()) || name.eq_ignore_ascii_case(task.title());
        if named && folder.join(&name).is_dir() {
            folders.push(folder.join(name));
        }
    }
    Ok(folders)
}

fn find_files(task: Task, folders: &[PathBuf]) -> Result<TaskFiles> {
    for folder in folders {
        let names = listing(folder)?;
        for (format, extension) in LAYOUTS {
            let Some(train) = shards(folder, &names, "train", extension)? else { continue };
            let mut eval = Vec::new();
            for suffix in task.eval_suffixes() {
                let mut found = None;
                for stem in EVAL_STEMS {
                    found = found.or(shards(folder, &names, &format!("{stem}{suffix}"), extension)?);
                }
                eval.extend(found);
            }
            if eval.len() == task.eval_suffixes().len() {
                return Ok(TaskFiles { format, train, eval });
            }
        }
    }
    let suffixes = task.eval_suffixes();
    let looked_for: Vec<String> = LAYOUTS
        .iter()
        .map(|(_, extension)| {
            let eval: Vec<String> = suffixes
                .iter()
                .map(|suffix| EVAL_STEMS.map(|stem| format!("{stem}{suffix}.{extension}")).join(" or "))
                .collect();
            format!("train.{extension} with {}", eval.join(" and "))
        })
        .collect();
    let searched = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" and ");
    bail!(Usage(format!(
        "no files of {} in {searched}; looked for {} (shards such as train-00000-of-00001.parquet count too)",
        task.title(),
        looked_for.join("; ")
    )))
}

/// `train.parquet`, or all of `train-00000-of-00002.parquet` and so on.
fn shards(folder: &Path, names: &[String], stem: &str, extension: &str) -> Result<Option<Vec<PathBuf>>> {
    let single = format!("{stem}.{extension}");
    if names.contains(&single) {
        return Ok(Some(vec![folder.join(single)]));
    }
    let mut found: Vec<(usize, usize, &String)> = names
        .iter()
        .filter_map(|name| {
            let middle = name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(extension)?.strip_suffix('.')?;
            let (index, of) = middle.split_once("-of-")?;
            Some((index.parse().ok()?, of.parse().ok()?, name))
        })
        .collect();
    found.sort();
    let Some(&(_, of, last)) = found.last() else { return Ok(None) };
    if found.len() != of || !found.iter().enumerate().all(|(i, shard)| (shard.0, shard.1) == (i, of)) {
        let last = folder.join(last);
        bail!(Usage(format!(
            "{}: this is one of {of} shards, but the folder has {}; download the others",
            last.display(),
            found.len()
        )));
    }
    Ok(Some(found.into_iter().map(|(_, _, name)| folder.join(name)).collect()))
}

fn listing(folder: &Path) -> Result<Vec<String>> {
    let read = || -> std::io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let mut names = read().with_context(|| format!("{}: cannot list the folder", folder.display()))?;
    // The order of a directory listing is arbitrary, and the order of the examples must not depend on it.
    names.sort();
    Ok(names)
}

fn read(
    task: Task,
    format: Format,
    paths: &[PathBuf],
    kind: &str,
    max_bad_rows: f64,
    progress: &dyn Fn(Progress),
) -> Result<CollectedExamples> {
    let columns = match format {
        Format::GlueTsv => task.original_columns(),
        _ => Some(task.hub_columns()),
    };
    let paired = columns.as_ref().is_some_and(|columns| columns.texts.len() == 2);
    let names: Vec<&str> = columns.iter().flat_map(|c| c.texts.iter().copied().chain([c.label])).collect();
    let columns_to_read = match columns {
        Some(_) => RecordColumns::Named(&names),
        // CoLA's columns: source, label, the author's original mark, sentence.
        None => RecordColumns::Indexed { count: 4, indices: &[3, 1] },
    };
    let mut collector = ExampleCollector::new(label_rule(task), paired);
    for path in paths {
        collector.read(path, format, &columns_to_read, progress)?;
    }
    collector.finish(kind, &paths[0], max_bad_rows)
}

/// The training and held-out rows of MRPC, from the one file that holds both.
fn read_msr(
    folder: &Path,
    max_bad_rows: f64,
    progress: &dyn Fn(Progress),
) -> Result<(CollectedExamples, CollectedExamples)> {
    let (path, ids) = (folder.join(MSR_TRAIN), folder.join(MSR_DEV_IDS));
    let mut dev_ids = HashSet::new();
    let id_columns = RecordColumns::Indexed { count: 2, indices: &[0, 1] };
    let mut notes = Records::open(&ids, Format::GlueTsv, &id_columns)?.for_each(progress, |record| {
        dev_ids.insert(record.cells);
        Ok(())
    })?;
    let mut train = ExampleCollector::new(label_rule(Task::Mrpc), true);
    let mut dev = ExampleCollector::new(label_rule(Task::Mrpc), true);
    let columns_to_read = RecordColumns::Named(&["#1 String", "#2 String", "Quality", "#1 ID", "#2 ID"]);
    let read = Records::open(&path, Format::GlueTsv, &columns_to_read)?.for_each(progress, |record| {
        let held_out = record.cells.as_ref().is_some_and(|cells| dev_ids.contains(&Some(cells[3..].to_vec())));
        if held_out { dev.add(&path, record) } else { train.add(&path, record) }
    })?;
    notes.extend(read);
    let mut train = train.finish("training", &path, max_bad_rows)?;
    train.notes.extend(notes);
    Ok((train, dev.finish("evaluation", &ids, max_bad_rows)?))
}

/// The classes by name, as in some of the original files, or by index.
fn label_rule(task: Task) -> LabelRule {
    match task.labels() {
        LabelSet::Classes(classes) => LabelRule::Known { classes, numbers: Numbers::Published, origin: task.title() },
        LabelSet::Regression => LabelRule::Scores(task.score_range()),
    }
}

fn dataset(task: Task, train: CollectedExamples, eval: Vec<(String, CollectedExamples)>) -> Result<Dataset> {
    let (names, eval): (Vec<String>, Vec<CollectedExamples>) = eval.into_iter().unzip();
    let resolved = Splits::of(std::iter::once(train).chain(eval).collect())?;
    let labels_note = resolved.note(task.title(), "the dataset");
    let Splits { labels, splits, mut notes, .. } = resolved;
    notes.info.insert(0, labels_note);
    let mut splits = splits.into_iter();
    let train = splits.next().unwrap_or_default();
    notes.warnings.extend(without_examples(&labels, &train));
    let eval = names.into_iter().zip(splits).map(|(name, examples)| Split { name, examples });
    Ok(Dataset {
        name: task.id().to_owned(),
        labels,
        metrics: task.metrics(),
        train,
        eval: eval.collect(),
        notes: notes.info,
        warnings: notes.warnings,
    })
}
