//! From a preset to everything a run needs. The weights, which take longest to load, come after all checks.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use tch::Device;

use super::early_stopping::EarlyStopping;
use super::generation::SampleGenerator;
use super::job::Job;
use super::loader::Loader;
use super::schedule::LearningRate;
use crate::Usage;
use crate::data::instruct::PromptEncoder;
use crate::data::{Classes, LabelSet, digest};
use crate::device::{self, Chosen};
use crate::distributed::World;
use crate::estimate::{DataShape, RunShape, StepShape, oom};
use crate::eval::{Evaluator, HeldOut, Labelled};
use crate::inputs::{
    self, Access, CompletePreset, Downloads, ModelTokenizer, OpenedData, OpenedModel, TokenizedExamples, TokenizedSplit,
};
use crate::model::{Fingerprint, Head, LoadOptions, LoadReport, LoraConfig, Network, OffDevice, Sampling};
use crate::preset::{Offload, Preset, differences};
use crate::protocol::{Event, HeadRows, Progress, Started};
use crate::runs::checkpoint::{BaseIdentity, DataIdentity};
use crate::session::Port;
use crate::sift::{Role, Rules};

/// A run that is ready to start.
pub struct PreparedRun {
    /// With the adapters of a LoRA run.
    pub network: Network,
    pub rules: Rules,
    /// For the error when memory runs out.
    pub shape: RunShape,
    pub loader: Loader,
    pub evaluator: Evaluator,
    /// The score that decides which evaluation is best.
    pub best_score: String,
    pub learning_rate: LearningRate,
    /// The classes; none for a regression or a language model.
    pub classes: Classes,
    pub head: HeadRows,
    pub base: BaseIdentity,
    pub data: DataIdentity,
    /// The first event of the run.
    pub started: Started,
    /// Of a language model.
    pub generator: Option<SampleGenerator>,
    /// Where the head came from, for a run that starts from the base model.
    pub head_note: Option<Event>,
    /// Which parameters the base model lacks, and which of its tensors are not used.
    pub loaded: LoadReport,
}

/// Opens the preset.
///
/// # Errors
/// [`Usage`](crate::Usage): a mistake in the preset, or files that do not fit it. Others: the network or the disk.
pub fn open(job: &Job, port: &Port) -> Result<CompletePreset> {
    let access = Access { hub: &job.hub, cache: &job.cache, downloads: Downloads::Allowed };
    inputs::open(&job.preset, &access, &|event| port.emit(event))?.complete()
}

/// The shape of a run of the opened preset.
pub fn shape(preset: &Preset, opened: &CompletePreset, device: Device, world: &World) -> Result<RunShape> {
    let longest = opened.examples.train.lengths().into_iter().max().unwrap_or(0) as u64;
    let data = DataShape { labels: opened.data.labels, longest, steps: Some(opened.data.steps) };
    let shape = RunShape::of(preset, &opened.model.config, data, device != Device::Cpu)?;
    Ok(shape.with_step(StepShape { ranks: world.size() as u64, ..shape.step }))
}

/// Loads the weights.
///
/// # Errors
/// Files of the model that do not fit it, or cannot be read.
pub fn prepare(
    job: &Job,
    opened: CompletePreset,
    shape: RunShape,
    (chosen, world): (&Chosen, &Arc<World>),
    port: &Port,
) -> Result<PreparedRun> {
    let preset = &job.preset;
    let CompletePreset { model, data, examples } = opened;
    let OpenedModel { folder, config, tokenizer } = model;
    let OpenedData {
        name,
        labels: outputs,
        head,
        head_note,
        examples: count,
        eval_examples,
        steps,
        best,
        labelled,
        ..
    } = data;
    let TokenizedExamples { train, held_out } = examples;

    let labelled = labelled.map(|dataset| Labelled {
        metrics: dataset.metrics,
        labels: dataset.labels,
        texts: dataset.eval.into_iter().next().map(|split| split.examples).unwrap_or_default(),
    });
    let splits = held_out.into_iter().enumerate().map(|(number, TokenizedSplit { name, examples })| HeldOut {
        suffix: HeldOut::suffix(number, &name),
        examples,
    });
    let pad_id = config.pad_token_id();
    let evaluator = Evaluator { splits: splits.collect(), labelled, batch: preset.train.batch, pad_id };
    let loader = Loader::new(train, &preset.train, pad_id, steps);
    let data = DataIdentity {
        examples: count,
        train: digest([loader.examples()]),
        eval_examples,
        eval: digest(evaluator.splits.iter().map(|split| &split.examples)),
    };
    let generator = match tokenizer {
        ModelTokenizer::Prompts(encoder) => Some(generator(preset, *encoder)),
        ModelTokenizer::Text(_) => None,
    };
    let (rules, adapters) = (shape.rules.clone(), &shape.adapters);
    let new = Head { outputs, rows: head.clone() };
    let memory = job.memory(&shape, chosen.device);
    let (mut network, loaded) = oom::explain_loading(&memory, || load(preset, &folder, new, (chosen, world), port))?;
    if let Some(adapters) = adapters {
        network.add_adapters(adapters, preset.train.seed);
    }
    warn_of_key_biases(&network, &rules, port);
    let fingerprint = Fingerprint::of(&folder)?;
    let learning_rate = LearningRate {
        schedule: preset.train.schedule,
        peak: preset.train.learning_rate,
        warmup: (preset.train.warmup * steps as f64).ceil() as u64,
        steps,
    };
    let classes = match evaluator.labelled.as_ref().map(|labelled| &labelled.labels) {
        Some(LabelSet::Classes(classes)) => classes.clone(),
        Some(LabelSet::Regression) | None => Classes::default(),
    };
    let started = Started {
        run: job.folder.name().into(),
        preset: preset.name.clone(),
        about: preset.about.clone(),
        model: model_name(&preset.model.id, &job.cache),
        data: name,
        device: device::name(chosen.device),
        device_note: chosen.note.clone(),
        ranks: world.size() as u64,
        dtype: preset.model.dtype.name().into(),
        examples: count,
        eval_examples,
        steps,
        epochs: steps as f64 / loader.steps_per_epoch() as f64,
        batch: (preset.train.batch * preset.train.accumulate) as u64,
        method: preset.method,
        lora: adapters.as_ref().map(LoraConfig::facts),
        rate: preset.sift.rate,
        select: preset.sift.select.name().into(),
        structure: preset.sift.structure.name().into(),
        budget: preset.sift.budget.name().into(),
        parameters: network.parameters.components(),
        best: best.clone(),
        patience: EarlyStopping::new(preset.train.patience, 0).patience(),
        clip: preset.train.max_grad_norm(),
        writes: generator.is_some(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let base = BaseIdentity {
        model: preset.model.id.clone(),
        commit: job.hub.commit_of(&folder),
        config: fingerprint.config,
        weights: fingerprint.weights,
    };
    Ok(PreparedRun {
        network,
        rules,
        shape,
        loader,
        evaluator,
        best_score: best,
        learning_rate,
        classes,
        head,
        base,
        data,
        started,
        generator,
        head_note,
        loaded,
    })
}

/// Checks that all ranks train the same.
///
/// # Errors
/// What another rank has, and which.
pub fn agree(world: &World, job: &Job, prepared: &PreparedRun) -> Result<()> {
    if world.is_alone() {
        return Ok(());
    }
    let presets = world.all_gather(job.preset.toml.clone().into_bytes())?;
    let text = |rank: usize| String::from_utf8_lossy(&presets[rank]).into_owned();
    for rank in 1..presets.len() {
        let differing = differences(&text(0), &text(rank))?;
        if let Some(difference) = differing.first() {
            bail!(Usage(format!("rank {rank} has another preset than rank 0: {difference}")));
        }
    }
    world.agree("data", &format!("{} and {}", prepared.data.train, prepared.data.eval))?;
    world.agree("base model", &prepared.base.weights)?;
    world.agree("type of device", if prepared.network.parameters.device().is_cuda() { "a GPU" } else { "the CPU" })?;
    Ok(())
}

fn generator(preset: &Preset, encoder: PromptEncoder) -> SampleGenerator {
    let sample = &preset.sample;
    let sampling =
        Sampling { temperature: sample.temperature, top_k: sample.top_k, top_p: sample.top_p, seed: preset.train.seed };
    SampleGenerator { encoder, sampling, tokens: sample.tokens, prompts: sample.prompts.clone() }
}

fn load(
    preset: &Preset,
    folder: &Path,
    head: Head,
    (chosen, world): (&Chosen, &Arc<World>),
    port: &Port,
) -> Result<(Network, LoadReport)> {
    let asked = preset.train.offload == Offload::Weights;
    let sharded = preset.train.shard && !world.is_alone();
    let options = LoadOptions {
        head,
        dtype: preset.model.dtype.into(),
        device: chosen.device,
        offload: match (asked && chosen.device.is_cuda(), sharded) {
            (true, _) => Some(OffDevice::Host),
            (false, true) => Some(OffDevice::Ranks(Arc::clone(world))),
            (false, false) => None,
        },
        seed: preset.train.seed,
    };
    let (network, report) =
        Network::open(folder, &options, &|progress: Progress| port.emit(Event::Progress(progress)))?;
    match &network.offload {
        Some(offload) => {
            let key = if sharded { "train.shard" } else { "train.offload" };
            port.emit(Event::info(format!("{key}: {}", offload.summary())));
        }
        None if asked => port.emit(Event::warning(
            "train.offload = \"weights\" has no effect on a CPU, whose memory has the weights in any case",
        )),
        None if preset.train.shard => port.emit(Event::warning(
            "train.shard = true has no effect on a run with one process; start several with --gpus or --ranks",
        )),
        None => {}
    }
    Ok((network, report))
}

/// Reports which parameters the base model lacks. A run that resumes from a checkpoint has them from there.
pub fn report_base(prepared: &PreparedRun, port: &Port) {
    let PreparedRun { head_note, loaded: LoadReport { newly_initialized, unused }, rules, .. } = prepared;
    head_note.iter().cloned().for_each(|note| port.emit(note));
    if !unused.is_empty() {
        port.emit(Event::info(format!("unused tensors of the base checkpoint: {}", unused.join(", "))));
    }
    if !newly_initialized.is_empty() {
        port.emit(Event::info(format!(
            "newly initialised (not in the base checkpoint): {}",
            newly_initialized.join(", ")
        )));
    }
    let frozen: Vec<&str> =
        newly_initialized.iter().map(String::as_str).filter(|name| rules.role(name) == Role::Frozen).collect();
    if !frozen.is_empty() {
        let names = frozen.join(", ");
        port.emit(Event::warning(format!("newly initialised but not trained: {names}. Add them to sift.dense")));
    }
}

/// The softmax over keys is invariant to a bias added to all of them.
fn warn_of_key_biases(network: &Network, rules: &Rules, port: &Port) {
    let specs = network.parameters.specs().iter().filter(|spec| rules.role(&spec.name) == Role::Sparse);
    let names: Vec<&str> = specs.map(|spec| spec.name.as_str()).collect();
    if !names.is_empty() && names.iter().all(|name| name.ends_with("key.bias")) {
        port.emit(Event::warning("sift.modules matches key biases only, whose gradient is zero up to rounding"));
    }
}

/// The hub id; of a folder its name, with that of the folder it is in unless that is finesift's cache.
fn model_name(id: &str, cache: &Path) -> String {
    let path = Path::new(id);
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match path.parent() {
        Some(parent) if path.is_absolute() && !path.starts_with(cache) => {
            format!("{}/{}", name(parent), name(path)).trim_start_matches('/').to_owned()
        }
        Some(_) if path.is_absolute() => name(path),
        _ => id.to_owned(),
    }
}
