//! What a language model can do without being trained for it: questions, choices, and how well it foresees a text.

mod choices;
mod mmlu;
mod perplexity;

pub use choices::{ChoiceScore, choices};
pub use mmlu::{SubjectScore, mmlu};
pub use perplexity::{Foreseen, perplexity};
