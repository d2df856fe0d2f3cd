//! An exchange as a row of training data, in a form that `data` reads back.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

/// A prompt and its answer, to be trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatExample {
    pub system: Option<String>,
    pub prompt: String,
    pub answer: String,
}

impl ChatExample {
    /// A line of `messages`, as `data.format = "messages"` reads it.
    pub fn to_messages(&self) -> String {
        let message = |role: &str, content: &str| json!({"role": role, "content": content});
        let system = self.system.iter().map(|system| message("system", system));
        let turn = [message("user", &self.prompt), message("assistant", &self.answer)];
        json!({"messages": system.chain(turn).collect::<Vec<_>>()}).to_string()
    }

    /// A line of `instruction`, `input` and `output`, as `data.format = "alpaca"` reads it. It has no system prompt.
    pub fn to_alpaca(&self) -> String {
        json!({"instruction": self.prompt, "input": "", "output": self.answer}).to_string()
    }
}

/// Appends a line to a file of examples, and makes the file if there is none.
///
/// # Errors
/// The file cannot be written.
pub fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    // One write, so that lines of several processes never mix.
    file.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::instruct::{InstructionExample, InstructionFormat, Message, read};

    #[test]
    fn saved_examples_are_read_back_as_data() {
        let folder = tempfile::tempdir().unwrap();
        let example = ChatExample {
            system: Some("Be \"brief\".".into()),
            prompt: "What is\n2 + 2? 学".into(),
            answer: "4\n\tor \\four".into(),
        };
        let read = |name: &str, format, line: String| {
            let file = folder.path().join(name);
            append(&file, &line).unwrap();
            append(&file, &line).unwrap();
            let (rows, warnings) = read(&file, format, &|_| {}).unwrap();
            assert!(warnings.is_empty() && rows.len() == 2, "{warnings:?}");
            rows[1].example.clone()
        };
        let InstructionExample::Conversation(conversation) =
            read("messages.jsonl", InstructionFormat::Messages, example.to_messages())
        else {
            panic!("no conversation")
        };
        let expected = [("system", "Be \"brief\"."), ("user", &*example.prompt), ("assistant", &*example.answer)];
        assert_eq!(conversation.messages, expected.map(|(role, text)| Message::plain(role, text.into())));
        let InstructionExample::PromptCompletion { prompt, completion } =
            read("alpaca.jsonl", InstructionFormat::Alpaca, example.to_alpaca())
        else {
            panic!("no completion")
        };
        assert!(prompt.contains(&example.prompt), "{prompt}");
        assert_eq!(completion, example.answer);
    }
}
