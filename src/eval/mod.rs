//! Evaluates models: held-out examples, labelled files, MMLU, multiple choice, and perplexity.

mod choices;
mod device_batch;
mod held_out;
mod mmlu;
mod perplexity;
mod predict;

pub use choices::{ChoiceScore, choices};
pub use device_batch::DeviceBatch;
pub(crate) use held_out::rounded;
pub use held_out::{Evaluator, HeldOut, Labelled, Scores};
pub use mmlu::{SubjectScore, mmlu};
pub use perplexity::{Perplexity, perplexity};
pub use predict::{ModelSource, Predictor, PredictorOptions};
