//! Scores of a model: on held-out examples, on labelled files, on MMLU, on choices, and the perplexity of a text.

mod choices;
mod device_batch;
mod held_out;
mod mmlu;
mod perplexity;
mod predict;

pub use choices::{ChoiceScore, choices};
pub use device_batch::DeviceBatch;
pub(crate) use held_out::rounded;
pub use held_out::{Evaluator, HeldOut, Labelled, PERPLEXITY, Scores};
pub use mmlu::{SubjectScore, mmlu};
pub use perplexity::{Perplexity, perplexity};
pub use predict::{ModelSource, Opening, Predictor};
