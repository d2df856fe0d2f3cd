//! Objects of a file become dialogues. One that cannot be read is an error with its place; one with nothing to learn is
//! left out and counted.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::render::alpaca_prompt;
use super::{Dialogue, InstructionFormat, Message};
use crate::Usage;
use crate::data::records::{Objects, expect_file};
use crate::protocol::Progress;

/// Text held in memory, in bytes.
const MOST_TEXT: usize = 8 << 30;

/// The longest plain text file read, in bytes.
const LONGEST_TEXT: u64 = 1 << 30;

/// Messages of one conversation. More is no conversation but a file of another kind.
const MOST_MESSAGES: usize = 10_000;

/// What is in a file.
pub(super) struct Read {
    pub dialogues: Vec<Dialogue>,
    pub warning: Option<String>,
}

/// Reads a file.
pub(super) fn read(path: &Path, format: InstructionFormat, progress: &dyn Fn(Progress)) -> Result<Read> {
    expect_file(path)?;
    if format == InstructionFormat::Text && path.extension().is_some_and(|extension| extension == "txt") {
        return plain_text(path);
    }
    let (mut dialogues, mut idle, mut text) = (Vec::new(), Vec::new(), 0);
    Objects::open(path)?.for_each(progress, |object| {
        let place = object.place;
        let dialogue = dialogue(format, object.fields)
            .map_err(|complaint| Usage(format!("{}:{place}: {complaint}", path.display())))?;
        if !dialogue.teaches() {
            idle.push(place);
            return Ok(());
        }
        text += dialogue.bytes();
        if text > MOST_TEXT {
            bail!(Usage(format!("{}:{place}: more than {} GiB of text", path.display(), MOST_TEXT >> 30)));
        }
        dialogues.push(dialogue);
        Ok(())
    })?;
    let warning = (!idle.is_empty()).then(|| {
        let first = idle.iter().take(5).map(u64::to_string).collect::<Vec<_>>().join(", ");
        let more = if idle.len() > 5 { ", …" } else { "" };
        let rows = if idle.len() == 1 { "row" } else { "rows" };
        format!("{}: {} {rows} left out for having nothing to learn ({first}{more})", path.display(), idle.len())
    });
    Ok(Read { dialogues, warning })
}

/// The whole file is one text.
fn plain_text(path: &Path) -> Result<Read> {
    if path.metadata()?.len() > LONGEST_TEXT {
        bail!(Usage(format!("{}: larger than {} GiB; cut it into parts", path.display(), LONGEST_TEXT >> 30)));
    }
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            bail!(Usage(format!("{}: not UTF-8", path.display())))
        }
        text => text?,
    };
    let dialogue = Dialogue::Text(text);
    Ok(Read { dialogues: if dialogue.teaches() { vec![dialogue] } else { Vec::new() }, warning: None })
}

impl Dialogue {
    /// Whether there is anything to learn from it.
    fn teaches(&self) -> bool {
        match self {
            Dialogue::Prompted { response, .. } => !response.trim().is_empty(),
            Dialogue::Chat(messages) => {
                messages.iter().any(|message| message.learnt && !message.content.trim().is_empty())
            }
            Dialogue::Text(text) => !text.trim().is_empty(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Dialogue::Prompted { prompt, response } => prompt.len() + response.len(),
            Dialogue::Chat(messages) => messages.iter().map(|message| message.content.len()).sum(),
            Dialogue::Text(text) => text.len(),
        }
    }
}

/// An object's meaning, or what is wrong with it.
fn dialogue(format: InstructionFormat, mut fields: Map<String, Value>) -> Result<Dialogue, String> {
    Ok(match format {
        InstructionFormat::Alpaca => {
            let instruction = text(&mut fields, "instruction")?;
            let input = optional_text(&mut fields, "input")?.unwrap_or_default();
            let response = text(&mut fields, "output")?;
            Dialogue::Prompted { prompt: alpaca_prompt(&instruction, &input), response }
        }
        InstructionFormat::PromptCompletion => {
            Dialogue::Prompted { prompt: text(&mut fields, "prompt")?, response: text(&mut fields, "completion")? }
        }
        InstructionFormat::Text => Dialogue::Text(text(&mut fields, "text")?),
        InstructionFormat::Messages => {
            let messages = list(&mut fields, "messages")?;
            chat((1..).zip(messages).map(|(number, message)| openai(message).map_err(|e| numbered(number, &e))))?
        }
        InstructionFormat::ShareGpt => {
            let turns = list(&mut fields, "conversations")?;
            let system = optional_text(&mut fields, "system")?.filter(|system| !system.trim().is_empty());
            let system = system.map(|content| Ok(Message::plain("system", content)));
            let turns = (1..).zip(turns).map(|(number, turn)| sharegpt(turn).map_err(|e| numbered(number, &e)));
            chat(system.into_iter().chain(turns))?
        }
    })
}

fn numbered(number: usize, complaint: &str) -> String {
    format!("message {number}: {complaint}")
}

fn chat(messages: impl Iterator<Item = Result<Message, String>>) -> Result<Dialogue, String> {
    Ok(Dialogue::Chat(messages.collect::<Result<_, _>>()?))
}

impl Message {
    /// A message without anything else; what the assistant says is learnt.
    pub fn plain(role: &str, content: String) -> Message {
        Message { role: role.to_owned(), content, learnt: role == "assistant", rest: Map::new() }
    }
}

/// `role`, `content`, and what else there may be. A `weight` of 0 on an answer means that it is not to be learnt.
fn openai(message: Value) -> Result<Message, String> {
    let Value::Object(mut fields) = message else { return Err("not an object with role and content".into()) };
    let role = text(&mut fields, "role")?;
    let content = match fields.shift_remove("content") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(content)) => content,
        Some(Value::Array(parts)) => parts.into_iter().map(part).collect::<Result<_, _>>()?,
        Some(_) => return Err("\"content\" is neither a text nor a list of them".into()),
    };
    let weight = fields.shift_remove("weight").and_then(|weight| weight.as_f64());
    Ok(Message { learnt: role == "assistant" && weight != Some(0.0), role, content, rest: fields })
}

/// A part of a content in parts.
fn part(part: Value) -> Result<String, String> {
    match part {
        Value::Object(mut fields) if fields.get("type").is_none_or(|kind| kind == "text") => text(&mut fields, "text"),
        _ => Err("\"content\" has a part that is no text; only texts can be learnt".into()),
    }
}

/// `from` and `value`, with the names that ShareGPT's files have for who speaks.
fn sharegpt(turn: Value) -> Result<Message, String> {
    let Value::Object(mut fields) = turn else { return Err("not an object with from and value".into()) };
    let from = text(&mut fields, "from")?;
    let role = match from.as_str() {
        "human" | "user" => "user",
        "gpt" | "assistant" | "chatgpt" | "bing" | "bard" => "assistant",
        "system" => "system",
        "tool" | "observation" | "function_response" => "tool",
        other => return Err(format!("\"from\" is \"{other}\"; expected human, gpt, system or tool")),
    };
    Ok(Message::plain(role, text(&mut fields, "value")?))
}

fn list(fields: &mut Map<String, Value>, key: &str) -> Result<Vec<Value>, String> {
    match fields.shift_remove(key) {
        Some(Value::Array(list)) if list.len() <= MOST_MESSAGES => Ok(list),
        Some(Value::Array(list)) => Err(format!("\"{key}\" has {} entries, {MOST_MESSAGES} at most", list.len())),
        Some(_) => Err(format!("\"{key}\" is not a list")),
        None => Err(missing(fields, key)),
    }
}

fn text(fields: &mut Map<String, Value>, key: &str) -> Result<String, String> {
    match optional_text(fields, key)? {
        Some(text) => Ok(text),
        None => Err(missing(fields, key)),
    }
}

fn optional_text(fields: &mut Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match fields.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("\"{key}\" is not a text")),
    }
}

fn missing(fields: &Map<String, Value>, key: &str) -> String {
    let there = fields.keys().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("no \"{key}\"; there are: {there}")
}
