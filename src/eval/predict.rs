//! Inference with a fine-tuned classifier: predictions for texts, and scores on labelled ones.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor, no_grad};

use super::device_batch::DeviceBatch;
use super::held_out::{Evaluator, HeldOut, Labelled, Scores};
use crate::Usage;
use crate::data::{Example, LabelSet, Split, TextTokenizer, Tokenized, collate};
use crate::delta::Changes;
use crate::metrics::Metrics;
use crate::model::{LoadOptions, ModelConfig, Network};
use crate::protocol::Progress;

/// Examples of a batch.
const BATCH: usize = 32;

/// A classifier with its tokenizer.
pub struct Predictor {
    network: Network,
    tokenizer: TextTokenizer,
    /// Names of the classes; empty for a regression.
    pub labels: Vec<String>,
}

/// How to open a model.
#[derive(Clone, Copy, Debug)]
pub struct PredictorOptions {
    pub device: Device,
    pub dtype: Kind,
    /// Tokens of a text at most.
    pub max_length: usize,
}

impl Predictor {
    /// A base model with the changes of a checkpoint or an exported delta.
    ///
    /// # Errors
    /// [`Usage`]: another base model, or one that cannot be opened.
    pub fn changed(
        changes: &Changes,
        base: &Path,
        options: PredictorOptions,
        progress: &dyn Fn(Progress),
    ) -> Result<Predictor> {
        changes.info.check_base(base)?;
        let (predictor, _) = Predictor::new(base, changes.info.labels.clone(), options, progress)?;
        let parameters = &predictor.network.parameters;
        let known =
            |name: &str, shape: &[i64]| parameters.specs().iter().any(|spec| spec.name == name && spec.shape == shape);
        let on_device = |tensor: &Tensor| tensor.to_device(options.device);
        no_grad(|| {
            for sparse in &changes.sparse {
                if !known(&sparse.name, &sparse.shape) {
                    bail!(Usage(format!("{}: the model has no such parameter", sparse.name)));
                }
                let values = on_device(&sparse.values).to_kind(options.dtype);
                let _ = parameters.get(&sparse.name).view(-1).index_copy_(0, &on_device(&sparse.indices), &values);
            }
            for full in &changes.dense {
                if !known(&full.name, &full.values.size()) {
                    bail!(Usage(format!("{}: the model has no such parameter", full.name)));
                }
                parameters.get(&full.name).copy_(&full.values);
            }
            Ok(())
        })?;
        Ok(predictor)
    }

    /// A fine-tuned classifier in a model's folder.
    ///
    /// # Errors
    /// [`Usage`]: a model that cannot be opened, or one without a head.
    pub fn folder(folder: &Path, options: PredictorOptions, progress: &dyn Fn(Progress)) -> Result<Predictor> {
        // Before the labels are read, for a better error.
        classifier(folder)?;
        let config: Map<String, Value> = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
        let place = folder.join("config.json");
        let labels = labels(&config).map_err(|error| Usage(format!("{}: {error}", place.display())))?;
        let (predictor, fresh) = Predictor::new(folder, labels, options, progress)?;
        if !fresh.is_empty() {
            let (place, lacking) = (folder.display(), fresh.join(", "));
            bail!(Usage(format!("{place}: its weights lack {lacking}; is it a fine-tuned classifier?")));
        }
        Ok(predictor)
    }

    /// The model, and the newly initialised parameters of its head.
    fn new(
        folder: &Path,
        labels: Vec<String>,
        options: PredictorOptions,
        progress: &dyn Fn(Progress),
    ) -> Result<(Predictor, Vec<String>)> {
        let longest = classifier(folder)?.max_tokens() as usize;
        let tokenizer = TextTokenizer::open(folder, options.max_length.min(longest))?;
        let PredictorOptions { device, dtype, .. } = options;
        let load = LoadOptions { labels: labels.len().max(1) as i64, dtype, device, seed: 0 };
        let (network, report) = Network::open(folder, &load, progress)?;
        Ok((Predictor { network, tokenizer, labels }, report.newly_initialized))
    }

    /// Logits of each text, in order: one per class, or the predicted number.
    ///
    /// # Errors
    /// A text that cannot be tokenized.
    pub fn logits(&self, examples: &[Example], progress: &dyn Fn(Progress)) -> Result<Vec<Vec<f32>>> {
        let encoded = self.tokenizer.encode("texts", examples, None, progress)?;
        let pad_id = self.network.config.pad_token_id();
        // Sorted by length, which saves padding; the answers are returned in the original order.
        let mut order: Vec<usize> = (0..encoded.len()).collect();
        order.sort_by_key(|&index| encoded[index].ids.len());
        let (mut answers, mut done) = (vec![Vec::new(); encoded.len()], 0);
        for rows in order.chunks(BATCH) {
            let batch = DeviceBatch::new(&collate(&encoded, rows, pad_id), self.network.parameters.device());
            let logits = self.network.logits(&batch.inputs).to_kind(Kind::Float).to_device(Device::Cpu);
            for (place, &row) in (0..).zip(rows) {
                answers[row] = Vec::try_from(logits.get(place))?;
            }
            done += rows.len() as u64;
            let (task, total) = ("predicting".into(), encoded.len() as u64);
            progress(Progress { task, done, total, unit: "examples".into() });
        }
        Ok(answers)
    }

    /// Scores on labelled splits, of which the first gives the loss.
    ///
    /// # Errors
    /// A text that cannot be tokenized.
    pub fn scores(&self, splits: Vec<Split>, metrics: Metrics, progress: &dyn Fn(Progress)) -> Result<Scores> {
        let encoded = splits.iter().enumerate().map(|(number, split)| {
            let examples = self.tokenizer.encode(&split.name, &split.examples, None, progress)?;
            Ok(HeldOut { suffix: HeldOut::suffix(number, &split.name), examples: Tokenized::Labelled(examples) })
        });
        let encoded = encoded.collect::<Result<Vec<_>>>()?;
        let texts = splits.into_iter().next().map(|split| split.examples).unwrap_or_default();
        let evaluator = Evaluator {
            splits: encoded,
            labelled: Some(Labelled { metrics, labels: self.kind(), texts }),
            batch: BATCH,
            pad_id: self.network.config.pad_token_id(),
        };
        let total = evaluator.batches();
        let scores = evaluator.run(&self.network, |done| {
            progress(Progress { task: "evaluating".into(), done, total, unit: "batches".into() });
            true
        })?;
        Ok(scores.unwrap_or(Scores { loss: f64::NAN, scores: Default::default(), worst: None }))
    }

    /// The labels as the data module describes them.
    pub fn kind(&self) -> LabelSet {
        if self.labels.is_empty() { LabelSet::Regression } else { LabelSet::Classes(self.labels.clone()) }
    }
}

/// The config of a classifier.
fn classifier(folder: &Path) -> Result<ModelConfig> {
    match ModelConfig::read(folder)? {
        ModelConfig::Decoder(_) => bail!(Usage(format!(
            "{}: a language model, not a classifier; its perplexity is part of every evaluation during training",
            folder.display()
        ))),
        encoder => Ok(encoder),
    }
}

/// Why a config.json does not name the classes.
#[derive(Debug)]
enum LabelsError {
    NoLabels,
    /// Not every one of these classes has a name.
    Unnamed(usize),
}

impl fmt::Display for LabelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabelsError::NoLabels => f.write_str("no id2label; is it a fine-tuned classifier?"),
            LabelsError::Unnamed(classes) => {
                write!(f, "id2label does not name the classes 0 to {}", classes.saturating_sub(1))
            }
        }
    }
}

/// The classes in a classifier's config.json, in order.
fn labels(config: &Map<String, Value>) -> Result<Vec<String>, LabelsError> {
    if config.get("problem_type").and_then(Value::as_str) == Some("regression") {
        return Ok(Vec::new());
    }
    let Some(names) = config.get("id2label").and_then(Value::as_object) else {
        return Err(LabelsError::NoLabels);
    };
    let named = (0..names.len()).map(|id| names.get(&id.to_string())?.as_str().map(str::to_owned));
    match named.collect::<Option<Vec<String>>>() {
        Some(labels) if labels.len() == 1 => Ok(Vec::new()),
        Some(labels) => Ok(labels),
        None => Err(LabelsError::Unnamed(names.len())),
    }
}

/// The kinds of model that can be evaluated.
pub enum ModelSource {
    /// The folder of a run.
    Run(PathBuf),
    /// The folder of a model.
    Folder(PathBuf),
    /// An exported delta.
    Delta(PathBuf),
}

impl ModelSource {
    /// Identifies a name or path.
    ///
    /// # Errors
    /// [`Usage`] if it is neither of them.
    pub fn of(runs: &Path, name: &str) -> Result<ModelSource> {
        let path = PathBuf::from(name);
        if path.join("config.json").is_file() {
            Ok(ModelSource::Folder(path))
        } else if path.is_file() && name.ends_with(".safetensors") {
            Ok(ModelSource::Delta(path))
        } else {
            let found = crate::runs::find(runs, name).map(ModelSource::Run);
            found.map_err(|error| if path.exists() { Usage(unknown_path(&path)).into() } else { error })
        }
    }
}

/// Why an existing path is neither model nor run nor delta.
fn unknown_path(path: &Path) -> String {
    let has = |name: &str| path.join(name).exists();
    let what = if path.is_file() {
        "a file, but not a .safetensors file of `finesift export --to delta`"
    } else if has("adapter_config.json") {
        "an adapter, which needs its base model; use the run it was exported from, or the merged model"
    } else if has("checkpoint.json") {
        "a checkpoint of a run; name the run's folder, and the checkpoint with --from STEP"
    } else if has("events.jsonl") {
        "the folder of a run without its preset.toml"
    } else if path.read_dir().is_ok_and(|mut entries| entries.next().is_none()) {
        "an empty folder; a model has config.json, tokenizer.json and model.safetensors, a run preset.toml"
    } else {
        "a folder without the config.json of a model or the preset.toml of a run"
    };
    format!("{}: {what}", path.display())
}
