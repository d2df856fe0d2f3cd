//! What a run of a preset would take, and its first batch, without starting it: files are read, nothing is downloaded, and no
//! weight is loaded.

use std::path::Path;

use anyhow::{Context, Result};
use tch::{Device, Kind};

use super::device::{self, Chosen, DeviceChoice};
use super::material::{GLUE, fits, glue_files, with_examples};
use super::memory::{self, Load};
use super::prepare::{check, rules_of};
use crate::data::instruct::{self, InstructionSource, Phrasing};
use crate::data::{self, Batches, Labels, Source, Target, Task, TextTokenizer, Token};
use crate::hub::Hub;
use crate::model::{Config, by_onednn};
use crate::outlook::{DataOutlook, DeviceOutlook, Fit, ModelOutlook, Outlook, Piece, PieceRole};
use crate::preset::{DataSource, Dtype, InstructionData, InstructionPlace, Preset};
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

/// Where a run would go.
#[derive(Clone, Copy, Debug)]
pub enum Destination {
    /// A device of this machine.
    Here(DeviceChoice),
    /// One that is elsewhere, of which nothing is known but this.
    Elsewhere {
        /// Bytes it has.
        memory: u64,
        /// Whether it is a GPU.
        gpu: bool,
    },
}

/// Works out what a run would take.
///
/// # Errors
/// Those that the run itself would end with before its first step, as far as they show without the weights.
pub fn outlook(preset: &Preset, destination: Destination, places: &Places) -> Result<Outlook> {
    let (mut outlook, gpu) = match destination {
        Destination::Here(choice) => {
            let chosen = choice.resolve()?;
            let pace = pace(places.runs, preset, &device::name(chosen.device), places.cache);
            let outlook = Outlook { device: device_outlook(&chosen), pace, ..Outlook::default() };
            (outlook, chosen.device != Device::Cpu)
        }
        Destination::Elsewhere { memory, gpu } => {
            let name = if gpu { "GPU" } else { "CPU" }.into();
            let device = DeviceOutlook { name, total: memory, free: memory };
            (Outlook { device: Some(device), ..Outlook::default() }, gpu)
        }
    };
    let id = &preset.model.id;
    if Path::new(id).starts_with(places.cache) && !Path::new(id).is_dir() {
        // Its examples are not there either then.
        let how = "Run `finesift download demo`, or `demo-chat` for that preset.";
        outlook.missing.push(format!("{id}: no such folder. {how}"));
        return Ok(outlook);
    }
    let folder = places.hub.model_here(id)?;
    if folder.is_none() {
        outlook.missing.push(format!("the model {id} is not here yet; launching downloads it"));
    }
    let config = folder.as_deref().map(Config::read).transpose()?;
    if let Some(config) = &config {
        fits(preset, config)?;
        check(preset, config)?;
    }
    let model = folder.as_deref().zip(config.as_ref());
    let read = match &preset.data.source {
        DataSource::Instructions(data) => written(preset, data, model, places)?,
        DataSource::Local(source) => Some(labelled(preset, source, model, places)?),
        DataSource::Hub(task) => match glue(*task, places.hub)? {
            Some(source) => Some(labelled(preset, &source, model, places)?),
            None => None,
        },
    };
    if read.is_none() {
        let name = match &preset.data.source {
            DataSource::Instructions(InstructionData { place: InstructionPlace::Hub { id, .. }, .. }) => id,
            _ => GLUE,
        };
        outlook.missing.push(format!("the dataset {name} is not here yet; launching downloads it"));
    }
    if let Some(config) = &config {
        let length = read.as_ref().map_or(preset.data.max_length as u64, |read| read.data.longest);
        let kind = if preset.model.dtype == Dtype::F32 { Kind::Float } else { Kind::BFloat16 };
        let load = Load {
            dtype: if preset.model.dtype == Dtype::F32 { 4 } else { 2 },
            gpu,
            rows: preset.train.batch as u64,
            length,
            checkpointing: preset.train.gradient_checkpointing,
            dropout: true,
            choosing: preset.sift.batches as u64,
            keeps_inputs: !gpu && by_onednn(Device::Cpu, kind, (preset.train.batch as u64 * length) as i64),
            micro_batches: preset.train.accumulate as u64,
        };
        let labels = match (&read, &preset.data.source) {
            (Some(read), _) => read.labels,
            (None, DataSource::Hub(task)) => task.labels().count(),
            // Classes that only the data tell are taken for two as long as these are not here.
            _ => 2,
        };
        let (rules, labels) = (rules_of(preset), labels as i64);
        let most = outlook.device.as_ref().map(|device| device.free);
        let fit = |checkpointing| {
            let load = Load { checkpointing, ..load };
            Fit {
                checkpointing,
                memory: memory::plan(config, &rules, labels, load).memory,
                largest: most.map(|most| memory::largest_batch(config, &rules, labels, load, most)),
            }
        };
        let fits = [false, true].map(fit).into();
        outlook.model = Some(ModelOutlook { fits, ..memory::plan(config, &rules, labels, load) });
    }
    outlook.data = read.map(|read| read.data);
    Ok(outlook)
}

/// What the data come to, and how many outputs a head needs for them.
struct Read {
    data: DataOutlook,
    labels: usize,
}

/// The files of a task, if all of them are here.
fn glue(task: Task, hub: &Hub) -> Result<Option<Source>> {
    let prefixes = glue_files(task);
    let files = hub.dataset_here(GLUE, &prefixes.each_ref().map(String::as_str))?;
    let folder = files.as_ref().and_then(|files| files.first()?.parent());
    Ok(folder.map(|folder| Source::Glue { task, folder: folder.to_owned() }))
}

fn labelled(preset: &Preset, source: &Source, model: Option<(&Path, &Config)>, places: &Places) -> Result<Read> {
    let dataset = data::load(source, preset.train.seed, &|_| {})?;
    let mut read = Read {
        data: DataOutlook {
            examples: dataset.train.len() as u64,
            eval_examples: dataset.eval.iter().map(|split| split.examples.len() as u64).sum(),
            longest: preset.data.max_length as u64,
            steps: steps(preset, dataset.train.len())?,
            preview: Vec::new(),
        },
        labels: dataset.labels.count(),
    };
    let Some((folder, config)) = model else { return Ok(read) };
    let tokenizer = TextTokenizer::open(folder, preset.data.max_length)?;
    // The run finds what is tokenized here, and begins the sooner.
    let tokens = places.cache.join("tokens");
    let encoded = tokenizer.encode("train", &dataset.train, Some(&tokens), &|_| {})?;
    let lengths: Vec<usize> = encoded.iter().map(|example| example.ids.len()).collect();
    read.data.longest = longest(&lengths, preset);
    let pad = tokenizer.shown(u32::try_from(config.pad_token_id()).unwrap_or(0));
    read.data.preview = preview(preset, lengths, &pad, |row| {
        let example = &dataset.train[row];
        let piece = |token: Token| Piece {
            role: if token.special { PieceRole::Special } else { PieceRole::Read },
            text: token.text,
        };
        let label = match (&dataset.labels, example.target) {
            (Labels::Classes(names), Target::Class(class)) => names.get(class as usize).cloned().unwrap_or_default(),
            (_, Target::Class(class)) => class.to_string(),
            (_, Target::Score(score)) => score.to_string(),
        };
        Ok((tokenizer.tokens(example)?.into_iter().map(piece).collect(), Some(label)))
    })?;
    Ok(read)
}

/// Nothing if the dataset is not here.
fn written(
    preset: &Preset,
    data: &InstructionData,
    model: Option<(&Path, &Config)>,
    places: &Places,
) -> Result<Option<Read>> {
    let train = match &data.place {
        InstructionPlace::Files(files) => files.clone(),
        InstructionPlace::Hub { id, prefix } => match places.hub.dataset_here(id, &[prefix])? {
            Some(files) => with_examples(files),
            None => return Ok(None),
        },
    };
    let source = InstructionSource { format: data.format, train, held_out: data.held_out.clone() };
    let instructions = instruct::load(&source, preset.train.seed, &|_| {})?;
    let mut read = Read {
        data: DataOutlook {
            examples: instructions.train.len() as u64,
            eval_examples: instructions.eval.len() as u64,
            longest: preset.data.max_length as u64,
            steps: steps(preset, instructions.train.len())?,
            preview: Vec::new(),
        },
        labels: 0,
    };
    let Some((folder, _)) = model else { return Ok(Some(read)) };
    let phrasing = Phrasing::open(folder, data.format, preset.data.max_length)?;
    let mut sequences = phrasing.encode("train", &instructions.train, &|_| {})?.sequences;
    read.data.examples = sequences.len() as u64;
    if data.packing {
        sequences = instruct::pack(sequences, preset.data.max_length);
    }
    let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.ids.len()).collect();
    read.data.steps = steps(preset, lengths.len())?;
    read.data.longest = longest(&lengths, preset);
    read.data.preview = preview(preset, lengths, "", |row| {
        let sequence = &sequences[row];
        let piece = |(&id, &learnt): (&u32, &bool)| {
            let token = phrasing.shown(id);
            let role = match (learnt, token.special) {
                (true, _) => PieceRole::TrainedOn,
                (false, true) => PieceRole::Special,
                (false, false) => PieceRole::Read,
            };
            Piece { text: token.text, role }
        };
        Ok((sequence.ids.iter().zip(&sequence.learnt).map(piece).collect(), None))
    })?;
    Ok(Some(read))
}

fn steps(preset: &Preset, examples: usize) -> Result<u64> {
    preset.train.steps(examples).context("train.epochs: too many steps to count")
}

fn longest(lengths: &[usize], preset: &Preset) -> u64 {
    lengths.iter().copied().max().unwrap_or(preset.data.max_length) as u64
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

/// The first rows of the first batch, padded to the batch's length. `shown` gives a row's tokens, and its label if it has
/// one.
fn preview(
    preset: &Preset,
    lengths: Vec<usize>,
    pad: &str,
    shown: impl Fn(usize) -> Result<(Vec<Piece>, Option<String>)>,
) -> Result<Vec<Vec<Piece>>> {
    let first = Batches::new(lengths.clone(), preset.train.batch, preset.train.seed).epoch(0);
    let Some(rows) = first.first() else { return Ok(Vec::new()) };
    let length = rows.iter().map(|&row| lengths[row]).max().unwrap_or(0);
    let row = |&row: &usize| {
        let (mut pieces, label) = shown(row)?;
        pieces.resize(length.max(pieces.len()), Piece { text: pad.to_owned(), role: PieceRole::Padding });
        pieces.extend(label.map(|text| Piece { text, role: PieceRole::Label }));
        Ok(pieces)
    };
    rows.iter().take(SHOWN).map(row).collect()
}
