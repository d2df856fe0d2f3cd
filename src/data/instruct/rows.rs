//! Objects of a file become examples. A row that cannot be used is left out and counted by its fault.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::fault::RowFault;
use super::keys::{KeyNames, Named};
use super::messages::{MessageReader, tools};
use super::render::alpaca_prompt;
use super::understood::Understood;
use super::{Conversation, InstructionExample, InstructionFormat, InstructionRow, Message};
use crate::Usage;
use crate::data::left_out::RowCounts;
use crate::data::records::{FileNotes, Objects, extension, read_text};
use crate::protocol::Progress;

/// Limit on the text held in memory, in bytes.
const MAX_TEXT: usize = 8 << 30;

/// Alpaca's own mark of an instruction without input.
const NO_INPUT: &str = "<noinput>";

/// Reads the examples of files of one format.
pub(super) struct RowReader {
    format: InstructionFormat,
    keys: KeyNames,
    messages: MessageReader,
    /// How often a key was in rows and not used.
    ignored: BTreeMap<String, u64>,
    text: usize,
    /// How files were read, and what was replaced in them.
    pub notes: FileNotes,
}

impl RowReader {
    /// `columns` are the names of keys that the preset sets.
    pub fn new(format: InstructionFormat, columns: &BTreeMap<String, String>) -> RowReader {
        let messages = match format {
            InstructionFormat::ShareGpt => MessageReader::new("from", "value"),
            _ => MessageReader::new("role", "content"),
        };
        RowReader {
            format,
            keys: KeyNames::new(format, columns),
            messages,
            ignored: BTreeMap::new(),
            text: 0,
            notes: FileNotes::default(),
        }
    }

    /// The examples of one file.
    ///
    /// # Errors
    /// [`Usage`]: the file cannot be read or is not of its format, or has none of a column of `data.columns`.
    pub fn read(
        &mut self,
        path: &Path,
        counts: &mut RowCounts,
        progress: &dyn Fn(Progress),
    ) -> Result<Vec<InstructionRow>> {
        let file: Arc<Path> = path.into();
        let mut rows = Vec::new();
        let mut keep = |line: u64, example: Result<InstructionExample, RowFault>| {
            counts.count_row();
            match example.and_then(InstructionExample::checked) {
                Ok(example) => rows.push(InstructionRow { example, file: file.clone(), line }),
                Err(fault) => counts.leave_out(path, &fault.to_string(), line),
            }
        };
        if self.format == InstructionFormat::Text && extension(path) == "txt" {
            let (text, notes) = read_text(path)?;
            self.notes.extend(notes);
            keep(1, Ok(InstructionExample::Text(text)));
            return Ok(rows);
        }
        let notes = Objects::open(path)?.for_each(progress, |object| {
            let example = object.fields.map_err(RowFault::from).and_then(|fields| self.example(fields));
            self.text += example.as_ref().map_or(0, InstructionExample::bytes);
            if self.text > MAX_TEXT {
                bail!(Usage(format!(
                    "{}:{}: more than {} GiB of text; train on a part of it",
                    path.display(),
                    object.row,
                    MAX_TEXT >> 30
                )));
            }
            keep(object.row, example);
            Ok(())
        })?;
        self.notes.extend(notes);
        Ok(rows)
    }

    /// # Errors
    /// [`Usage`]: no row had a column of `data.columns`.
    pub fn understood(self, path: &Path) -> Result<Understood> {
        if let Some((key, column)) = self.keys.missing_columns().next() {
            let ignored = self.ignored.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            bail!(Usage(format!(
                "data.columns: {key} is \"{column}\", but no row of {} has it; the other keys are {ignored}",
                path.display()
            )));
        }
        Ok(Understood {
            format: self.format,
            keys: self.keys.description(),
            roles: self.messages.roles,
            ignored: self.ignored,
        })
    }

    fn example(&mut self, mut fields: Map<String, Value>) -> Result<InstructionExample, RowFault> {
        let example = self.example_of(&mut fields);
        for (key, value) in fields {
            if !value.is_null() && (self.ignored.len() < MAX_IGNORED || self.ignored.contains_key(&key)) {
                *self.ignored.entry(key).or_default() += 1;
            }
        }
        example
    }

    fn example_of(&mut self, fields: &mut Map<String, Value>) -> Result<InstructionExample, RowFault> {
        let keys = &mut self.keys;
        match self.format {
            InstructionFormat::Alpaca => {
                let instruction = keys.require(fields, "instruction")?.into_text()?;
                let input = keys.take(fields, "input").map(Named::into_text).transpose()?.unwrap_or_default();
                let completion = keys.require(fields, "output")?.into_text()?;
                let none = input.trim().is_empty() || input.trim().eq_ignore_ascii_case(NO_INPUT);
                let prompt = alpaca_prompt(&instruction, if none { "" } else { &input });
                Ok(InstructionExample::PromptCompletion { prompt, completion })
            }
            InstructionFormat::PromptCompletion => {
                let prompt = keys.require(fields, "prompt")?;
                let completion = keys.require(fields, "completion")?;
                if is_messages(&prompt.value) || is_messages(&completion.value) {
                    let mut messages = self.side(prompt, "user")?;
                    messages.iter_mut().for_each(|message| message.in_loss = false);
                    messages.extend(self.side(completion, super::roles::ASSISTANT)?);
                    let tools = tools(fields, &mut self.keys)?;
                    return Ok(InstructionExample::Conversation(Conversation { messages, tools }));
                }
                let (prompt, completion) = (prompt.into_text()?, completion.into_text()?);
                Ok(InstructionExample::PromptCompletion { prompt, completion })
            }
            InstructionFormat::Text => Ok(InstructionExample::Text(keys.require(fields, "text")?.into_text()?)),
            InstructionFormat::Messages | InstructionFormat::ShareGpt => {
                let key = if self.format == InstructionFormat::Messages { "messages" } else { "conversations" };
                let list = keys.require(fields, key)?;
                Ok(InstructionExample::Conversation(self.messages.conversation(list, fields, keys)?))
            }
        }
    }

    /// A prompt or completion as messages: a list of them, or the text of one.
    fn side(&mut self, side: Named, role: &str) -> Result<Vec<Message>, RowFault> {
        if is_messages(&side.value) {
            return self.messages.messages(side, &mut self.keys);
        }
        Ok(vec![Message::plain(role, side.into_text()?)])
    }
}

/// Unused keys that are noted.
const MAX_IGNORED: usize = 100;

/// Whether a prompt or completion is a list of messages, as in TRL's conversational format.
fn is_messages(value: &Value) -> bool {
    value
        .as_array()
        .and_then(|list| list.first())
        .is_some_and(|first| first.get("role").is_some() || first.get("from").is_some())
}

impl InstructionExample {
    /// Checks that some of its text counts in the loss.
    fn checked(self) -> Result<InstructionExample, RowFault> {
        let fault = match &self {
            InstructionExample::PromptCompletion { completion: text, .. } | InstructionExample::Text(text) => {
                text.trim().is_empty().then_some(RowFault::EmptyAnswer)
            }
            InstructionExample::Conversation(Conversation { messages, .. }) => {
                let answers = || messages.iter().filter(|message| message.role == super::roles::ASSISTANT);
                let in_loss = || answers().filter(|message| message.in_loss);
                match () {
                    () if in_loss().any(|message| !message.is_blank()) => None,
                    () if in_loss().next().is_some() => Some(RowFault::EmptyAnswer),
                    () if answers().next().is_some() => Some(RowFault::NoLoss),
                    () => Some(RowFault::NoAssistant),
                }
            }
        };
        fault.map_or(Ok(self), Err)
    }

    fn bytes(&self) -> usize {
        match self {
            InstructionExample::PromptCompletion { prompt, completion } => prompt.len() + completion.len(),
            InstructionExample::Conversation(Conversation { messages, .. }) => {
                messages.iter().map(|message| message.text().len()).sum()
            }
            InstructionExample::Text(text) => text.len(),
        }
    }
}
