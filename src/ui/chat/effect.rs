//! What the chat asks of the thread that generates, and of the disk.

use std::path::PathBuf;

use crate::chat::ChatRequest;

/// What is to be done for the chat.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEffect {
    /// Send a request; `prompt` is one that the user typed, to keep it for later chats.
    Generate { request: ChatRequest, prompt: Option<String> },
    /// Stop the completions up to this number.
    Stop(u64),
    /// Append an example to a file of training data.
    SaveExample { file: PathBuf, line: String },
}
