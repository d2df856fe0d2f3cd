//! Texts for language models: instructions, conversations, completions, plain text.
//!
//! ```text
//! example         what an example is, and where examples come from
//! rows            objects of a JSON, JSON-lines or parquet file become examples
//! template dumps  a conversation rendered by the tokenizer's chat template
//! render          examples become text, with the spans that count in the loss
//! prompt_encoder special truncate
//!                 text becomes tokens and a loss mask, truncated so that the completion stays
//! pack            several short examples in one row
//! ```

mod dumps;
mod example;
mod pack;
mod prompt_encoder;
mod render;
mod rows;
mod special;
mod template;
mod truncate;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::files::{DataFiles, Purpose};
use super::left_out::RowCounts;
use super::records::FileNotes;
use super::split::draw;
use super::{HeldOut, ReadOptions};
use crate::protocol::Progress;
pub use example::{InstructionDataset, InstructionExample, InstructionFormat, InstructionSource, Message};
pub use pack::pack;
pub use prompt_encoder::{EncodedPrompts, PromptEncoder};
pub use template::{ChatTemplate, TemplateError};

/// Reads the examples of a file, a folder or a glob pattern.
///
/// # Errors
/// As [`load`], but files without examples are not an error.
pub fn read(path: &Path, format: InstructionFormat, progress: &dyn Fn(Progress)) -> Result<Vec<InstructionExample>> {
    let files = DataFiles::find(&[path.to_owned()], Purpose::Evaluation, format == InstructionFormat::Text)?;
    let (mut all, mut counts, mut notes) = (Vec::new(), RowCounts::default(), FileNotes::default());
    for path in &files.paths {
        all.extend(rows::read(path, format, &mut counts, &mut notes, progress)?);
    }
    Ok(all)
}

/// Reads and checks all examples.
///
/// # Errors
/// [`Usage`](crate::Usage) with file and row: a missing file or key, a value of the wrong type, too few usable rows.
pub fn load(
    source: &InstructionSource,
    options: ReadOptions,
    progress: &dyn Fn(Progress),
) -> Result<InstructionDataset> {
    let mut notes = FileNotes::default();
    let find = |named: &[PathBuf], purpose| DataFiles::find(named, purpose, source.format == InstructionFormat::Text);
    let mut read = |files: &DataFiles, kind: &str| -> Result<_> {
        let (mut all, mut counts) = (Vec::new(), RowCounts::default());
        notes.info.extend(files.notes.iter().cloned());
        for path in &files.paths {
            all.extend(rows::read(path, source.format, &mut counts, &mut notes, progress)?);
        }
        counts.check(kind, &files.paths[0], options.max_bad_rows)?;
        notes.warnings.extend(counts.warnings());
        Ok(all)
    };
    let files = find(&source.train, Purpose::Training)?;
    let all = read(&files, "training")?;
    let (train, eval) = match &source.held_out {
        HeldOut::Files(named) => {
            let eval_files = find(named, Purpose::Evaluation)?;
            let eval = read(&eval_files, "evaluation")?;
            notes.warnings.extend(eval_files.overlap(&files));
            (all, eval)
        }
        HeldOut::Fraction(fraction) => {
            let held_out = draw(&vec![0; all.len()], *fraction, options.seed)?;
            let (mut train, mut eval) = (Vec::new(), Vec::new());
            for (example, held_out) in all.into_iter().zip(held_out) {
                if held_out { eval.push(example) } else { train.push(example) }
            }
            (train, eval)
        }
    };
    Ok(InstructionDataset { name: files.name, train, eval, notes: notes.info, warnings: notes.warnings })
}
