//! Datasets: labelled texts and texts for language models, from files to padded batches. No torch, no terminal.
//!
//! ```text
//! source       what a labelled dataset is read from, and how
//! files/       the files that paths, folders and patterns name
//! dataset      labelled examples with their labels and splits
//! records/     rows of a CSV, TSV, JSON or parquet file
//! classes      the classes of a classifier
//! labels       a label column becomes classes or scores
//! examples     rows become labelled examples, with errors that name file and line
//! left_out     rows that are left out, counted by reason
//! glue task    the nine GLUE tasks in three file layouts
//! splits       the labels of all splits become classes
//! table split  the user's own files, and the held-out split
//! tokenize cache
//!              texts become token ids, cached on disk
//! vocabulary/  tokenizers of folders without tokenizer.json
//! mmlu choices multiple-choice questions
//! instruct/    instructions, conversations, completions and plain text for language models
//! digest       a checksum of the tokenized examples
//! batch sequence tokenized sampler
//!              padding, and the order of the examples in an epoch
//! guard        panics of third-party readers become errors
//! ```

mod batch;
mod cache;
mod choices;
mod classes;
mod dataset;
mod digest;
mod examples;
mod files;
mod glue;
mod guard;
pub mod instruct;
mod labels;
mod left_out;
mod mmlu;
pub mod records;
mod sampler;
mod sequence;
mod source;
mod split;
mod splits;
mod table;
mod task;
mod tokenize;
mod tokenized;
mod vocabulary;

use anyhow::Result;

pub use batch::{Batch, BatchLabels, collate};
pub use choices::ChoiceQuestion;
pub use classes::Classes;
pub use dataset::{Dataset, Example, Label, LabelSet, Split};
pub use digest::digest;
pub use files::{dataset_name, kind as file_kind};
pub use mmlu::{LETTERS, MmluQuestion, MmluSubject};
pub use sampler::{BatchSampler, ShortBatch};
pub use sequence::{Sequence, collate_sequences};
pub use source::{Columns, HeldOut, LabelKind, LabelledSource, ReadOptions};
pub use table::{LabelledExamples, LabelledInput, read_labelled, read_texts};
pub use task::Task;
pub use tokenize::{Encoded, TextTokenizer, Token};
pub use tokenized::Tokenized;

use crate::protocol::Progress;

/// Reads and checks all examples.
///
/// # Errors
/// [`Usage`](crate::Usage) with file and line: a missing file or column, an unknown label, a malformed file, no examples.
/// A row with a wrong number of columns, or without text or label, is skipped and reported in [`Dataset::warnings`]; too
/// many of them are an error.
pub fn load(source: &LabelledSource, options: ReadOptions, progress: &dyn Fn(Progress)) -> Result<Dataset> {
    match source {
        LabelledSource::Glue { task, folder } => glue::load(*task, folder, options, progress),
        LabelledSource::Table { train, held_out, columns } => table::load(train, held_out, columns, options, progress),
    }
}
