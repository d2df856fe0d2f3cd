//! Conversations and chat templates that do not fit each other: roles and layouts that a template does not know, and what it
//! does not write.

use serde_json::Value;

use super::example::TOOL_CALLS;
use super::fault::RowFault;
use super::messages::wrapped;
use super::roles::{Role, SYSTEM};
use super::template::ChatTemplate;
use super::{Conversation, Message};

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

/// Whether a conversation begins with a system prompt of which nothing is in the text. The longest part of the prompt without
/// signs that a template may escape stands for it.
pub(super) fn has_unwritten_prompt(conversation: &Conversation, text: &str) -> bool {
    let prompt = conversation.messages.first().filter(|message| message.role == SYSTEM).map_or("", Message::text);
    let parts = prompt.split(|c: char| !c.is_ascii_alphanumeric() && c != ' ');
    parts.map(str::trim).max_by_key(|part| part.len()).is_some_and(|part| !text.contains(part))
}
