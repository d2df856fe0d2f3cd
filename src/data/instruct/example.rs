//! Examples for a language model: their formats, their files and what they are loaded into.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::data::HeldOut;

/// The format of a file's examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionFormat {
    /// `instruction`, `input` and `output`, rendered with the prompt of Stanford Alpaca.
    Alpaca,
    /// `conversations` of `from` and `value`.
    ShareGpt,
    /// `messages` of `role` and `content`, as in OpenAI's API.
    Messages,
    /// `prompt` and `completion`, concatenated without a separator.
    PromptCompletion,
    /// `text`, all of it counted in the loss.
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

    /// Whether examples are conversations, which the tokenizer's chat template renders.
    pub fn is_chat(self) -> bool {
        matches!(self, InstructionFormat::ShareGpt | InstructionFormat::Messages)
    }
}

/// The files of a dataset for a language model.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionSource {
    pub format: InstructionFormat,
    /// At least one file, folder or glob pattern: JSON, CSV, TSV, parquet or, for plain text, .txt.
    pub train: Vec<PathBuf>,
    pub held_out: HeldOut,
}

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub enum InstructionExample {
    /// The completion counts in the loss.
    PromptCompletion { prompt: String, completion: String },
    /// Messages with [`Message::in_loss`] count in the loss.
    Conversation(Vec<Message>),
    /// All of the text counts in the loss.
    Text(String),
}

impl InstructionExample {
    /// The beginning of its text, to identify it in errors.
    pub(super) fn beginning(&self) -> &str {
        match self {
            InstructionExample::PromptCompletion { prompt: text, .. } | InstructionExample::Text(text) => text,
            InstructionExample::Conversation(messages) => messages.first().map_or("", |message| &message.content),
        }
    }
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// `system`, `user`, `assistant`, or another role of the chat template.
    pub role: String,
    pub content: String,
    /// Whether its tokens count in the loss.
    pub in_loss: bool,
    /// Other fields, such as `tool_calls`, which are passed to the chat template.
    pub extra: Map<String, Value>,
}

/// A dataset for a language model with its held-out set.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionDataset {
    /// The name of the first training file or folder.
    pub name: String,
    /// At least one, in the file's order.
    pub train: Vec<InstructionExample>,
    /// At least one.
    pub eval: Vec<InstructionExample>,
    /// Which files were read and how, one sentence each, where that is not plain.
    pub notes: Vec<String>,
    /// Skipped rows, one sentence per file and reason.
    pub warnings: Vec<String>,
}
