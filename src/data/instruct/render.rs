//! Examples become text, with the spans of it that count in the loss.

use std::ops::Range;

use super::template::{ChatTemplate, TemplateError};
use super::{InstructionExample, Message};

/// A text for the tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RenderedText {
    pub text: String,
    /// Byte ranges that count in the loss, in order.
    pub loss_spans: Vec<Range<usize>>,
    /// Whether EOS is appended, counted in the loss.
    pub append_eos: bool,
    /// Whether BOS is prepended; chat templates have their own.
    pub prepend_bos: bool,
}

/// The prompt of Stanford Alpaca, with or without an input. The completion follows without a space or line break.
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

/// Renders an example that is not a conversation.
pub(super) fn render_plain(example: &InstructionExample) -> RenderedText {
    let (prompt, completion) = match example {
        InstructionExample::PromptCompletion { prompt, completion } => (prompt.as_str(), completion.as_str()),
        InstructionExample::Text(text) => ("", text.as_str()),
        InstructionExample::Conversation(_) => ("", ""),
    };
    let span = prompt.len()..prompt.len() + completion.len();
    RenderedText { text: format!("{prompt}{completion}"), loss_spans: vec![span], append_eos: true, prepend_bos: true }
}

/// Renders a conversation and finds the assistant's turns that count in the loss: from where the generation prompt ends to
/// the token that ends the turn, if the template has one. `special` are the texts of the special tokens.
pub(super) fn render_chat(
    template: &ChatTemplate,
    messages: &[Message],
    special: &[String],
) -> Result<RenderedText, TemplateError> {
    let text = template.render(messages, false)?;
    let (mut loss_spans, mut append_eos) = (Vec::new(), false);
    for (index, message) in messages.iter().enumerate() {
        let content = message.content.trim();
        if !message.in_loss || content.is_empty() {
            continue;
        }
        let before = template.render(&messages[..index], true)?;
        let start = before.len();
        let Some(offset) = text.strip_prefix(&before).and_then(|after| after.find(content)) else {
            return Err(TemplateError::TurnNotFound { message: index + 1 });
        };
        let content_end = start + offset + content.len();
        let upto = template.render(&messages[..=index], false)?;
        let after = upto.rfind(content).map(|at| &upto[at + content.len()..]);
        let end = after.and_then(|rest| end_of_turn(rest, special));
        let end = end.filter(|end| text[content_end..].starts_with(end.as_str()));
        append_eos = end.is_none() && index + 1 == messages.len();
        loss_spans.push(start..content_end + end.map_or(0, |end| end.len()));
    }
    Ok(RenderedText { text, loss_spans, append_eos, prepend_bos: false })
}

/// The special token that ends a turn, with the whitespace before it. `rest` is the text after the content.
fn end_of_turn(rest: &str, special: &[String]) -> Option<String> {
    let token = rest.trim_start();
    let space = &rest[..rest.len() - token.len()];
    let longest =
        special.iter().filter(|special| token.starts_with(special.as_str())).max_by_key(|special| special.len());
    longest.map(|special| format!("{space}{special}"))
}
