//! Examples become text, with the spans of it that count in the loss.

use std::ops::Range;

use super::InstructionExample;

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
