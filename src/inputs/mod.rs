//! Opens what a preset names. Training, the memory estimate and Home all call [`open`], so they refuse a preset for the
//! same reasons and in the same words.
//!
//! ```text
//! access        the model and the dataset, from the cache or from the hub
//! checks        whether preset, model and tokenizer fit each other
//! classifier    labelled texts, read and tokenized
//! head          whether the base model's classification head is kept
//! language      instructions, read, tokenized and packed
//! method        what the preset trains, by its method
//! opened        what `open` returns
//! ```

mod access;
mod checks;
mod classifier;
mod head;
mod language;
mod method;
mod opened;

use std::path::PathBuf;

use anyhow::Result;

pub use access::{Access, Downloads, FoundTable, Missing, labelled_source};
pub use checks::{check_targets, structures, target_budget, target_criterion};
pub use method::{lora_modules, lora_rules, sift_rules, target_adapters, target_rules};
pub use opened::{
    CompletePreset, ModelTokenizer, OpenedData, OpenedModel, OpenedPreset, TokenizedExamples, TokenizedSplit,
};

use crate::data::TextTokenizer;
use crate::data::instruct::{InstructionFormat, InstructionSource, PromptEncoder};
use crate::hub::DatasetFiles;
use crate::model::ModelConfig;
use crate::preset::{DataSource, InstructionFiles, Preset};
use crate::protocol::{Event, Progress};
use access::{Lookup, held_out_of};

/// Finds, reads and checks everything that a preset names, except the weights. `report` receives progress and warnings.
///
/// # Errors
/// [`Usage`](crate::Usage): a mistake in the preset, or files that do not fit it. Others: the network or the disk.
pub fn open(preset: &Preset, access: &Access, report: &dyn Fn(Event)) -> Result<OpenedPreset> {
    let progress = |progress: Progress| report(Event::Progress(progress));
    let (mut missing, mut notes) = (Vec::new(), Vec::new());
    checks::check_known_scores(preset)?;
    let model = match access.model(&preset.model.id, &progress)? {
        Lookup::Found(folder) => {
            let commit = access.hub.commit_of(&folder);
            notes.extend(commit.map(|commit| format!("model: {} at commit {}", preset.model.id, short(&commit))));
            let model = open_model(preset, folder)?;
            notes.extend(model.tokenizer.note().map(str::to_owned));
            notes.iter().map(Event::info).for_each(report);
            Some(model)
        }
        Lookup::Missing(demo @ Missing::Demo { .. }) => {
            // The data of the demo presets come with their models.
            return Ok(OpenedPreset { model: None, data: None, missing: vec![demo] });
        }
        Lookup::Missing(model) => {
            missing.push(model);
            None
        }
    };
    let mut data = match &preset.data.source {
        DataSource::Local(source) => Some(classifier::open(preset, source, model.as_ref(), access, report)?),
        DataSource::Hub(task) => match access.glue(*task, &progress)? {
            Lookup::Found(source) => Some(classifier::open(preset, &source, model.as_ref(), access, report)?),
            Lookup::Missing(dataset) => {
                missing.push(dataset);
                None
            }
        },
        DataSource::HubTable(table) => match access.table(table, &progress)? {
            Lookup::Found(FoundTable { source, files }) => {
                report_dataset(&files, report);
                let opened = classifier::open(preset, &source, model.as_ref(), access, report)?;
                Some(opened.of_hub(&table.dataset, files.summary, files.warnings))
            }
            Lookup::Missing(dataset) => {
                missing.push(dataset);
                None
            }
        },
        DataSource::Instructions(data) => match &data.files {
            InstructionFiles::Local(files) => {
                let source = InstructionSource {
                    format: data.format,
                    columns: data.columns.clone(),
                    train: files.clone(),
                    held_out: data.held_out.clone(),
                };
                Some(language::open(preset, data, &source, model.as_ref(), report)?)
            }
            InstructionFiles::Hub(dataset) => {
                match access.dataset(dataset, data.format == InstructionFormat::Text, &progress)? {
                    Lookup::Found(files) => {
                        report_dataset(&files, report);
                        let held_out = held_out_of(&files, &data.held_out);
                        let columns = data.columns.clone();
                        let source = InstructionSource { format: data.format, columns, train: files.train, held_out };
                        let opened = language::open(preset, data, &source, model.as_ref(), report)?;
                        Some(opened.of_hub(dataset, files.summary, files.warnings))
                    }
                    Lookup::Missing(dataset) => {
                        missing.push(dataset);
                        None
                    }
                }
            }
        },
    };
    if let Some(data) = &mut data {
        data.notes.splice(0..0, notes);
    }
    Ok(OpenedPreset { model, data, missing })
}

/// The beginning of a commit, as git shortens it.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Says what was taken of a dataset on the hub, and what may be missing.
fn report_dataset(files: &DatasetFiles, report: &dyn Fn(Event)) {
    report(Event::info(&files.summary));
    files.warnings.iter().for_each(|warning| report(Event::warning(warning)));
}

/// Reads the config and the tokenizer, and checks them against the preset: the cheapest checks first.
fn open_model(preset: &Preset, folder: PathBuf) -> Result<OpenedModel> {
    let config = ModelConfig::read(&folder)?;
    checks::check_kind(preset, &config)?;
    checks::check_max_length(preset, &config)?;
    method::check_preset_targets(preset, &config)?;
    let max_length = preset.data.max_length;
    let tokenizer = match &preset.data.source {
        DataSource::Instructions(data) => {
            let encoder = PromptEncoder::open(&folder, data.format, max_length)?;
            encoder.check_vocab_size(config.vocab_size())?;
            ModelTokenizer::Prompts(Box::new(encoder))
        }
        DataSource::Local(_) | DataSource::Hub(_) | DataSource::HubTable(_) => {
            let tokenizer = TextTokenizer::open(&folder, max_length)?;
            checks::check_vocabulary(&folder, &tokenizer, &config)?;
            ModelTokenizer::Text(Box::new(tokenizer))
        }
    };
    Ok(OpenedModel { folder, config, tokenizer })
}
