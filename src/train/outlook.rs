//! What a run of a preset would take, and its first batch, without starting it: files are read, nothing is downloaded, and no
//! weight is loaded.

use std::path::Path;

use anyhow::{Context, Result};
use tch::Device;

use super::device::{self, Chosen, DeviceChoice};
use super::memory::{self, Load};
use super::prepare::{GLUE, check, glue_files, rules_of};
use crate::data::{self, Batches, Dataset, Encoded, Labels, Source, Target, TextTokenizer};
use crate::hub::Hub;
use crate::model::Config;
use crate::outlook::{DataOutlook, DeviceOutlook, Outlook, Piece, PieceRole};
use crate::preset::{DataSource, Dtype, Preset};
use crate::runs::pace;
use crate::system;

/// Examples of the first batch that are shown.
const SHOWN: usize = 32;

/// Where things are.
pub struct Places<'a> {
    /// Models and datasets.
    pub hub: &'a Hub,
    /// finesift's own cache.
    pub cache: &'a Path,
    /// All runs.
    pub runs: &'a Path,
}

/// Works out what a run would take.
///
/// # Errors
/// Those that the run itself would end with before its first step, as far as they show without the weights.
pub fn outlook(preset: &Preset, choice: DeviceChoice, places: &Places) -> Result<Outlook> {
    let chosen = choice.resolve()?;
    let mut outlook = Outlook {
        device: device_outlook(&chosen),
        pace: pace(places.runs, preset, &device::name(chosen.device), places.cache),
        ..Outlook::default()
    };
    let id = &preset.model.id;
    if Path::new(id).starts_with(places.cache) && !Path::new(id).is_dir() {
        // Its examples are not there either then.
        outlook.missing.push(format!("{id}: no such folder; `make setup` fetches the demo's model"));
        return Ok(outlook);
    }
    let folder = places.hub.model_here(id)?;
    let source = source(preset, places.hub)?;
    let dataset = match &source {
        Some(source) => Some(data::load(source, preset.train.seed, &|_| {})?),
        None => None,
    };
    if folder.is_none() {
        outlook.missing.push(format!("the model {id} is not here yet; launching downloads it"));
    }
    if dataset.is_none() {
        outlook.missing.push(format!("the dataset {GLUE} is not here yet; launching downloads it"));
    }
    let mut longest = preset.data.max_length;
    if let Some(dataset) = &dataset {
        let mut plan = DataOutlook {
            examples: dataset.train.len() as u64,
            eval_examples: dataset.eval.iter().map(|split| split.examples.len() as u64).sum(),
            longest: longest as u64,
            steps: preset.train.steps(dataset.train.len()).context("train.epochs: too many steps to count")?,
            preview: Vec::new(),
        };
        if let Some(folder) = &folder {
            let tokenizer = TextTokenizer::open(folder, preset.data.max_length)?;
            // The run finds what is tokenized here, and begins the sooner.
            let tokens = places.cache.join("tokens");
            let encoded = tokenizer.encode("train", &dataset.train, Some(&tokens), &|_| {})?;
            longest = encoded.iter().map(|example| example.ids.len()).max().unwrap_or(longest);
            plan.longest = longest as u64;
            let pad = Config::read(folder)?.pad_token_id;
            plan.preview = preview(preset, dataset, &encoded, &tokenizer, pad)?;
        }
        outlook.data = Some(plan);
    }
    if let Some(folder) = &folder {
        let config = Config::read(folder)?;
        check(preset, &config)?;
        let load = Load {
            dtype: if preset.model.dtype == Dtype::F32 { 4 } else { 2 },
            gpu: chosen.device != Device::Cpu,
            rows: preset.train.batch as u64,
            length: longest as u64,
            checkpointing: preset.train.gradient_checkpointing,
            choosing: preset.sift.batches as u64,
        };
        let labels = labels(preset, dataset.as_ref());
        outlook.model = Some(memory::plan(&config, &rules_of(preset), labels, load));
    }
    Ok(outlook)
}

/// The files to read, if all of them are here.
fn source(preset: &Preset, hub: &Hub) -> Result<Option<Source>> {
    match &preset.data.source {
        DataSource::Local(source) => Ok(Some(source.clone())),
        DataSource::Hub(task) => {
            let prefixes = glue_files(*task);
            let files = hub.dataset_here(GLUE, &prefixes.each_ref().map(String::as_str))?;
            let folder = files.as_ref().and_then(|files| files.first()?.parent());
            Ok(folder.map(|folder| Source::Glue { task: *task, folder: folder.to_owned() }))
        }
    }
}

/// Outputs of the head. Classes that only the data tell are taken for two as long as these are not here.
fn labels(preset: &Preset, dataset: Option<&Dataset>) -> i64 {
    let count = match (dataset, &preset.data.source) {
        (Some(dataset), _) => dataset.labels.count(),
        (None, DataSource::Hub(task)) => task.labels().count(),
        (None, DataSource::Local(_)) => 2,
    };
    count as i64
}

fn device_outlook(chosen: &Chosen) -> Option<DeviceOutlook> {
    match device::gpu(chosen.device) {
        Some(gpu) => system::gpu_now(&gpu).map(|gpu| DeviceOutlook {
            name: gpu.name,
            total: gpu.memory_total,
            free: gpu.memory_total.saturating_sub(gpu.memory_used),
        }),
        None => system::machine().ok().map(|machine| DeviceOutlook {
            name: "CPU".into(),
            total: machine.memory_total,
            free: machine.memory_available,
        }),
    }
}

/// The first rows of the first batch, padded to the batch's length.
fn preview(
    preset: &Preset,
    dataset: &Dataset,
    encoded: &[Encoded],
    tokenizer: &TextTokenizer,
    pad_id: i64,
) -> Result<Vec<Vec<Piece>>> {
    let lengths: Vec<usize> = encoded.iter().map(|example| example.ids.len()).collect();
    let first = Batches::new(lengths.clone(), preset.train.batch, preset.train.seed).epoch(0);
    let Some(rows) = first.first() else { return Ok(Vec::new()) };
    let length = rows.iter().map(|&row| lengths[row]).max().unwrap_or(0);
    let pad = tokenizer.shown(u32::try_from(pad_id).unwrap_or(0));
    let row = |&row: &usize| {
        let example = &dataset.train[row];
        let mut pieces: Vec<Piece> = tokenizer
            .tokens(example)?
            .into_iter()
            .map(|token| Piece {
                role: if token.special { PieceRole::Special } else { PieceRole::Read },
                text: token.text,
            })
            .collect();
        pieces.resize(length.max(pieces.len()), Piece { text: pad.clone(), role: PieceRole::Padding });
        let label = match (&dataset.labels, example.target) {
            (Labels::Classes(names), Target::Class(class)) => names.get(class as usize).cloned().unwrap_or_default(),
            (_, Target::Class(class)) => class.to_string(),
            (_, Target::Score(score)) => score.to_string(),
        };
        pieces.push(Piece { text: label, role: PieceRole::Label });
        Ok(pieces)
    };
    rows.iter().take(SHOWN).map(row).collect()
}
