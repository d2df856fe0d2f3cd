//! What can be done with a run that has ended, as a key and words on its card.

use std::path::Path;

use super::failed::Failure;
use crate::protocol::{Finished, Reason};
use crate::runs::History;
use crate::ui::format::plain;
use crate::ui::intent::{Intent, RunRequest};
use crate::ui::monitor::Files;

/// A line of a card.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub key: char,
    pub words: String,
    pub action: CardAction,
}

/// What a choice leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum CardAction {
    Ask(Box<Intent>),
    OpenLog,
}

impl Choice {
    fn ask(key: char, words: impl Into<String>, intent: Intent) -> Choice {
        Choice { key, words: words.into(), action: CardAction::Ask(Box::new(intent)) }
    }
}

/// What can be done with a run that completed or was stopped.
pub fn of_finished(run: &History, finished: &Finished, files: Option<&Files>) -> Vec<Choice> {
    // Without its folder there is nothing to work on.
    let Some(Files { folder, .. }) = files else { return Vec::new() };
    let request = |request| Intent::OpenRun { run: folder.clone(), request };
    let resume = match finished.reason {
        Reason::Completed | Reason::EarlyStopped => "train for longer",
        Reason::Stopped => "resume from the latest checkpoint",
    };
    vec![
        Choice::ask('e', "export a model, a delta or the metrics", request(RunRequest::Export)),
        Choice::ask('r', resume, request(RunRequest::Resume)),
        try_out(run, folder),
        Choice::ask('h', "HTML report", request(RunRequest::Report)),
    ]
}

/// Trying the model out: a conversation with a language model, predictions of a classifier.
fn try_out(run: &History, folder: &Path) -> Choice {
    if run.writes() {
        return Choice::ask('c', "chat with the model", Intent::Chat(folder.to_owned()));
    }
    let folder = shell_word(&folder.display().to_string());
    let command = format!("finesift predict {folder} --data texts.jsonl --out predictions.jsonl");
    Choice::ask('p', format!("predict: copy `{}`", plain(&command)), Intent::Copy(command))
}

/// What can be done about a run that failed.
pub fn of_failed(failure: &Failure, files: Option<&Files>) -> Vec<Choice> {
    let mut choices = Vec::new();
    if let Some(preset) = &failure.preset {
        let words = match failure.remedy.key {
            Some(key) => format!("edit {key} of {} at Home", plain(preset)),
            None => format!("edit {} at Home", plain(preset)),
        };
        let intent = Intent::ShowPreset { preset: preset.clone(), key: failure.remedy.key };
        choices.push(Choice::ask('e', words, intent));
    }
    if let Some(command) = &failure.remedy.command {
        choices.push(Choice::ask('d', format!("copy `{}`", plain(command)), Intent::Copy(command.clone())));
    }
    if let (true, Some(Files { folder, .. })) = (failure.checkpoint, files) {
        let set = failure.remedy.set.clone();
        let words = if set.is_empty() {
            "resume from the latest checkpoint".to_owned()
        } else {
            format!("resume with {}", plain(&set.join(" ")))
        };
        choices.push(Choice::ask('r', words, Intent::Resume { run: folder.clone(), set }));
    }
    choices.push(Choice::ask('y', "copy the error", Intent::Copy(failure.error.clone())));
    choices.push(Choice { key: 'l', words: "open the log".into(), action: CardAction::OpenLog });
    choices
}

/// A text as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_quoted_for_the_shell() {
        let words = ["runs/demo-1", "my runs/a", "it's", "", "$(x)"].map(shell_word);
        assert_eq!(words, ["runs/demo-1", "'my runs/a'", r"'it'\''s'", "''", "'$(x)'"]);
    }
}
