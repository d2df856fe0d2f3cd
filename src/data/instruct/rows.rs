//! Objects of a file become examples. A malformed object is an error with file and row; one without tokens for the loss is
//! skipped and counted.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::render::alpaca_prompt;
use super::{InstructionExample, InstructionFormat, Message};
use crate::Usage;
use crate::data::left_out::RowCounts;
use crate::data::records::{Objects, RowError, expect_file};
use crate::protocol::Progress;

/// Limit on the text held in memory, in bytes.
const MAX_TEXT: usize = 8 << 30;

/// Limit on a plain text file, in bytes.
const MAX_TEXT_FILE: u64 = 1 << 30;

/// Limit on the messages of a conversation. A list with more is something else.
const MAX_MESSAGES: usize = 10_000;

/// The examples of one file.
pub(super) fn read(
    path: &Path,
    format: InstructionFormat,
    counts: &mut RowCounts,
    progress: &dyn Fn(Progress),
) -> Result<Vec<InstructionExample>> {
    expect_file(path)?;
    if format == InstructionFormat::Text && path.extension().is_some_and(|extension| extension == "txt") {
        return plain_text(path, counts);
    }
    let (mut examples, mut text) = (Vec::new(), 0);
    Objects::open(path)?.for_each(progress, |object| {
        let row = object.row;
        counts.count_row();
        let example = example(format, object.fields).map_err(|error| error.at(path, row))?;
        if !example.has_loss() {
            counts.leave_out(path, "nothing to train on", row);
            return Ok(());
        }
        text += example.bytes();
        if text > MAX_TEXT {
            bail!(Usage(format!(
                "{}:{row}: more than {} GiB of text; train on a part of it",
                path.display(),
                MAX_TEXT >> 30
            )));
        }
        examples.push(example);
        Ok(())
    })?;
    Ok(examples)
}

/// The whole file is one text.
fn plain_text(path: &Path, counts: &mut RowCounts) -> Result<Vec<InstructionExample>> {
    counts.count_row();
    if path.metadata()?.len() > MAX_TEXT_FILE {
        bail!(Usage(format!(
            "{}: larger than {} GiB; split it into several files",
            path.display(),
            MAX_TEXT_FILE >> 30
        )));
    }
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            bail!(Usage(format!("{}: not UTF-8", path.display())))
        }
        text => text?,
    };
    let example = InstructionExample::Text(text);
    if !example.has_loss() {
        counts.leave_out(path, "nothing to train on", 1);
        return Ok(Vec::new());
    }
    Ok(vec![example])
}

impl InstructionExample {
    /// Whether any of its text counts in the loss.
    fn has_loss(&self) -> bool {
        match self {
            InstructionExample::PromptCompletion { completion, .. } => !completion.trim().is_empty(),
            InstructionExample::Conversation(messages) => {
                messages.iter().any(|message| message.in_loss && !message.content.trim().is_empty())
            }
            InstructionExample::Text(text) => !text.trim().is_empty(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            InstructionExample::PromptCompletion { prompt, completion } => prompt.len() + completion.len(),
            InstructionExample::Conversation(messages) => messages.iter().map(|message| message.content.len()).sum(),
            InstructionExample::Text(text) => text.len(),
        }
    }
}

fn example(format: InstructionFormat, mut fields: Map<String, Value>) -> Result<InstructionExample, RowError> {
    Ok(match format {
        InstructionFormat::Alpaca => {
            let instruction = text(&mut fields, "instruction")?;
            let input = optional_text(&mut fields, "input")?.unwrap_or_default();
            let completion = text(&mut fields, "output")?;
            InstructionExample::PromptCompletion { prompt: alpaca_prompt(&instruction, &input), completion }
        }
        InstructionFormat::PromptCompletion => {
            let prompt = text(&mut fields, "prompt")?;
            InstructionExample::PromptCompletion { prompt, completion: text(&mut fields, "completion")? }
        }
        InstructionFormat::Text => InstructionExample::Text(text(&mut fields, "text")?),
        InstructionFormat::Messages => {
            let messages = list(&mut fields, "messages")?;
            conversation(
                (1..).zip(messages).map(|(number, message)| openai(message).map_err(|e| numbered(number, &e))),
            )?
        }
        InstructionFormat::ShareGpt => {
            let turns = list(&mut fields, "conversations")?;
            let system = optional_text(&mut fields, "system")?.filter(|system| !system.trim().is_empty());
            let system = system.map(|content| Ok(Message::plain("system", content)));
            let turns = (1..).zip(turns).map(|(number, turn)| sharegpt(turn).map_err(|e| numbered(number, &e)));
            conversation(system.into_iter().chain(turns))?
        }
    })
}

fn numbered(number: usize, error: &RowError) -> RowError {
    RowError::new(format!("message {number}: {error}"))
}

fn conversation(messages: impl Iterator<Item = Result<Message, RowError>>) -> Result<InstructionExample, RowError> {
    Ok(InstructionExample::Conversation(messages.collect::<Result<_, _>>()?))
}

impl Message {
    /// A message without extra fields. The assistant's messages count in the loss.
    pub fn plain(role: &str, content: String) -> Message {
        Message { role: role.to_owned(), content, in_loss: role == "assistant", extra: Map::new() }
    }
}

/// A message of OpenAI's format. A `weight` of 0 excludes an assistant's message from the loss.
fn openai(message: Value) -> Result<Message, RowError> {
    let Value::Object(mut fields) = message else {
        return Err(RowError::new("expected an object with role and content"));
    };
    let role = text(&mut fields, "role")?;
    let content = match fields.shift_remove("content") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(content)) => content,
        Some(Value::Array(parts)) => parts.into_iter().map(part).collect::<Result<_, _>>()?,
        Some(_) => return Err(RowError::new("\"content\" is neither a string nor a list of parts")),
    };
    let weight = fields.shift_remove("weight").and_then(|weight| weight.as_f64());
    Ok(Message { in_loss: role == "assistant" && weight != Some(0.0), role, content, extra: fields })
}

/// The text of one part of a `content` list.
fn part(part: Value) -> Result<String, RowError> {
    match part {
        Value::Object(mut fields) if fields.get("type").is_none_or(|kind| kind == "text") => text(&mut fields, "text"),
        _ => Err(RowError::new("\"content\" has a part that is not text; only text parts are supported")),
    }
}

/// A turn of ShareGPT's format, whose files name the roles in several ways.
fn sharegpt(turn: Value) -> Result<Message, RowError> {
    let Value::Object(mut fields) = turn else { return Err(RowError::new("expected an object with from and value")) };
    let from = text(&mut fields, "from")?;
    let role = match from.as_str() {
        "human" | "user" => "user",
        "gpt" | "assistant" | "chatgpt" | "bing" | "bard" => "assistant",
        "system" => "system",
        "tool" | "observation" | "function_response" => "tool",
        other => {
            return Err(RowError::new(format!("\"from\" is \"{other}\"; expected human, gpt, system or tool")));
        }
    };
    Ok(Message::plain(role, text(&mut fields, "value")?))
}

fn list(fields: &mut Map<String, Value>, key: &str) -> Result<Vec<Value>, RowError> {
    match fields.shift_remove(key) {
        Some(Value::Array(list)) if list.len() <= MAX_MESSAGES => Ok(list),
        Some(Value::Array(list)) => {
            Err(RowError::new(format!("\"{key}\" has {} entries; the limit is {MAX_MESSAGES}", list.len())))
        }
        Some(_) => Err(RowError::new(format!("\"{key}\" is not a list"))),
        None => Err(missing(fields, key)),
    }
}

fn text(fields: &mut Map<String, Value>, key: &str) -> Result<String, RowError> {
    match optional_text(fields, key)? {
        Some(text) => Ok(text),
        None => Err(missing(fields, key)),
    }
}

fn optional_text(fields: &mut Map<String, Value>, key: &str) -> Result<Option<String>, RowError> {
    match fields.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(RowError::new(format!("\"{key}\" is not a string"))),
    }
}

fn missing(fields: &Map<String, Value>, key: &str) -> RowError {
    let keys = fields.keys().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    RowError::new(format!("no key \"{key}\"; the keys are {keys}"))
}
