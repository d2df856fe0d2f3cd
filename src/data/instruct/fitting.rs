//! Conversations and chat templates that do not fit each other: roles and layouts that a template does not know, and what it
//! does not write.

use std::fmt;

use serde_json::Value;

use super::Conversation;
use super::example::TOOL_CALLS;
use super::fault::RowFault;
use super::messages::wrapped;
use super::roles::{Role, SYSTEM};
use super::template::ChatTemplate;

/// A conversation as the chat template expects it. A developer's message is a system prompt where the template has no such
/// role, and tools have OpenAI's layout where the template speaks of functions.
///
/// # Errors
/// A role that is no common one, and that the template does not name.
pub(super) fn fitted(conversation: &Conversation, template: &ChatTemplate) -> Result<Conversation, RowFault> {
    let mut fitted = conversation.clone();
    for message in &mut fitted.messages {
        match Role::of(&message.role) {
            Role::Other(role) if template.mentions(conversation, &role) => {}
            Role::Other(role) if role == "developer" => message.role = SYSTEM.into(),
            Role::Other(role) => return Err(RowFault::UnknownRole(role)),
            Role::Known(_) | Role::FunctionCall => {}
        }
    }
    if template.mentions(conversation, "function") {
        let calls = fitted.messages.iter_mut().filter_map(|message| message.extra.get_mut(TOOL_CALLS));
        calls.chain(&mut fitted.tools).filter_map(Value::as_array_mut).flatten().for_each(wrapped);
    }
    Ok(fitted)
}

/// Something of a conversation that a chat template does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unwritten {
    Tools,
    SystemPrompt,
    /// The content of an assistant's message beside its tool calls.
    ContentOfCalls,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unwritten::Tools => "tools",
            Unwritten::SystemPrompt => "a system prompt",
            Unwritten::ContentOfCalls => "content beside tool calls",
        })
    }
}

/// What of a conversation is not in its text.
pub(super) fn unwritten(conversation: &Conversation, template: &ChatTemplate, text: &str) -> Vec<Unwritten> {
    let mut messages = conversation.messages.iter();
    let prompt = messages.clone().next().filter(|message| message.role == SYSTEM);
    let found = [
        (Unwritten::Tools, conversation.tools.is_some() && !template.mentions(conversation, "tools")),
        (Unwritten::SystemPrompt, prompt.is_some_and(|prompt| !is_written(prompt.text(), text))),
        (
            Unwritten::ContentOfCalls,
            messages.any(|message| message.in_loss && message.has_tool_calls() && !is_written(message.answer(), text)),
        ),
    ];
    found.into_iter().filter(|(_, found)| *found).map(|(what, _)| what).collect()
}

/// Whether a content is in a text. Its longest part without signs that a template may escape stands for it.
fn is_written(content: &str, text: &str) -> bool {
    let parts = content.split(|c: char| !c.is_ascii_alphanumeric() && c != ' ');
    parts.map(str::trim).max_by_key(|part| part.len()).is_none_or(|part| text.contains(part))
}
