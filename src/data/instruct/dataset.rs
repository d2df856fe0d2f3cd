//! All examples of a preset: read, split, tokenized, with the rows that are left out counted by reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::encoded::EncodedPrompts;
use super::prompt_encoder::PromptEncoder;
use super::rows::RowReader;
use super::truncate::Truncation;
use super::understood::Understood;
use super::{InstructionFormat, InstructionRow, InstructionSource};
use crate::data::files::{DataFiles, Purpose};
use crate::data::left_out::RowCounts;
use crate::data::records::FileNotes;
use crate::data::split::draw;
use crate::data::{HeldOut, ReadOptions, Sequence};
use crate::protocol::Progress;

/// A dataset for a language model with its held-out set.
pub struct InstructionDataset {
    /// The name of the first training file or folder.
    pub name: String,
    /// At least one, in the file's order.
    pub train: Vec<InstructionRow>,
    /// At least one.
    pub eval: Vec<InstructionRow>,
    max_bad_rows: f64,
    /// The first training file.
    path: PathBuf,
    rows: RowCounts,
    /// The held-out file, if there is one, and its rows.
    held_out: Option<(PathBuf, RowCounts)>,
    understood: Understood,
    notes: FileNotes,
}

/// A dataset as tokens.
pub struct EncodedDataset {
    /// At least one.
    pub train: Vec<Sequence>,
    /// At least one.
    pub eval: Vec<Sequence>,
    /// How the rows were read, in one sentence.
    pub understood: String,
    /// Rows that were left out and examples that were truncated, one sentence per reason.
    pub warnings: Vec<String>,
}

/// Reads the examples of a file, a folder or a glob pattern. Returns warnings about the rows that are left out beside them.
///
/// # Errors
/// As [`load`], but files without examples are not an error.
pub fn read(
    path: &Path,
    format: InstructionFormat,
    progress: &dyn Fn(Progress),
) -> Result<(Vec<InstructionRow>, Vec<String>)> {
    let files = DataFiles::find(&[path.to_owned()], Purpose::Evaluation, format == InstructionFormat::Text)?;
    let (mut reader, mut counts) = (RowReader::new(format, &BTreeMap::new()), RowCounts::default());
    let mut rows = Vec::new();
    for path in &files.paths {
        rows.extend(reader.read(path, &mut counts, progress)?);
    }
    let mut warnings = reader.notes.warnings;
    warnings.extend(counts.warnings());
    Ok((rows, warnings))
}

/// Reads and checks all examples.
///
/// # Errors
/// [`Usage`](crate::Usage): a missing file, one that is not of its format, a missing column, too few usable rows.
pub fn load(
    source: &InstructionSource,
    options: ReadOptions,
    progress: &dyn Fn(Progress),
) -> Result<InstructionDataset> {
    let find = |named: &[PathBuf], purpose| DataFiles::find(named, purpose, source.format == InstructionFormat::Text);
    let files = find(&source.train, Purpose::Training)?;
    let held_out = match &source.held_out {
        HeldOut::Files(named) => HeldOutFiles::Files(find(named, Purpose::Evaluation)?),
        HeldOut::Fraction(fraction) => HeldOutFiles::Fraction(*fraction),
    };
    let ReadFiles { rows: all, counts: rows, understood, mut notes } = read_files(source, &files, progress)?;
    rows.check("training", &files.paths[0], options.max_bad_rows)?;
    let (train, eval, held_out) = match held_out {
        HeldOutFiles::Files(eval_files) => {
            let read = read_files(source, &eval_files, progress)?;
            read.counts.check("evaluation", &eval_files.paths[0], options.max_bad_rows)?;
            notes.extend(read.notes);
            notes.warnings.extend(eval_files.overlap(&files));
            (all, read.rows, Some((eval_files.paths[0].clone(), read.counts)))
        }
        HeldOutFiles::Fraction(fraction) => {
            let drawn = draw(&vec![0; all.len()], fraction, options.seed)?;
            let (mut train, mut eval) = (Vec::new(), Vec::new());
            for (example, drawn) in all.into_iter().zip(drawn) {
                if drawn { eval.push(example) } else { train.push(example) }
            }
            (train, eval, None)
        }
    };
    Ok(InstructionDataset {
        name: files.name,
        train,
        eval,
        max_bad_rows: options.max_bad_rows,
        path: files.paths[0].clone(),
        rows,
        held_out,
        understood,
        notes,
    })
}

/// The held-out set, its files found.
enum HeldOutFiles {
    Files(DataFiles),
    Fraction(f64),
}

/// The examples of some files.
struct ReadFiles {
    rows: Vec<InstructionRow>,
    counts: RowCounts,
    understood: Understood,
    notes: FileNotes,
}

fn read_files(source: &InstructionSource, files: &DataFiles, progress: &dyn Fn(Progress)) -> Result<ReadFiles> {
    let (mut reader, mut counts) = (RowReader::new(source.format, &source.columns), RowCounts::default());
    let mut rows = Vec::new();
    for path in &files.paths {
        rows.extend(reader.read(path, &mut counts, progress)?);
    }
    let mut notes = FileNotes { info: files.notes.clone(), ..FileNotes::default() };
    notes.extend(std::mem::take(&mut reader.notes));
    Ok(ReadFiles { rows, counts, understood: reader.understood(&files.paths[0])?, notes })
}

impl InstructionDataset {
    /// How the rows were read, in one sentence. Where the loss masks come from is known once they are tokenized.
    pub fn understood(&self) -> String {
        self.understood.sentence(&BTreeMap::new())
    }

    /// Which files were read and how, one sentence each, where that is not plain.
    pub fn notes(&self) -> &[String] {
        &self.notes.info
    }

    /// What was replaced or may be misread, and the rows that are left out, one sentence per reason.
    pub fn warnings(&self) -> Vec<String> {
        let held_out = self.held_out.iter().flat_map(|(_, counts)| counts.warnings());
        self.notes.warnings.iter().cloned().chain(self.rows.warnings()).chain(held_out).collect()
    }

    /// Tokenizes all examples.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage): too few rows that the chat template renders and that fit the length; others as
    /// [`PromptEncoder::encode`].
    pub fn encode(mut self, encoder: &PromptEncoder, progress: &dyn Fn(Progress)) -> Result<EncodedDataset> {
        let train = encoder.encode("train", &self.train, progress)?;
        let eval = encoder.encode("validation", &self.eval, progress)?;
        train.leave_out(&self.train, &mut self.rows);
        let eval_counts = self.held_out.as_mut().map_or(&mut self.rows, |(_, counts)| counts);
        eval.leave_out(&self.eval, eval_counts);
        self.rows.check("training", &self.path, self.max_bad_rows)?;
        if let Some((path, counts)) = &self.held_out {
            counts.check("evaluation", path, self.max_bad_rows)?;
        }
        for (split, kind, rows) in [(&train, "training", &self.train), (&eval, "evaluation", &self.eval)] {
            none_left(split, kind, rows, &self.path)?;
        }
        let mut warnings = self.warnings();
        for (name, split) in [("train", &train), ("validation", &eval)] {
            warnings.extend(truncated(name, &split.truncated, encoder.max_length()));
            for (what, number) in &split.unwritten {
                let have = if *number == 1 { "conversation has" } else { "conversations have" };
                warnings.push(format!("{name}: {number} {have} {what}, which the chat template does not write"));
            }
        }
        let understood = self.understood.sentence(&train.masks);
        Ok(EncodedDataset { train: train.sequences, eval: eval.sequences, understood, warnings })
    }
}

/// Checks that a split has examples: of a small held-out set all may be among the few rows that cannot be used.
fn none_left(split: &EncodedPrompts, kind: &str, rows: &[InstructionRow], path: &Path) -> Result<()> {
    if !split.sequences.is_empty() {
        return Ok(());
    }
    let mut counts = RowCounts::default();
    rows.iter().for_each(|_| counts.count_row());
    split.leave_out(rows, &mut counts);
    counts.check(kind, path, 1.0)
}

/// `train: 12 examples truncated to 100 tokens (9 lost the beginning of the prompt, 3 lost the oldest turns)`.
fn truncated(name: &str, counts: &BTreeMap<Truncation, usize>, max_length: usize) -> Option<String> {
    let total: usize = counts.values().sum();
    let examples = if total == 1 { "example" } else { "examples" };
    let part = |(truncation, count): (&Truncation, &usize)| match counts.len() {
        1 => format!("lost {truncation}"),
        _ => format!("{count} lost {truncation}"),
    };
    let parts = counts.iter().map(part).collect::<Vec<_>>().join(", ");
    (total > 0).then(|| format!("{name}: {total} {examples} truncated to {max_length} tokens ({parts})"))
}
