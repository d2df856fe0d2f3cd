//! Commands typed as lines, for who reads lines instead of screens.

use std::io::{BufRead, stdin};
use std::thread;

use tokio::sync::mpsc;

use crate::protocol::Command;
use crate::suggest::did_you_mean;

/// What a typed line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// An order to the trainer.
    Order(Command),
    /// To tell how the run stands.
    Status,
    /// To tell what can be typed.
    Help,
}

/// What can be typed, and what it does.
const WORDS: [(&str, &str); 9] = [
    ("pause", "hold after this step"),
    ("resume", "go on"),
    ("checkpoint", "write a checkpoint"),
    ("evaluate", "evaluate on the held-out examples"),
    ("ask", "have a language model answer the rest of the line"),
    ("status", "tell how the run stands"),
    ("stop", "stop, with a checkpoint"),
    ("discard", "stop, and discard what came after the last checkpoint"),
    ("help", "tell these"),
];

/// Reads a line; nothing of an empty one.
///
/// # Errors
/// What to tell about a line that asks for nothing there is.
pub(super) fn read(line: &str) -> Result<Option<Typed>, String> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if first.eq_ignore_ascii_case("ask") {
        return match rest.trim() {
            "" => Err("ask what? Type ask and what the model should answer, such as: ask What is a verb?".into()),
            prompt => Ok(Some(Typed::Order(Command::Sample { prompt: prompt.into() }))),
        };
    }
    let word = line.to_lowercase();
    Ok(Some(match word.as_str() {
        "" => return Ok(None),
        "pause" => Typed::Order(Command::Pause),
        "resume" => Typed::Order(Command::Resume),
        "checkpoint" => Typed::Order(Command::Checkpoint),
        "evaluate" => Typed::Order(Command::Evaluate),
        "stop" => Typed::Order(Command::Stop { save: true }),
        "discard" => Typed::Order(Command::Stop { save: false }),
        "status" => Typed::Status,
        "help" => Typed::Help,
        _ => {
            let meant = did_you_mean(&word, WORDS.iter().map(|(word, _)| *word));
            let word: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!("nothing is called \"{word}\"{meant} Type help for what there is"));
        }
    }))
}

/// What can be typed, a line each.
pub(super) fn help() -> String {
    WORDS.iter().map(|(word, does)| format!("{word}: {does}")).collect::<Vec<_>>().join("\n")
}

/// The lines typed on stdin, until it ends.
pub(super) fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    // Not joined: it waits for a line that need not come.
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
    fn every_word_is_read_and_others_are_told_of() {
        for (word, _) in WORDS.iter().filter(|(word, _)| *word != "ask") {
            assert!(matches!(read(&format!(" {} ", word.to_uppercase())), Ok(Some(_))), "{word}");
        }
        let asked = read("Ask  What is a Verb? ").unwrap();
        assert_eq!(asked, Some(Typed::Order(Command::Sample { prompt: "What is a Verb?".into() })));
        assert!(read("ask ").unwrap_err().starts_with("ask what?"));
        assert_eq!(read("stop"), Ok(Some(Typed::Order(Command::Stop { save: true }))));
        assert_eq!(read("  "), Ok(None));
        let error = read("puase").unwrap_err();
        assert_eq!(error, "nothing is called \"puase\"; did you mean \"pause\"? Type help for what there is");
    }
}
