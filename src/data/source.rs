//! The files of a labelled dataset, and how to read them.

use std::path::PathBuf;

use super::classes::Classes;
use super::task::Task;

/// The files of a labelled dataset.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelledSource {
    /// A GLUE task. `folder` holds the task's files, or a sub-folder named after the task does.
    Glue { task: Task, folder: PathBuf },
    /// The user's own CSV, TSV, JSON or parquet files: at least one file, folder or glob pattern; the extension tells which kind.
    Table { train: Vec<PathBuf>, held_out: HeldOut, columns: Columns },
}

/// How a dataset is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadOptions {
    /// Draws the held-out set where it is a fraction of the training file.
    pub seed: u64,
    /// Fraction of a split's rows that may be left out.
    pub max_bad_rows: f64,
}

/// Where the held-out set comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum HeldOut {
    /// Files, folders or glob patterns, with the same columns or keys as the training files.
    Files(Vec<PathBuf>),
    /// This fraction of the training files, above 0 and below 1, drawn by the seed and stratified by class.
    Fraction(f64),
}

/// Names of a file's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The text, or the first text of a pair.
    pub text: String,
    /// The second text of a pair.
    pub text_pair: Option<String>,
    pub label: String,
    pub label_kind: LabelKind,
    /// The classes of the label column in the order of their indices, where the dataset's card names them.
    pub published: Option<Vec<String>>,
}

impl Default for Columns {
    /// Columns `text` and `label`, of which the label holds the classes that occur.
    fn default() -> Columns {
        let (text, label) = ("text".to_owned(), "label".to_owned());
        Columns { text, text_pair: None, label, label_kind: LabelKind::Classes(None), published: None }
    }
}

/// What a label column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelKind {
    /// Classes. `None` takes the names that occur in the training file, sorted. With names, the file has them or a number for
    /// each.
    Classes(Option<Vec<String>>),
    /// The classes of a model, by name, or by the number that the model's own data had.
    Model(Classes),
    /// Numbers.
    Regression,
}
