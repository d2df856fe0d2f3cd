//! Texts that a language model should learn to write: instructions, conversations, completions, plain text.
//!
//! ```text
//! rows      objects of a JSON, JSON-lines or parquet file become dialogues; what is wrong with one is said with its place
//! template  a conversation as the tokenizer's own chat template writes it
//! render    dialogues become text, and which parts of it are to be learnt
//! phrase    text becomes tokens: BOS once, EOS learnt, too long ones cut so that the answer stays
//! pack      several short examples in one row
//! ```

mod dumps;
mod pack;
mod prompt_encoder;
mod render;
mod rows;
mod special;
mod template;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::split::drawn;
use super::table::HeldOut;
use crate::Usage;
use crate::protocol::Progress;
pub use pack::pack;
pub use prompt_encoder::{EncodedPrompts, PromptEncoder};
pub use template::ChatTemplate;

/// How examples are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionFormat {
    /// `instruction`, `input` and `output`, put into the prompt that Stanford's Alpaca was trained on.
    Alpaca,
    /// `conversations` of `from` and `value`.
    ShareGpt,
    /// `messages` of `role` and `content`, as OpenAI has them.
    Messages,
    /// `prompt` and `completion`, one behind the other as they are.
    PromptCompletion,
    /// `text`, all of it to be learnt.
    Text,
}

impl InstructionFormat {
    /// The formats by their names in a preset.
    pub const NAMES: [(&str, InstructionFormat); 5] = [
        ("alpaca", InstructionFormat::Alpaca),
        ("sharegpt", InstructionFormat::ShareGpt),
        ("messages", InstructionFormat::Messages),
        ("prompt_completion", InstructionFormat::PromptCompletion),
        ("text", InstructionFormat::Text),
    ];

    /// Whether the tokenizer's chat template writes the examples.
    pub fn is_chat(self) -> bool {
        matches!(self, InstructionFormat::ShareGpt | InstructionFormat::Messages)
    }
}

/// Where examples are.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionSource {
    /// How they are written down.
    pub format: InstructionFormat,
    /// Files to train on: at least one, of .json, .jsonl, .parquet or, for plain text, .txt.
    pub train: Vec<PathBuf>,
    /// What to evaluate on.
    pub held_out: HeldOut,
}

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialogue {
    /// What is given, and what should follow.
    Prompted {
        /// Given.
        prompt: String,
        /// To be learnt.
        response: String,
    },
    /// Who said what; what the assistant said is to be learnt.
    Chat(Vec<Message>),
    /// All of it is to be learnt.
    Text(String),
}

impl Dialogue {
    /// What it begins with, by which a reader may know it.
    fn beginning(&self) -> &str {
        match self {
            Dialogue::Prompted { prompt: text, .. } | Dialogue::Text(text) => text,
            Dialogue::Chat(messages) => messages.first().map_or("", |message| &message.content),
        }
    }
}

/// A part of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// `system`, `user`, `assistant`, or whatever else the template knows.
    pub role: String,
    /// The text.
    pub content: String,
    /// Whether it is to be learnt.
    pub learnt: bool,
    /// What else the file says of it, such as `tool_calls`, for the template.
    pub rest: Map<String, Value>,
}

/// Examples to train and evaluate on.
#[derive(Clone, Debug, PartialEq)]
pub struct Instructions {
    /// The first training file's name.
    pub name: String,
    /// At least one, in the file's order.
    pub train: Vec<Dialogue>,
    /// At least one.
    pub eval: Vec<Dialogue>,
    /// What was left out, one sentence per file.
    pub warnings: Vec<String>,
}

/// Reads the examples of one file.
///
/// # Errors
/// As [`load`], but that there may be none.
pub fn read(path: &Path, format: InstructionFormat, progress: &dyn Fn(Progress)) -> Result<Vec<Dialogue>> {
    Ok(rows::read(path, format, progress)?.dialogues)
}

/// Reads and checks all examples. `seed` decides which are held out where a share is.
///
/// # Errors
/// [`Usage`], naming file and row: a file or key that is not there, a value of the wrong type, no examples at all.
pub fn load(source: &InstructionSource, seed: u64, progress: &dyn Fn(Progress)) -> Result<Instructions> {
    let mut warnings = Vec::new();
    let mut read = |paths: &[PathBuf]| {
        let mut all = Vec::new();
        for path in paths {
            let read = rows::read(path, source.format, progress)?;
            warnings.extend(read.warning);
            all.extend(read.dialogues);
        }
        match (all.is_empty(), paths.first()) {
            (true, Some(path)) => bail!(Usage(format!("{}: no examples", path.display()))),
            _ => Ok(all),
        }
    };
    let all = read(&source.train)?;
    let (train, eval) = match &source.held_out {
        HeldOut::File(path) => (all, read(std::slice::from_ref(path))?),
        HeldOut::Share(share) => {
            let held_out = drawn(&vec![0; all.len()], *share, seed)?;
            let (eval, train): (Vec<_>, Vec<_>) = all.into_iter().zip(held_out).partition(|(_, held_out)| *held_out);
            let without = |examples: Vec<(Dialogue, bool)>| examples.into_iter().map(|(example, _)| example).collect();
            (without(train), without(eval))
        }
    };
    let name = source.train.first().map(PathBuf::as_path).and_then(Path::file_stem).unwrap_or_default();
    Ok(Instructions { name: name.to_string_lossy().into_owned(), train, eval, warnings })
}
