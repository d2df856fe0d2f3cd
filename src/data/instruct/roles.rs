//! Who speaks in a conversation, by the names that files give them.

/// The role whose messages count in the loss.
pub(super) const ASSISTANT: &str = "assistant";

/// The role of system prompts.
pub(super) const SYSTEM: &str = "system";

/// The role of what tools return.
pub(super) const TOOL: &str = "tool";

/// A role of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A role of chat templates: `system`, `user`, `assistant` or `tool`.
    Known(&'static str),
    /// The assistant, with tool calls as content.
    FunctionCall,
    /// A role that the chat template has to know.
    Other(String),
}

impl Role {
    /// By the name in a file, in any case.
    pub fn of(name: &str) -> Role {
        match name.trim().to_lowercase().as_str() {
            "system" => Role::Known(SYSTEM),
            "user" | "human" | "prompter" => Role::Known("user"),
            "assistant" | "gpt" | "chatgpt" | "model" | "bot" | "chatbot" | "ai" | "bing" | "bard" => {
                Role::Known(ASSISTANT)
            }
            "tool" | "function" | "ipython" | "observation" | "function_response" | "tool_response"
            | "function_result" => Role::Known(TOOL),
            "function_call" | "tool_call" => Role::FunctionCall,
            other => Role::Other(other.to_owned()),
        }
    }

    /// The role that chat templates get.
    pub fn name(&self) -> &str {
        match self {
            Role::Known(name) => name,
            Role::FunctionCall => ASSISTANT,
            Role::Other(name) => name,
        }
    }
}
