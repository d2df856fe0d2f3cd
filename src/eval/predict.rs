//! Inference with a fine-tuned classifier: predictions for texts, and scores on labelled ones.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor, no_grad};

use super::device_batch::DeviceBatch;
use super::held_out::{Evaluator, HeldOut, Labelled, Scores};
use crate::Usage;
use crate::data::{Classes, Example, LabelSet, Split, TextTokenizer, Tokenized, collate};
use crate::delta::{Changes, DeltaInfo};
use crate::distributed::World;
use crate::metrics::Metrics;
use crate::model::{EncoderConfig, Head, LoadOptions, ModelConfig, Network};
use crate::protocol::Progress;

/// Examples of a batch.
const BATCH: usize = 32;

/// A classifier with its tokenizer.
pub struct Predictor {
    network: Network,
    tokenizer: TextTokenizer,
    /// What its outputs are.
    pub labels: LabelSet,
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
        let (mut predictor, _) =
            Predictor::new(base, label_set(&changes.info), changes.info.head(), options, progress)?;
        if let Some(adapters) = &changes.adapters {
            predictor.network.add_adapters(adapters, 0);
        }
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
        let labels = labels(&classifier(folder)?)
            .map_err(|error| Usage(format!("{}: {error}", folder.join("config.json").display())))?;
        let head = Head::as_stored(labels.count() as i64);
        let (predictor, fresh) = Predictor::new(folder, labels, head, options, progress)?;
        if !fresh.is_empty() {
            let (place, lacking) = (folder.display(), fresh.join(", "));
            bail!(Usage(format!("{place}: its weights lack {lacking}; is it a fine-tuned classifier?")));
        }
        Ok(predictor)
    }

    /// The model, and the newly initialised parameters of its head.
    fn new(
        folder: &Path,
        labels: LabelSet,
        head: Head,
        options: PredictorOptions,
        progress: &dyn Fn(Progress),
    ) -> Result<(Predictor, Vec<String>)> {
        let longest = ModelConfig::Encoder(classifier(folder)?).max_tokens() as usize;
        let tokenizer = TextTokenizer::open(folder, options.max_length.min(longest))?;
        let PredictorOptions { device, dtype, .. } = options;
        let load = LoadOptions { head, dtype, device, offload: None, seed: 0 };
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
            labelled: Some(Labelled { metrics, labels: self.labels.clone(), texts }),
            batch: BATCH,
            pad_id: self.network.config.pad_token_id(),
        };
        let total = evaluator.batches();
        let scores = evaluator.run(&self.network, &World::ALONE, |done| {
            progress(Progress { task: "evaluating".into(), done, total, unit: "batches".into() });
            true
        })?;
        Ok(scores.unwrap_or(Scores {
            loss: f64::NAN,
            scores: Default::default(),
            worst: None,
            predictions: Vec::new(),
        }))
    }

    /// Puts the outputs in the order of these labels, by name. Returns a line that says so, unless they are in that order.
    ///
    /// # Errors
    /// [`Usage`]: other labels; `of` says whose they are.
    pub fn follow(&mut self, labels: &LabelSet, of: &str) -> Result<Option<String>> {
        let (own, others) = match (&self.labels, labels) {
            (LabelSet::Regression, LabelSet::Regression) => return Ok(None),
            (LabelSet::Classes(own), LabelSet::Classes(others)) => (own, others),
            (LabelSet::Regression, _) => bail!(Usage(format!("{of} has classes, but the model predicts a number"))),
            (_, LabelSet::Regression) => bail!(Usage(format!("{of} has numbers, but the model predicts classes"))),
        };
        let (described, of_data) = (own.describe(), others.describe());
        let same_number = own.names.len() == others.names.len();
        let note = match others.order_in(&own.names) {
            Some(order) if order.iter().copied().eq(0..order.len()) => None,
            Some(order) => {
                let order: Vec<i64> = order.into_iter().map(|row| row as i64).collect();
                self.reorder(&Tensor::from_slice(&order));
                Some(format!("labels: the model has {described}, {of} has {of_data}; compared by name"))
            }
            None if same_number && (Classes::is_generic(&own.names) || Classes::are_indices(&own.names)) => {
                Some(format!("labels: the model does not name its classes; its outputs are taken as {of_data}"))
            }
            None => bail!(Usage(format!("{of} has the labels {of_data}, but the model predicts {described}"))),
        };
        self.labels = labels.clone();
        Ok(note)
    }

    /// Output `i` becomes what output `order[i]` was.
    fn reorder(&self, order: &Tensor) {
        let parameters = &self.network.parameters;
        no_grad(|| {
            for spec in parameters.specs().iter().filter(|spec| spec.output) {
                let mut parameter = parameters.get(&spec.name);
                let rows = parameter.index_select(0, &order.to_device(parameter.device()));
                parameter.copy_(&rows);
            }
        });
    }
}

/// The labels of a fine-tuned classifier.
fn label_set(info: &DeltaInfo) -> LabelSet {
    match info.labels.as_slice() {
        [] => LabelSet::Regression,
        names => LabelSet::Classes(Classes { names: names.to_vec(), numbers: info.label_numbers.clone() }),
    }
}

/// The config of a classifier.
fn classifier(folder: &Path) -> Result<EncoderConfig> {
    match ModelConfig::read(folder)? {
        ModelConfig::Decoder(_) => bail!(Usage(format!(
            "{}: a language model, not a classifier; its perplexity is part of every evaluation during training",
            folder.display()
        ))),
        ModelConfig::Encoder(config) => Ok(config),
    }
}

/// A config.json that does not name the classes.
#[derive(Debug)]
struct NoClasses;

impl fmt::Display for NoClasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no id2label that names each class from 0 on; is it a fine-tuned classifier?")
    }
}

/// What the outputs of a classifier are.
fn labels(config: &EncoderConfig) -> Result<LabelSet, NoClasses> {
    match config.id2label.as_deref() {
        _ if config.regression => Ok(LabelSet::Regression),
        None | Some([]) => Err(NoClasses),
        Some([_]) => Ok(LabelSet::Regression),
        Some(names) => Ok(LabelSet::Classes(Classes::of_model(names.to_vec()))),
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
