//! A conversation with a language model, completed token by token. It knows no terminal.
//!
//! ```text
//! request      what a front end asks for, and what comes back: plain data
//! link         the bounded channels between a front end and the thread that generates
//! example      an exchange as a row of training data
//! model        a model or a run, found and loaded
//! completion   one completion of a conversation
//! serve        the thread that loads a model and answers requests
//! ```

#[cfg(feature = "torch")]
mod completion;
pub mod example;
mod link;
#[cfg(feature = "torch")]
mod model;
mod request;
#[cfg(feature = "torch")]
mod serve;

pub use link::{ChatLink, ChatPort};
#[cfg(feature = "torch")]
pub use model::{ChatModel, LoadedChatModel};
pub use request::{ChatReply, ChatRequest, Completion, CompletionEnd, Loaded, Rate, Settings, Weights};
#[cfg(feature = "torch")]
pub use serve::serve;
