//! Dialogues become text, together with which parts of it the model should learn to say.

use std::ops::Range;

use super::template::ChatTemplate;
use super::{Dialogue, Message};

/// A text on its way to the tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Passage {
    pub text: String,
    /// Bytes of it that are to be learnt, in order.
    pub learnt: Vec<Range<usize>>,
    /// Whether the end of the text is to be learnt with it.
    pub ends: bool,
    /// Whether BOS comes before it; a chat template writes its own.
    pub begins: bool,
}

/// The prompt of Stanford's Alpaca, with an input where there is one. The answer follows without a space or line break.
pub fn alpaca_prompt(instruction: &str, input: &str) -> String {
    const TASK: &str = "Below is an instruction that describes a task";
    const WRITE: &str = "Write a response that appropriately completes the request.";
    match input {
        "" => format!("{TASK}. {WRITE}\n\n### Instruction:\n{instruction}\n\n### Response:"),
        input => format!(
            "{TASK}, paired with an input that provides further context. {WRITE}\n\n### Instruction:\n{instruction}\n\n\
             ### Input:\n{input}\n\n### Response:"
        ),
    }
}

/// Writes a dialogue that is no conversation.
pub(super) fn plain(dialogue: &Dialogue) -> Passage {
    let (prompt, response) = match dialogue {
        Dialogue::Prompted { prompt, response } => (prompt.as_str(), response.as_str()),
        Dialogue::Text(text) => ("", text.as_str()),
        Dialogue::Chat(_) => ("", ""),
    };
    let learnt = prompt.len()..prompt.len() + response.len();
    Passage { text: format!("{prompt}{response}"), learnt: vec![learnt], ends: true, begins: true }
}

/// Writes a conversation and finds each of the assistant's answers in it: from where the template would have the model
/// begin, to the token that ends its turn, if the template has one. `special` are the tokens that may.
pub(super) fn chat(template: &ChatTemplate, messages: &[Message], special: &[String]) -> Result<Passage, String> {
    let text = template.render(messages, false)?;
    let mut passage = Passage { text, learnt: Vec::new(), ends: false, begins: false };
    for (number, message) in messages.iter().enumerate() {
        let content = message.content.trim();
        if !message.learnt || content.is_empty() {
            continue;
        }
        let text = &passage.text;
        let before = template.render(&messages[..number], true)?;
        let start = before.len();
        let found = text.strip_prefix(&before).and_then(|after| after.find(content));
        let Some(found) = found else {
            return Err(format!(
                "message {}: the chat template does not write it as it is, so what to learn cannot be told",
                number + 1
            ));
        };
        let said = start + found + content.len();
        let end = template.render(&messages[..=number], false)?;
        let end = end.rfind(content).map(|at| &end[at + content.len()..]).and_then(|rest| end_of_turn(rest, special));
        let end = end.filter(|end| text[said..].starts_with(end.as_str()));
        passage.ends = end.is_none() && number + 1 == messages.len();
        passage.learnt.push(start..said + end.map_or(0, |end| end.len()));
    }
    Ok(passage)
}

/// The special token that follows an answer at a conversation's end, with the space before it.
fn end_of_turn(rest: &str, special: &[String]) -> Option<String> {
    let token = rest.trim_start();
    let space = &rest[..rest.len() - token.len()];
    let longest =
        special.iter().filter(|special| token.starts_with(special.as_str())).max_by_key(|special| special.len());
    longest.map(|special| format!("{space}{special}"))
}
