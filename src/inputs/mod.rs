//! Opens what a preset names. Training, the memory estimate and Home all call [`open`], so they refuse a preset for the
//! same reasons and in the same words.
//!
//! ```text
//! access        the model and the dataset, from the cache or from the hub
//! checks        whether preset, model and tokenizer fit each other
//! classifier    labelled texts, read and tokenized
//! head          whether the base model's classification head is kept
//! language      instructions, read, tokenized and packed
//! opened        what `open` returns
//! ```

mod access;
mod checks;
mod classifier;
mod head;
mod language;
mod opened;

use std::path::PathBuf;

use anyhow::Result;

pub use access::{Access, Downloads, Missing, labelled_source};
pub use checks::{check_targets, target_rules};
pub use opened::{
    CompletePreset, ModelTokenizer, OpenedData, OpenedModel, OpenedPreset, TokenizedExamples, TokenizedSplit,
};

use crate::data::TextTokenizer;
use crate::data::instruct::PromptEncoder;
use crate::model::ModelConfig;
use crate::preset::{DataSource, Preset};
use crate::protocol::{Event, Progress};
use access::Lookup;

/// Finds, reads and checks everything that a preset names, except the weights. `report` receives progress and warnings.
///
/// # Errors
/// [`Usage`](crate::Usage): a mistake in the preset, or files that do not fit it. Others: the network or the disk.
pub fn open(preset: &Preset, access: &Access, report: &dyn Fn(Event)) -> Result<OpenedPreset> {
    let progress = |progress: Progress| report(Event::Progress(progress));
    let mut missing = Vec::new();
    checks::check_known_scores(preset)?;
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
            encoder.check_vocab_size(config.vocab_size())?;
            ModelTokenizer::Prompts(Box::new(encoder))
        }
        DataSource::Local(_) | DataSource::Hub(_) => {
            let tokenizer = TextTokenizer::open(&folder, max_length)?;
            checks::check_vocabulary(&folder, &tokenizer, &config)?;
            ModelTokenizer::Text(Box::new(tokenizer))
        }
    };
    Ok(OpenedModel { folder, config, tokenizer })
}
