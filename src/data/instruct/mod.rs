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

use super::left_out::RowCounts;
use super::split::draw;
use super::{HeldOut, ReadOptions};
use crate::protocol::Progress;
pub use example::{InstructionDataset, InstructionExample, InstructionFormat, InstructionSource, Message};
pub use pack::pack;
pub use prompt_encoder::{EncodedPrompts, PromptEncoder};
pub use template::{ChatTemplate, TemplateError};

/// Reads the examples of one file.
///
/// # Errors
/// As [`load`], but a file without examples is not an error.
pub fn read(path: &Path, format: InstructionFormat, progress: &dyn Fn(Progress)) -> Result<Vec<InstructionExample>> {
    rows::read(path, format, &mut RowCounts::default(), progress)
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
    let mut warnings = Vec::new();
    let mut read = |paths: &[PathBuf], kind: &str| -> Result<_> {
        let (mut all, mut counts) = (Vec::new(), RowCounts::default());
        for path in paths {
            all.extend(rows::read(path, source.format, &mut counts, progress)?);
        }
        counts.check(kind, paths.first().map_or(Path::new(""), PathBuf::as_path), options.max_bad_rows)?;
        warnings.extend(counts.warnings());
        Ok(all)
    };
    let all = read(&source.train, "training")?;
    let (train, eval) = match &source.held_out {
        HeldOut::File(path) => (all, read(std::slice::from_ref(path), "evaluation")?),
        HeldOut::Fraction(fraction) => {
            let held_out = draw(&vec![0; all.len()], *fraction, options.seed)?;
            let (mut train, mut eval) = (Vec::new(), Vec::new());
            for (example, held_out) in all.into_iter().zip(held_out) {
                if held_out { eval.push(example) } else { train.push(example) }
            }
            (train, eval)
        }
    };
    let name = source.train.first().map(PathBuf::as_path).and_then(Path::file_stem).unwrap_or_default();
    Ok(InstructionDataset { name: name.to_string_lossy().into_owned(), train, eval, warnings })
}
