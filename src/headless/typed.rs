//! Commands typed as lines in `--plain`.

use std::fmt;
use std::io::{BufRead, stdin};
use std::thread;

use tokio::sync::mpsc;

use crate::protocol::Command;
use crate::suggest::did_you_mean;

/// A typed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Command(Command),
    Status,
    Help,
}

/// Why a typed line is not a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InputError {
    NoPrompt,
    /// With the suggestion, if there is one.
    Unknown {
        word: String,
        suggestion: String,
    },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::NoPrompt => f.write_str("ask needs a prompt, such as: ask What is a verb?"),
            InputError::Unknown { word, suggestion } => {
                let end = if suggestion.is_empty() { "." } else { suggestion };
                write!(f, "unknown command \"{word}\"{end} Type help for the list of commands")
            }
        }
    }
}

/// The commands and what they do.
const WORDS: [(&str, &str); 9] = [
    ("pause", "pause after this step"),
    ("resume", "continue training"),
    ("checkpoint", "save a checkpoint"),
    ("evaluate", "evaluate on the held-out examples"),
    ("ask", "generate a completion of the rest of the line"),
    ("status", "print the phase and the latest step"),
    ("stop", "save a checkpoint and stop"),
    ("discard", "stop without saving; steps after the last checkpoint are lost"),
    ("help", "list the commands"),
];

/// Parses a line; `None` for an empty one.
///
/// # Errors
/// An unknown command, or `ask` without a prompt.
pub(super) fn read(line: &str) -> Result<Option<Input>, InputError> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if first.eq_ignore_ascii_case("ask") {
        return match rest.trim() {
            "" => Err(InputError::NoPrompt),
            prompt => Ok(Some(Input::Command(Command::Sample { prompt: prompt.into() }))),
        };
    }
    let word = line.to_lowercase();
    Ok(Some(match word.as_str() {
        "" => return Ok(None),
        "pause" => Input::Command(Command::Pause),
        "resume" => Input::Command(Command::Resume),
        "checkpoint" => Input::Command(Command::Checkpoint),
        "evaluate" => Input::Command(Command::Evaluate),
        "stop" => Input::Command(Command::Stop { save: true }),
        "discard" => Input::Command(Command::Stop { save: false }),
        "status" => Input::Status,
        "help" => Input::Help,
        _ => {
            let suggestion = did_you_mean(&word, WORDS.iter().map(|(word, _)| *word));
            let word: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(InputError::Unknown { word, suggestion });
        }
    }))
}

/// The list of commands, one per line.
pub(super) fn help() -> String {
    WORDS.iter().map(|(word, does)| format!("{word}: {does}")).collect::<Vec<_>>().join("\n")
}

/// The lines of stdin.
pub(super) fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    // Not joined: it may wait forever for a line.
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_parsed_and_unknown_ones_are_reported() {
        for (word, _) in WORDS.iter().filter(|(word, _)| *word != "ask") {
            assert!(matches!(read(&format!(" {} ", word.to_uppercase())), Ok(Some(_))), "{word}");
        }
        let asked = read("Ask  What is a Verb? ").unwrap();
        assert_eq!(asked, Some(Input::Command(Command::Sample { prompt: "What is a Verb?".into() })));
        assert_eq!(read("ask "), Err(InputError::NoPrompt));
        assert_eq!(read("stop"), Ok(Some(Input::Command(Command::Stop { save: true }))));
        assert_eq!(read("  "), Ok(None));
        let error = read("puase").unwrap_err().to_string();
        assert_eq!(error, "unknown command \"puase\"; did you mean \"pause\"? Type help for the list of commands");
    }
}
