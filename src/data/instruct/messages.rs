//! Messages of a row become messages for the chat template: roles, texts, tool calls.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::example::{REASONING, TOOL_CALLS};
use super::fault::RowFault;
use super::keys::{KeyNames, Named};
use super::roles::{ASSISTANT, Role, SYSTEM, TOOL};
use super::template::python_json;
use super::{Conversation, Message};

/// Limit on the messages of a conversation. A longer list holds something other than messages.
const MAX_MESSAGES: usize = 10_000;

/// Keys that exclude an assistant's message from the loss: with 0 or false.
const FLAGS: [&str; 4] = ["weight", "train", "training", "loss"];

/// Names of the reasoning, as transformers takes them.
const REASONING_NAMES: [&str; 3] = [REASONING, "thinking", "reasoning"];

/// How often each role was found under a name.
pub(super) type RoleCounts = BTreeMap<(String, String), u64>;

/// Reads conversations and notes which names their roles have.
pub(super) struct MessageReader {
    role: &'static str,
    content: &'static str,
    pub roles: RoleCounts,
}

impl MessageReader {
    /// `role` and `content` are the keys of a message in the format.
    pub fn new(role: &'static str, content: &'static str) -> MessageReader {
        MessageReader { role, content, roles: BTreeMap::new() }
    }

    /// A conversation from its list of messages and the other keys of its row.
    pub fn conversation(
        &mut self,
        list: Named,
        fields: &mut Map<String, Value>,
        keys: &mut KeyNames,
    ) -> Result<Conversation, RowFault> {
        let mut messages = self.messages(list, keys)?;
        let system = keys.take(fields, "system").map(Named::into_text).transpose()?.unwrap_or_default();
        if !system.trim().is_empty() && messages.first().is_none_or(|first| first.role != SYSTEM) {
            messages.insert(0, Message::plain(SYSTEM, system));
        }
        Ok(Conversation { messages, tools: tools(fields, keys)? })
    }

    /// The messages of a list, at least one.
    pub fn messages(&mut self, list: Named, keys: &mut KeyNames) -> Result<Vec<Message>, RowFault> {
        if list.value.is_null() || list.value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return Err(RowFault::NoMessages);
        }
        let list = list.into_list()?;
        if list.is_empty() {
            return Err(RowFault::NoMessages);
        }
        if list.len() > MAX_MESSAGES {
            return Err(RowFault::TooManyMessages { limit: MAX_MESSAGES });
        }
        list.into_iter().map(|message| self.message(message, keys)).collect()
    }

    fn message(&mut self, message: Value, keys: &mut KeyNames) -> Result<Message, RowFault> {
        let Value::Object(mut fields) = message else {
            return Err(RowFault::WrongType { key: "message".into(), found: "no object", expected: "an object" });
        };
        // Parquet fills keys that other messages have with nulls.
        fields.retain(|_, value| !value.is_null());
        let found = keys.require(&mut fields, self.role)?.into_text()?;
        let role = Role::of(&found);
        *self.roles.entry((found, role.name().to_owned())).or_default() += 1;
        let content = keys.take(&mut fields, self.content);
        let excluded = FLAGS.into_iter().filter_map(|flag| fields.shift_remove(flag)).any(|flag| is_off(&flag));
        let content = match (&role, content) {
            (Role::FunctionCall, content) => {
                fields.insert(TOOL_CALLS.into(), written_calls(content)?.into());
                None
            }
            (Role::Known(TOOL), Some(result)) => Some(tool_result(result)?),
            (_, content) => content.map(Named::into_text).transpose()?,
        };
        // OpenAI's API had one call before it had several.
        if let Some(call) = fields.shift_remove("function_call") {
            fields.entry(TOOL_CALLS).or_insert_with(|| json!([call]));
        }
        if let Some(calls) = fields.get_mut(TOOL_CALLS) {
            let list = Named { name: TOOL_CALLS.into(), value: calls.take() }.into_list()?;
            *calls = list.into_iter().map(tool_call).collect::<Result<Vec<_>, _>>()?.into();
        }
        if fields.get(TOOL_CALLS).and_then(Value::as_array).is_some_and(Vec::is_empty) {
            fields.shift_remove(TOOL_CALLS);
        }
        if let Some(reasoning) = REASONING_NAMES.into_iter().find_map(|name| fields.get(name).cloned()) {
            fields.entry("thinking").or_insert_with(|| reasoning.clone());
            fields.insert(REASONING.into(), reasoning);
        }
        let content = if fields.contains_key(TOOL_CALLS) { content } else { Some(content.unwrap_or_default()) };
        let role = role.name().to_owned();
        Ok(Message { in_loss: role == ASSISTANT && !excluded, role, content, extra: fields })
    }
}

/// The tools of a row: a list, or JSON text of one.
pub(super) fn tools(fields: &mut Map<String, Value>, keys: &mut KeyNames) -> Result<Option<Value>, RowFault> {
    let Some(tools) = keys.take(fields, "tools") else { return Ok(None) };
    if tools.value.is_null() || tools.value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Ok(None);
    }
    let tools = tools.into_list()?;
    Ok((!tools.is_empty()).then(|| tools.into()))
}

/// A tool or a call in OpenAI's layout, `{"type": "function", "function": {…}}`, where it is the function alone.
pub(super) fn wrapped(tool: &mut Value) {
    if let Value::Object(fields) = tool
        && fields.contains_key("name")
        && !fields.contains_key("function")
    {
        *tool = json!({"type": "function", "function": tool.take()});
    }
}

/// The part of a call that has its name and arguments.
pub(super) fn function_of(call: &mut Value) -> Option<&mut Map<String, Value>> {
    match call.get("function") {
        Some(_) => call.get_mut("function")?.as_object_mut(),
        None => call.as_object_mut(),
    }
}

fn is_off(flag: &Value) -> bool {
    match flag {
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.trim().to_lowercase().as_str(), "0" | "0.0" | "false"),
        _ => false,
    }
}

/// What a tool returned: a text, or else JSON.
fn tool_result(result: Named) -> Result<String, RowFault> {
    let is_part = |part: &Value| part.is_string() || part["type"] == "text";
    match &result.value {
        Value::Object(_) => Ok(python_json(&result.value)),
        Value::Array(parts) if !parts.iter().all(is_part) => Ok(python_json(&result.value)),
        _ => result.into_text(),
    }
}

/// Tool calls that are the content of a message: an object, a list of them, or JSON text of either.
fn written_calls(content: Option<Named>) -> Result<Vec<Value>, RowFault> {
    let calls = match content.map(|content| content.value) {
        Some(Value::String(text)) => serde_json::from_str(&text).ok(),
        other => other,
    };
    match calls {
        Some(Value::Array(calls)) if !calls.is_empty() => Ok(calls),
        Some(call @ Value::Object(_)) => Ok(vec![call]),
        _ => Err(RowFault::ToolCalls("the text is not a JSON object with name and arguments")),
    }
}

/// A tool call with its arguments as an object, which chat templates take; OpenAI's API has them as JSON text.
fn tool_call(mut call: Value) -> Result<Value, RowFault> {
    let Value::Object(fields) = &mut call else { return Err(RowFault::ToolCalls("a call is not an object")) };
    fields.retain(|_, value| !value.is_null());
    let function = function_of(&mut call).ok_or(RowFault::ToolCalls("\"function\" is not an object"))?;
    if function.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(RowFault::ToolCalls("a call has no name"));
    }
    if let Some(parameters) = function.shift_remove("parameters") {
        function.entry("arguments").or_insert(parameters);
    }
    let arguments = function.entry("arguments").or_insert(Value::Null);
    *arguments = match arguments.take() {
        Value::Null => json!({}),
        Value::String(text) if text.trim().is_empty() => json!({}),
        Value::String(text) => match serde_json::from_str::<Map<String, Value>>(&text) {
            Ok(arguments) => arguments.into(),
            Err(_) => text.into(),
        },
        arguments => arguments,
    };
    Ok(call)
}
