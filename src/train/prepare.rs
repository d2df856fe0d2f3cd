//! From a preset to everything a run needs, the cheapest checks first.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tch::Kind;

use super::Job;
use super::device::{self, Chosen};
use super::evaluate::Evaluator;
use super::material::Material;
use super::schedule::LearningRate;
use super::select;
use super::speaker::Speaker;
use crate::Usage;
use crate::data::{Batches, Labels, Tokenized, digest};
use crate::model::{Config, Fingerprint, Layout, LoadOptions, Network};
use crate::preset::{Dtype, Preset};
use crate::protocol::{Event, Level, Progress, Started};
use crate::runs::checkpoint::{BaseIdentity, DataIdentity};
use crate::session::Port;
use crate::sift::{Role, Rules};

/// A run about to begin.
pub struct Prepared {
    /// The model.
    pub network: Network,
    /// What is trained of it.
    pub rules: Rules,
    /// Training examples.
    pub examples: Tokenized,
    /// Their order.
    pub plan: Plan,
    /// Held-out examples.
    pub evaluator: Evaluator,
    /// The score that decides which evaluation is best.
    pub best: String,
    /// The learning rate of each step.
    pub learning_rate: LearningRate,
    /// Names of the classes; none where a number is predicted or text is written.
    pub labels: Vec<String>,
    /// Which model it is.
    pub base: BaseIdentity,
    /// Which examples.
    pub data: DataIdentity,
    /// What is going to be trained on what.
    pub started: Started,
    /// Has a language model answer.
    pub speaker: Option<Speaker>,
}

/// Which examples each step takes.
pub struct Plan {
    batches: Batches,
    accumulate: usize,
    /// Steps of the run.
    pub steps: u64,
    /// The epoch whose order is held, and the order.
    current: Option<(u64, Vec<Vec<usize>>)>,
}

impl Plan {
    /// Steps in an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.batches.per_epoch().div_ceil(self.accumulate) as u64
    }

    /// The micro-batches of a step, counted from 0, as indices of examples.
    pub fn step(&mut self, step: u64) -> &[Vec<usize>] {
        let (epoch, within) = (step / self.steps_per_epoch(), (step % self.steps_per_epoch()) as usize);
        let start = within * self.accumulate;
        let end = (start + self.accumulate).min(self.batches.per_epoch());
        &self.epoch(epoch)[start..end]
    }

    /// The first micro-batches of the run.
    pub fn first(&mut self, number: usize) -> &[Vec<usize>] {
        let number = number.min(self.batches.per_epoch());
        &self.epoch(0)[..number]
    }

    fn epoch(&mut self, epoch: u64) -> &[Vec<usize>] {
        if self.current.as_ref().is_none_or(|(held, _)| *held != epoch) {
            self.current = None;
        }
        &self.current.get_or_insert_with(|| (epoch, self.batches.epoch(epoch))).1
    }
}

/// Finds, reads and checks everything.
///
/// # Errors
/// [`Usage`] for what the user can mend.
pub fn prepare(job: &Job, chosen: &Chosen, port: &Port) -> Result<Prepared> {
    let preset = &job.preset;
    let sift = &preset.sift;
    let progress = |progress: Progress| port.emit(Event::Progress(progress));
    let folder = model_folder(job, &progress)?;
    let config = Config::read(&folder)?;
    check(preset, &config)?;
    let rules = rules_of(preset);
    let material = Material::gather(job, &folder, &config, port)?;

    let options = LoadOptions {
        labels: material.labels,
        dtype: match preset.model.dtype {
            Dtype::F32 => Kind::Float,
            Dtype::Bf16 => Kind::BFloat16,
        },
        device: chosen.device,
        seed: preset.train.seed,
    };
    let (network, report) = Network::open(&folder, &options, &progress)?;
    tell_of_head(&report.fresh, &report.unused, &rules, port);
    warn_of_idle_targets(&network, &rules, port);

    let train = &preset.train;
    let lengths = material.train.lengths();
    let steps = train.steps(lengths.len()).context("train.epochs: too many steps to count")?;
    let plan = Plan {
        batches: Batches::new(lengths, train.batch, train.seed),
        accumulate: train.accumulate,
        steps,
        current: None,
    };
    let evaluator = Evaluator {
        splits: material.splits,
        labelled: material.labelled,
        batch: train.batch,
        pad_id: config.pad_token_id(),
    };
    let learning_rate = LearningRate {
        schedule: train.schedule,
        peak: train.learning_rate,
        warmup: (train.warmup * plan.steps as f64).ceil() as u64,
        steps: plan.steps,
    };
    let labels = match evaluator.labelled.as_ref().map(|labelled| &labelled.labels) {
        Some(Labels::Classes(names)) => names.clone(),
        Some(Labels::Regression) | None => Vec::new(),
    };
    let fingerprint = Fingerprint::of(&folder)?;
    let base =
        BaseIdentity { model: preset.model.id.clone(), config: fingerprint.config, weights: fingerprint.weights };
    let data = DataIdentity {
        examples: material.examples,
        train: digest([&material.train]),
        eval_examples: evaluator.examples(),
        eval: digest(evaluator.splits.iter().map(|split| &split.examples)),
    };
    let started = Started {
        run: job.folder.name().into(),
        preset: preset.name.clone(),
        about: preset.about.clone(),
        model: shown(&preset.model.id, &job.cache),
        data: material.name,
        device: device::name(chosen.device),
        device_note: chosen.note.clone(),
        dtype: preset.model.dtype.name().into(),
        examples: data.examples,
        eval_examples: data.eval_examples,
        steps: plan.steps,
        epochs: plan.steps as f64 / plan.steps_per_epoch() as f64,
        batch: (train.batch * train.accumulate) as u64,
        rate: sift.rate,
        select: sift.select.name().into(),
        parameters: network.parameters.components(),
        best: material.best.clone(),
        writes: material.speaker.is_some(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    Ok(Prepared {
        network,
        rules,
        examples: material.train,
        plan,
        evaluator,
        best: material.best,
        learning_rate,
        labels,
        base,
        data,
        started,
        speaker: material.speaker,
    })
}

/// Whether what the preset asks of the model can be had of it.
///
/// # Errors
/// [`Usage`], naming the key.
pub(super) fn check(preset: &Preset, config: &Config) -> Result<()> {
    if preset.data.max_length as i64 > config.longest() {
        bail!(Usage(format!(
            "data.max_length is {}, but {} has positions for {} tokens",
            preset.data.max_length,
            preset.model.id,
            config.longest()
        )));
    }
    // Names do not depend on the number of labels, which only the data tells.
    select::check(&rules_of(preset), &Layout::of(config, 2).parameters)
}

/// The preset's choice of targets.
pub(super) fn rules_of(preset: &Preset) -> Rules {
    let sift = &preset.sift;
    Rules { rate: sift.rate, modules: sift.modules.clone(), dense: sift.dense.clone(), biases: sift.biases }
}

fn model_folder(job: &Job, progress: &dyn Fn(Progress)) -> Result<PathBuf> {
    let id = &job.preset.model.id;
    if Path::new(id).starts_with(&job.cache) && !Path::new(id).is_dir() {
        bail!(Usage(format!("{id}: no such folder. Run `finesift download demo`, or `demo-chat` for that preset.")));
    }
    job.hub.model(id, progress)
}

fn tell_of_head(fresh: &[String], unused: &[String], rules: &Rules, port: &Port) {
    if !unused.is_empty() {
        port.emit(Event::info(format!("not used of the checkpoint, as another task's head: {}", unused.join(", "))));
    }
    if !fresh.is_empty() {
        port.emit(Event::info(format!("new and random, since the checkpoint has none: {}", fresh.join(", "))));
    }
    let idle: Vec<&str> = fresh.iter().map(String::as_str).filter(|name| rules.role(name) == Role::Frozen).collect();
    if !idle.is_empty() {
        port.emit(Event::warning(format!("random and not trained: {}; add them to sift.dense", idle.join(", "))));
    }
}

/// The softmax over keys does not see what is added to all of them.
fn warn_of_idle_targets(network: &Network, rules: &Rules, port: &Port) {
    let specs = network.parameters.specs().iter().filter(|spec| rules.role(&spec.name) == Role::Sparse);
    let names: Vec<&str> = specs.map(|spec| spec.name.as_str()).collect();
    if !names.is_empty() && names.iter().all(|name| name.ends_with("key.bias")) {
        let message = "sift.modules chooses biases of keys only; their gradient is zero but for rounding".into();
        port.emit(Event::Log { level: Level::Warning, message });
    }
}

/// A path into finesift's cache says nothing to a reader.
fn shown(id: &str, cache: &Path) -> String {
    match Path::new(id).strip_prefix(cache) {
        Ok(_) => Path::new(id).file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Err(_) => id.to_owned(),
    }
}
