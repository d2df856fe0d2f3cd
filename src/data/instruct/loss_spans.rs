//! Which parts of a rendered conversation count in the loss: what the chat template writes of the assistant's messages,
//! up to and including the token that ends each.
//!
//! A template with `{% generation %}` blocks says so itself; otherwise [`AnswerFinder`] finds the messages.

use std::ops::Range;

use super::answers::{AnswerFinder, check_tool_calls};
use super::render::RenderedText;
use super::roles::ASSISTANT;
use super::template::{ChatTemplate, TemplateError};
use super::{Conversation, Message};

/// What locates the messages that count in the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MaskSource {
    /// The template's `{% generation %}` blocks.
    Generation,
    /// The conversation rendered up to each message.
    Prefix,
    /// For at least one message, its content in the rendered conversation.
    Content,
}

impl MaskSource {
    /// For the log.
    pub fn description(self) -> &'static str {
        match self {
            MaskSource::Generation => "generation blocks",
            MaskSource::Prefix => "prefixes",
            MaskSource::Content => "content",
        }
    }
}

/// Renders a conversation and finds what counts in the loss. `special` are the texts of the special tokens.
///
/// # Errors
/// The template rejects the conversation, or what it writes of a message cannot be found.
pub(super) fn render_chat(
    template: &ChatTemplate,
    conversation: &Conversation,
    special: &[String],
) -> Result<(RenderedText, MaskSource), TemplateError> {
    let text = template.render(conversation, false)?;
    check_tool_calls(template, conversation, &text)?;
    if template.has_generation(conversation) {
        let (text, blocks) = template.render_generation(conversation)?;
        let loss_spans = blocks_in_loss(blocks, &conversation.messages)?;
        let rendered = RenderedText { text, loss_spans, append_eos: false, prepend_bos: false };
        return Ok((rendered, MaskSource::Generation));
    }
    let mut finder = AnswerFinder::new(template, conversation, text, special);
    let (mut loss_spans, mut end) = (Vec::new(), 0);
    for (index, message) in conversation.messages.iter().enumerate() {
        if !message.in_loss || message.is_blank() {
            continue;
        }
        if let Some(span) = finder.find(index)? {
            if span.start < end || span.end < span.start {
                return Err(TemplateError::AnswerNotFound);
            }
            end = span.end;
            loss_spans.push(span);
        }
    }
    let is_last = conversation.messages.last().is_some_and(|last| last.in_loss && !last.is_blank());
    let append_eos = is_last && !finder.has_end_token();
    if let Some(last) = loss_spans.last_mut().filter(|last| append_eos && finder.text[last.end..].trim().is_empty()) {
        // EOS follows the answer with the line breaks that the template writes after it.
        last.end = finder.text.len();
    }
    let source = if finder.by_prefixes { MaskSource::Prefix } else { MaskSource::Content };
    let rendered = RenderedText { text: finder.text, loss_spans, append_eos, prepend_bos: false };
    Ok((rendered, source))
}

/// The generation blocks of the messages that count in the loss. Without a message that is excluded, blocks need not be
/// one for each message.
fn blocks_in_loss(blocks: Vec<Range<usize>>, messages: &[Message]) -> Result<Vec<Range<usize>>, TemplateError> {
    let answers: Vec<&Message> = messages.iter().filter(|message| message.role == ASSISTANT).collect();
    if answers.iter().all(|message| message.in_loss) {
        return Ok(blocks);
    }
    if answers.len() != blocks.len() {
        return Err(TemplateError::GenerationBlocks { blocks: blocks.len(), messages: answers.len() });
    }
    Ok(blocks.into_iter().zip(answers).filter(|(_, message)| message.in_loss).map(|(block, _)| block).collect())
}
