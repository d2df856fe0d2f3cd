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

use anyhow::{Result, bail};

use super::HeldOut;
use super::split::draw;
use crate::Usage;
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
    Ok(rows::read(path, format, progress)?.examples)
}

/// Reads and checks all examples. `seed` draws the held-out set where it is a fraction of the training files.
///
/// # Errors
/// [`Usage`] with file and row: a missing file or key, a value of the wrong type, no examples.
pub fn load(source: &InstructionSource, seed: u64, progress: &dyn Fn(Progress)) -> Result<InstructionDataset> {
    let mut warnings = Vec::new();
    let mut read = |paths: &[PathBuf]| {
        let mut all = Vec::new();
        for path in paths {
            let rows = rows::read(path, source.format, progress)?;
            warnings.extend(rows.warning);
            all.extend(rows.examples);
        }
        match (all.is_empty(), paths.first()) {
            (true, Some(path)) => bail!(Usage(format!("{}: no examples", path.display()))),
            _ => Ok(all),
        }
    };
    let all = read(&source.train)?;
    let (train, eval) = match &source.held_out {
        HeldOut::File(path) => (all, read(std::slice::from_ref(path))?),
        HeldOut::Fraction(fraction) => {
            let held_out = draw(&vec![0; all.len()], *fraction, seed)?;
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
