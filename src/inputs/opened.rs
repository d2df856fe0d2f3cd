//! A preset that was opened: its model, its data, and what is missing of them.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::access::{Missing, describe};
use crate::Usage;
use crate::data::instruct::PromptEncoder;
use crate::data::{Dataset, TextTokenizer, Tokenized};
use crate::model::ModelConfig;
use crate::preset::{HubDataset, Preset};
use crate::protocol::{Event, HeadRows};
use crate::quantity::grouped;

/// A preset whose model and data were found and checked. Without permission to download, either may be missing.
pub struct OpenedPreset {
    pub model: Option<OpenedModel>,
    pub data: Option<OpenedData>,
    /// What is not downloaded, or cannot be.
    pub missing: Vec<Missing>,
}

/// A preset of which nothing is missing.
pub struct CompletePreset {
    pub model: OpenedModel,
    pub data: OpenedData,
    pub examples: TokenizedExamples,
}

/// A model's folder without its weights.
pub struct OpenedModel {
    pub folder: PathBuf,
    pub config: ModelConfig,
    pub tokenizer: ModelTokenizer,
}

/// The tokenizer of a model, set up for the preset's kind of data.
pub enum ModelTokenizer {
    /// For a classifier.
    Text(Box<TextTokenizer>),
    /// For a language model.
    Prompts(Box<PromptEncoder>),
}

/// The examples of a preset.
pub struct OpenedData {
    /// The task's id or the training file's name.
    pub name: String,
    /// Outputs of a classifier's head; 0 for a language model.
    pub labels: i64,
    /// Where the rows of a classifier's head come from.
    pub head: HeadRows,
    /// What the log says about that head, unless a checkpoint replaces it.
    pub head_note: Option<Event>,
    /// Training examples, before packing.
    pub examples: u64,
    /// Held-out examples of all splits.
    pub eval_examples: u64,
    /// Optimizer steps of a run.
    pub steps: u64,
    /// The score that decides which evaluation is best.
    pub best: String,
    /// Texts, labels and metrics of a classifier.
    pub labelled: Option<Dataset>,
    /// Rows that are left out and examples that are truncated, one sentence per reason.
    pub warnings: Vec<String>,
    /// How labels, the head or conversations were understood, a line each.
    pub notes: Vec<String>,
    /// `None` if the model, and with it the tokenizer, is missing.
    pub tokenized: Option<TokenizedExamples>,
}

/// Examples as token ids.
pub struct TokenizedExamples {
    /// Training examples, after packing.
    pub train: Tokenized,
    /// Held-out splits; the first one gives the evaluation loss.
    pub held_out: Vec<TokenizedSplit>,
}

/// A held-out split as token ids.
pub struct TokenizedSplit {
    /// `validation`; MNLI has two, which differ in their suffix.
    pub name: String,
    /// At least one example.
    pub examples: Tokenized,
}

impl ModelTokenizer {
    /// What was understood of vocabulary files, if the tokenizer is made of them.
    pub fn note(&self) -> Option<&str> {
        match self {
            ModelTokenizer::Text(tokenizer) => tokenizer.note(),
            ModelTokenizer::Prompts(encoder) => encoder.note(),
        }
    }
}

impl OpenedData {
    /// The data of a dataset on the hub: with its name, what was taken of it and what may be missing.
    pub(super) fn of_hub(mut self, dataset: &HubDataset, summary: String, warnings: Vec<String>) -> OpenedData {
        self.name = dataset.name().to_owned();
        self.notes.insert(0, summary);
        self.warnings.splice(0..0, warnings);
        self
    }
}

impl OpenedPreset {
    /// Everything a run needs.
    ///
    /// # Errors
    /// [`Usage`]: something is missing.
    pub fn complete(self) -> Result<CompletePreset> {
        let OpenedPreset { model, data, missing } = self;
        let (Some(model), Some(mut data)) = (model, data) else {
            bail!(Usage(describe(&missing)));
        };
        let Some(examples) = data.tokenized.take() else { bail!(Usage(describe(&missing))) };
        Ok(CompletePreset { model, data, examples })
    }
}

/// Keeps the first training examples, as many as `data.max_examples` says. Returns a line for the log if that leaves some out.
pub(super) fn limit<T>(train: &mut Vec<T>, preset: &Preset) -> Option<String> {
    let (all, most) = (train.len(), preset.data.max_examples);
    if most == 0 || most >= all {
        return None;
    }
    train.truncate(most);
    let (most, all) = (grouped(most as u64), grouped(all as u64));
    Some(format!("training on the first {most} of {all} examples (data.max_examples)"))
}

/// Optimizer steps of a run over so many rows.
pub(super) fn steps(preset: &Preset, rows: usize) -> Result<u64> {
    preset.train.steps(rows).ok_or_else(|| Usage("train.epochs: too many steps to count".into()).into())
}
