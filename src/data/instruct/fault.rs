//! Why a row cannot be trained on. Rows are counted by these sentences.

use std::fmt;

use super::TemplateError;
use crate::data::records::RowError;

/// Why a row is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// The row cannot be read.
    Row(RowError),
    NotAnObject,
    /// `keys` are those of the row.
    MissingKey {
        key: String,
        keys: Vec<String>,
    },
    WrongType {
        key: String,
        found: &'static str,
        expected: &'static str,
    },
    NoMessages,
    TooManyMessages {
        limit: usize,
    },
    UnknownRole(String),
    NotText {
        part: String,
    },
    ToolCalls(&'static str),
    NoAssistant,
    EmptyAnswer,
    /// Every assistant message is excluded from the loss.
    NoLoss,
    Template(TemplateError),
    PromptTooLong {
        max_length: usize,
    },
    /// The chat template or the tokenizer leaves no token of the answers.
    NoLossTokens,
}

impl From<RowError> for RowFault {
    fn from(error: RowError) -> RowFault {
        RowFault::Row(error)
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowFault::Row(error) => error.fmt(f),
            RowFault::NotAnObject => write!(f, "not an object"),
            RowFault::MissingKey { key, keys } => {
                let more = if keys.len() > 10 { ", …" } else { "" };
                let keys = keys.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
                write!(f, "no key \"{key}\"; the keys are {keys}{more}")
            }
            RowFault::WrongType { key, found, expected } => write!(f, "\"{key}\" is {found}, expected {expected}"),
            RowFault::NoMessages => write!(f, "no messages"),
            RowFault::TooManyMessages { limit } => write!(f, "more than {limit} messages"),
            RowFault::UnknownRole(role) => write!(f, "unknown role \"{role}\""),
            RowFault::NotText { part } => {
                write!(f, "a message has a part of type \"{part}\"; only text parts are supported")
            }
            RowFault::ToolCalls(what) => write!(f, "malformed tool calls: {what}"),
            RowFault::NoAssistant => write!(f, "no assistant message"),
            RowFault::EmptyAnswer => write!(f, "the answer is empty"),
            RowFault::NoLoss => write!(f, "every assistant message is excluded from the loss"),
            RowFault::Template(error) => write!(f, "{error}"),
            RowFault::PromptTooLong { max_length } => {
                write!(f, "the prompt alone has {max_length} tokens or more, the limit of data.max_length")
            }
            RowFault::NoLossTokens => write!(f, "no token counts in the loss"),
        }
    }
}

impl From<TemplateError> for RowFault {
    fn from(error: TemplateError) -> RowFault {
        RowFault::Template(error)
    }
}
