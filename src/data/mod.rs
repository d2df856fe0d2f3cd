//! Texts on their way to the model, labelled or to be learnt: read, checked, tokenized, batched. No torch, no terminal.
//!
//! ```text
//! records/     rows of a TSV, CSV, JSON-lines or parquet file, whatever they mean
//! labels       a cell becomes a class or a score
//! examples     rows become examples; what is wrong with a row is said with file and line
//! glue task    the nine tasks of GLUE in three layouts
//! table split  a user's own files
//! tokenize cache
//! mmlu choices questions with answers to choose from
//! instruct/    texts that a language model should learn to write
//! digest       what tells one set of examples from another
//! batch sequence tokenized
//!              padding, and the order of an epoch
//! ```

mod batch;
mod cache;
mod choices;
mod digest;
mod examples;
mod glue;
pub mod instruct;
mod labels;
mod mmlu;
mod records;
mod sequence;
mod split;

mod table;
mod task;
mod tokenize;
mod tokenized;

use std::path::PathBuf;

use anyhow::Result;

pub use batch::{Batch, BatchLabels, Batches, collate};
pub use choices::ChoiceQuestion;
pub use digest::digest;
pub use mmlu::{LETTERS, Question, Subject};
pub use sequence::{Sequence, collate_sequences};
pub use table::{Columns, HeldOut, TargetKind, read_labelled, read_texts};
pub use task::Task;
pub use tokenize::{Encoded, TextTokenizer, Token};
pub use tokenized::Tokenized;

use crate::metrics::Metrics;
use crate::protocol::Progress;

/// Where examples come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A GLUE task: its own folder, or one that has the task's as a sub-folder.
    Glue {
        /// The task.
        task: Task,
        /// The folder.
        folder: PathBuf,
    },
    /// A file of the user's: CSV, TSV, JSON lines or parquet, told by the extension.
    Table {
        /// The file to train on.
        train: PathBuf,
        /// What to evaluate on.
        held_out: HeldOut,
        /// What the columns are.
        columns: Columns,
    },
}

/// One labelled text.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The text, or the first of a pair.
    pub text: String,
    /// The second of a pair.
    pub pair: Option<String>,
    /// What the model should make of it.
    pub target: Target,
}

/// What a model should make of a text. All targets of a dataset are of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Index of the class in [`Labels::Classes`].
    Class(u32),
    /// A finite number.
    Score(f32),
}

/// What there is to predict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// One of these.
    Classes(Vec<String>),
    /// A number.
    Regression,
}

impl Labels {
    /// Outputs a model needs for them: one per class, or one number.
    pub fn count(&self) -> usize {
        match self {
            Labels::Classes(names) => names.len(),
            Labels::Regression => 1,
        }
    }
}

/// Held-out examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// `validation`; MNLI has `validation_matched` and `validation_mismatched`.
    pub name: String,
    /// At least one.
    pub examples: Vec<Example>,
}

/// Everything to train and evaluate on.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The task's id or the training file's name.
    pub name: String,
    /// What there is to predict.
    pub labels: Labels,
    /// The scores an evaluation reports.
    pub metrics: Metrics,
    /// At least one, in the file's order.
    pub train: Vec<Example>,
    /// At least one.
    pub eval: Vec<Split>,
    /// Rows left out and bytes replaced, one sentence per file and fault.
    pub warnings: Vec<String>,
}

/// Reads and checks all examples. `seed` decides which are held out where a share is.
///
/// # Errors
/// [`Usage`](crate::Usage), naming file and line: a file or column that is not there, a label that is none of the
/// labels, a malformed file, no examples at all. A row with a wrong number of columns or without text or label is left
/// out and told in [`Dataset::warnings`].
pub fn load(source: &Source, seed: u64, progress: &dyn Fn(Progress)) -> Result<Dataset> {
    match source {
        Source::Glue { task, folder } => glue::load(*task, folder, progress),
        Source::Table { train, held_out, columns } => table::load(train, held_out, columns, seed, progress),
    }
}
