//! Examples for a language model: their formats, their files and what they are loaded into.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::roles::ASSISTANT;
use crate::data::HeldOut;

/// The key of tool calls in a message.
pub(super) const TOOL_CALLS: &str = "tool_calls";

/// The key under which chat templates find the reasoning before an answer.
pub(super) const REASONING: &str = "reasoning_content";

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
    /// Names of the file's keys or columns where they are not those that are known, by the key of the format.
    pub columns: BTreeMap<String, String>,
    /// At least one file, folder or glob pattern: JSON, CSV, TSV, parquet or, for plain text, .txt.
    pub train: Vec<PathBuf>,
    pub held_out: HeldOut,
}

/// An example and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct InstructionRow {
    pub example: InstructionExample,
    pub file: Arc<Path>,
    /// Line, or number of the row in a file without lines, from 1.
    pub line: u64,
}

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub enum InstructionExample {
    /// The completion counts in the loss.
    PromptCompletion { prompt: String, completion: String },
    /// Messages with [`Message::in_loss`] count in the loss.
    Conversation(Conversation),
    /// All of the text counts in the loss.
    Text(String),
}

/// What the chat template renders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    pub messages: Vec<Message>,
    /// JSON schemas of the tools, a list; `None` without tools.
    pub tools: Option<Value>,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`, or another role of the chat template.
    pub role: String,
    /// `None` beside tool calls alone.
    pub content: Option<String>,
    /// Whether its tokens count in the loss.
    pub in_loss: bool,
    /// Other fields, such as `tool_calls`, which are passed to the chat template.
    pub extra: Map<String, Value>,
}

impl Message {
    /// A message without extra fields. The assistant's messages count in the loss.
    pub fn plain(role: &str, content: String) -> Message {
        Message { role: role.to_owned(), content: Some(content), in_loss: role == ASSISTANT, extra: Map::new() }
    }

    /// The content, empty if there is none.
    pub fn text(&self) -> &str {
        self.content.as_deref().unwrap_or_default()
    }

    /// The content without reasoning before it.
    pub(super) fn answer(&self) -> &str {
        self.text().rsplit("</think>").next().unwrap_or_default()
    }

    /// Whether it calls tools.
    pub fn has_tool_calls(&self) -> bool {
        self.extra.contains_key(TOOL_CALLS)
    }

    /// Whether the template has something of it to write.
    pub(super) fn is_blank(&self) -> bool {
        self.text().trim().is_empty() && !self.has_tool_calls() && !self.extra.contains_key(REASONING)
    }
}
