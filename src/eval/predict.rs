//! A trained model at work: scores on labelled texts, and what it makes of others.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor, no_grad};

use super::{DeviceBatch, Evaluator, HeldOut, Labelled, Scores};
use crate::Usage;
use crate::data::{Example, Labels, Split, TextTokenizer, Tokenized, collate};
use crate::export::Changes;
use crate::metrics::Metrics;
use crate::model::{LoadOptions, ModelConfig, Network};
use crate::protocol::Progress;

/// Examples at a time.
const BATCH: usize = 32;

/// A classifier with its tokenizer.
pub struct Predictor {
    network: Network,
    tokenizer: TextTokenizer,
    /// Names of the classes; none where a number is predicted.
    pub labels: Vec<String>,
}

/// How to open a model.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Where it runs.
    pub device: Device,
    /// Type of its weights.
    pub dtype: Kind,
    /// Tokens of a text at most.
    pub max_length: usize,
}

impl Predictor {
    /// A base model with changes made to it.
    ///
    /// # Errors
    /// [`Usage`]: not the base model that was changed, or one that cannot be opened.
    pub fn changed(changes: &Changes, base: &Path, opening: Opening, progress: &dyn Fn(Progress)) -> Result<Predictor> {
        changes.info.check_base(base)?;
        let (predictor, _) = Predictor::new(base, changes.info.labels.clone(), opening, progress)?;
        let parameters = &predictor.network.parameters;
        let known =
            |name: &str, shape: &[i64]| parameters.specs().iter().any(|spec| spec.name == name && spec.shape == shape);
        let on_device = |tensor: &Tensor| tensor.to_device(opening.device);
        no_grad(|| {
            for sparse in &changes.sparse {
                if !known(&sparse.name, &sparse.shape) {
                    bail!(Usage(format!("{}: the model has no such parameter", sparse.name)));
                }
                let values = on_device(&sparse.values).to_kind(opening.dtype);
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

    /// A model's folder as it is, with a head and its labels.
    ///
    /// # Errors
    /// [`Usage`]: a model that cannot be opened, or one without a head.
    pub fn folder(folder: &Path, opening: Opening, progress: &dyn Fn(Progress)) -> Result<Predictor> {
        // Before its config.json is asked for labels.
        classifier(folder)?;
        let config: Map<String, Value> = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
        let place = folder.join("config.json");
        let labels = labels(&config).map_err(|error| Usage(format!("{}: {error}", place.display())))?;
        let (predictor, fresh) = Predictor::new(folder, labels, opening, progress)?;
        if !fresh.is_empty() {
            let (place, lacking) = (folder.display(), fresh.join(", "));
            bail!(Usage(format!("{place}: its weights lack {lacking}; is it a classifier that was fine-tuned?")));
        }
        Ok(predictor)
    }

    /// The model, and what of its head is new and random.
    fn new(
        folder: &Path,
        labels: Vec<String>,
        opening: Opening,
        progress: &dyn Fn(Progress),
    ) -> Result<(Predictor, Vec<String>)> {
        let longest = classifier(folder)?.longest() as usize;
        let tokenizer = TextTokenizer::open(folder, opening.max_length.min(longest))?;
        let Opening { device, dtype, .. } = opening;
        let options = LoadOptions { labels: labels.len().max(1) as i64, dtype, device, seed: 0 };
        let (network, report) = Network::open(folder, &options, progress)?;
        Ok((Predictor { network, tokenizer, labels }, report.fresh))
    }

    /// Logits of each text, in their order: one per class, or the number predicted.
    ///
    /// # Errors
    /// A text that cannot be tokenized.
    pub fn logits(&self, examples: &[Example], progress: &dyn Fn(Progress)) -> Result<Vec<Vec<f32>>> {
        let encoded = self.tokenizer.encode("texts", examples, None, progress)?;
        let pad_id = self.network.config.pad_token_id();
        // Like lengths together; each answer goes back to its text's place.
        let mut order: Vec<usize> = (0..encoded.len()).collect();
        order.sort_by_key(|&index| encoded[index].ids.len());
        let (mut answers, mut done) = (vec![Vec::new(); encoded.len()], 0);
        for rows in order.chunks(BATCH) {
            let loaded = DeviceBatch::new(&collate(&encoded, rows, pad_id), self.network.parameters.device());
            let logits = self.network.logits(&loaded.inputs).to_kind(Kind::Float).to_device(Device::Cpu);
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

    /// What its labels are to the data.
    pub fn kind(&self) -> Labels {
        if self.labels.is_empty() { Labels::Regression } else { Labels::Classes(self.labels.clone()) }
    }
}

/// A model's config, unless it is one that writes.
fn classifier(folder: &Path) -> Result<ModelConfig> {
    match ModelConfig::read(folder)? {
        ModelConfig::Decoder(_) => bail!(Usage(format!(
            "{}: a language model writes text and tells no classes apart; its perplexity is told as it is trained",
            folder.display()
        ))),
        encoder => Ok(encoder),
    }
}

/// The classes in a config.json of a classifier, in order.
fn labels(config: &Map<String, Value>) -> Result<Vec<String>, String> {
    if config.get("problem_type").and_then(Value::as_str) == Some("regression") {
        return Ok(Vec::new());
    }
    let Some(names) = config.get("id2label").and_then(Value::as_object) else {
        return Err("no id2label: is it a classifier that was fine-tuned?".into());
    };
    let named = (0..names.len()).map(|id| names.get(&id.to_string())?.as_str().map(str::to_owned));
    match named.collect::<Option<Vec<String>>>() {
        Some(labels) if labels.len() == 1 => Ok(Vec::new()),
        Some(labels) => Ok(labels),
        None => Err(format!("id2label does not name the classes 0 to {}", names.len().saturating_sub(1))),
    }
}

/// Where what is asked to work lies.
pub enum ModelSource {
    /// A run.
    Run(PathBuf),
    /// A model's folder.
    Folder(PathBuf),
    /// A delta that was exported.
    Delta(PathBuf),
}

impl ModelSource {
    /// Tells which of them a name or path is.
    ///
    /// # Errors
    /// [`Usage`] if it is none.
    pub fn of(runs: &Path, name: &str) -> Result<ModelSource> {
        let path = PathBuf::from(name);
        if path.join("config.json").is_file() {
            Ok(ModelSource::Folder(path))
        } else if path.is_file() && name.ends_with(".safetensors") {
            Ok(ModelSource::Delta(path))
        } else {
            let found = crate::runs::find(runs, name).map(ModelSource::Run);
            found.map_err(|error| if path.exists() { Usage(neither(&path)).into() } else { error })
        }
    }
}

/// What is wrong with a path that is there and is neither model nor run nor delta.
fn neither(path: &Path) -> String {
    let has = |name: &str| path.join(name).exists();
    let what = if path.is_file() {
        "a file, and not a .safetensors that `finesift export --to delta` wrote"
    } else if has("adapter_config.json") {
        "a folder with an adapter, which needs its base model; ask the run it was exported from, or its merged model"
    } else if has("checkpoint.json") {
        "a checkpoint of a run; name the run's folder, and the checkpoint with --from STEP"
    } else if has("events.jsonl") {
        "the folder of a run that has lost its preset.toml"
    } else if path.read_dir().is_ok_and(|mut entries| entries.next().is_none()) {
        "an empty folder; a model has config.json, tokenizer.json and model.safetensors, a run preset.toml"
    } else {
        "a folder without config.json, which a model has, and without preset.toml, which a run has"
    };
    format!("{}: {what}", path.display())
}
