//! Texts for language models: instructions, conversations, completions, plain text.
//!
//! ```text
//! example fault   what an example is, where examples come from, and why a row is none
//! rows keys roles messages
//!                 objects of a JSON, JSON-lines, CSV or parquet file become examples
//! template/       a conversation rendered by the tokenizer's chat template
//! loss_spans answers render
//!                 examples become text, with the spans that count in the loss
//! prompt_encoder encoded fitting special truncate
//!                 text becomes tokens and a loss mask, truncated so that the completion stays
//! dataset understood
//!                 all examples of a preset, the rows that are left out, and how the rest was read
//! pack            several short examples in one row
//! ```

mod answers;
mod dataset;
mod encoded;
mod example;
mod fault;
mod fitting;
mod keys;
mod loss_spans;
mod messages;
mod pack;
mod prompt_encoder;
mod render;
mod roles;
mod rows;
mod special;
mod template;
mod truncate;
mod understood;

pub use dataset::{EncodedDataset, InstructionDataset, load, read};
pub use encoded::EncodedPrompts;
pub use example::{Conversation, InstructionExample, InstructionFormat, InstructionRow, InstructionSource, Message};
pub use fault::RowFault;
pub use fitting::Unwritten;
pub use loss_spans::MaskSource;
pub use pack::pack;
pub use prompt_encoder::PromptEncoder;
pub use template::{ChatTemplate, TemplateError};
pub use truncate::Truncation;
