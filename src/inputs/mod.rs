//! Opens what a preset names. Training, the memory estimate and Home all call [`open`], so they refuse a preset for the
//! same reasons and in the same words.
//!
//! ```text
//! access        the model and the dataset, from the cache or from the hub
//! checks        whether preset, model and tokenizer fit each other
//! classifier    labelled texts, read and tokenized
//! language      instructions, read, tokenized and packed
//! ```

mod access;
mod checks;
mod classifier;
mod language;

use std::path::PathBuf;

use anyhow::{Result, bail};

pub use access::{Access, Downloads, Missing, labelled_source};
pub use checks::{check_targets, target_rules};

use crate::Usage;
use crate::data::instruct::PromptEncoder;
use crate::data::{Dataset, TextTokenizer, Tokenized};
use crate::model::ModelConfig;
use crate::preset::{DataSource, Preset};
use crate::protocol::{Event, Progress};
use access::Lookup;

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
    Text(TextTokenizer),
    /// For a language model.
    Prompts(PromptEncoder),
}

/// The examples of a preset.
pub struct OpenedData {
    /// The task's id or the training file's name.
    pub name: String,
    /// Outputs of a classifier's head; 0 for a language model.
    pub labels: i64,
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

/// Finds, reads and checks everything that a preset names, except the weights. `report` receives progress and warnings.
///
/// # Errors
/// [`Usage`]: a mistake in the preset, or files that do not fit it. Others: the network or the disk.
pub fn open(preset: &Preset, access: &Access, report: &dyn Fn(Event)) -> Result<OpenedPreset> {
    let progress = |progress: Progress| report(Event::Progress(progress));
    let mut missing = Vec::new();
    let model = match access.model(&preset.model.id, &progress)? {
        Lookup::Found(folder) => Some(open_model(preset, folder)?),
        Lookup::Missing(demo @ Missing::Demo { .. }) => {
            // The data of the demo presets come with their models.
            return Ok(OpenedPreset { model: None, data: None, missing: vec![demo] });
        }
        Lookup::Missing(model) => {
            missing.push(model);
            None
        }
    };
    let data = match &preset.data.source {
        DataSource::Local(source) => Some(classifier::open(preset, source, model.as_ref(), access, report)?),
        DataSource::Hub(task) => match access.glue(*task, &progress)? {
            Lookup::Found(source) => Some(classifier::open(preset, &source, model.as_ref(), access, report)?),
            Lookup::Missing(dataset) => {
                missing.push(dataset);
                None
            }
        },
        DataSource::Instructions(data) => match access.instructions(data, &progress)? {
            Lookup::Found(files) => Some(language::open(preset, data, files, model.as_ref(), report)?),
            Lookup::Missing(dataset) => {
                missing.push(dataset);
                None
            }
        },
    };
    Ok(OpenedPreset { model, data, missing })
}

impl OpenedPreset {
    /// Everything a run needs.
    ///
    /// # Errors
    /// [`Usage`]: something is missing.
    pub fn complete(self) -> Result<CompletePreset> {
        let OpenedPreset { model, data, missing } = self;
        let (Some(model), Some(mut data)) = (model, data) else {
            bail!(Usage(access::describe(&missing)));
        };
        let Some(examples) = data.tokenized.take() else { bail!(Usage(access::describe(&missing))) };
        Ok(CompletePreset { model, data, examples })
    }
}

/// Reads the config and the tokenizer, and checks them against the preset: the cheapest checks first.
fn open_model(preset: &Preset, folder: PathBuf) -> Result<OpenedModel> {
    let config = ModelConfig::read(&folder)?;
    checks::check_kind(preset, &config)?;
    checks::check_max_length(preset, &config)?;
    checks::check_preset_targets(preset, &config)?;
    let max_length = preset.data.max_length;
    let tokenizer = match &preset.data.source {
        DataSource::Instructions(data) => {
            let encoder = PromptEncoder::open(&folder, data.format, max_length)?;
            encoder.fits(config.vocab_size())?;
            ModelTokenizer::Prompts(encoder)
        }
        DataSource::Local(_) | DataSource::Hub(_) => {
            let tokenizer = TextTokenizer::open(&folder, max_length)?;
            checks::check_vocabulary(&folder, &tokenizer, &config)?;
            ModelTokenizer::Text(tokenizer)
        }
    };
    Ok(OpenedModel { folder, config, tokenizer })
}

/// Optimizer steps of a run over so many rows.
fn steps(preset: &Preset, rows: usize) -> Result<u64> {
    preset.train.steps(rows).ok_or_else(|| Usage("train.epochs: too many steps to count".into()).into())
}
