//! What a benchmark runs on: the model, its batches and its trainable parameters.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::Device;

use super::batches;
use super::method::Method;
use super::spec::{BenchInputs, BenchModel, Spec};
use crate::Usage;
use crate::data::instruct::{self, PromptEncoder};
use crate::data::{
    self, Batch, BatchLabels, BatchSampler, Columns, HeldOut, LabelledSource, ReadOptions, TextTokenizer, Tokenized,
};
use crate::estimate::{RunShape, SmallerBatch, StepShape};
use crate::hub::Hub;
use crate::inputs;
use crate::model::{Head, Layout, LoadOptions, LoraConfig, ModelConfig, Network, OffDevice, stored_outputs};
use crate::protocol::HeadRows;
use crate::sift::Rules;
use crate::sift::select::Structure;

/// Targets of the paper's runs.
const ENCODER_MODULES: [&str; 4] = ["query", "key", "value", "attention.output.dense"];
const DECODER_MODULES: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// `lora_alpha`, as in presets: no step takes more or less time with another.
const LORA_ALPHA: f64 = 16.0;

/// A checked benchmark whose weights are not loaded yet.
pub struct Setup {
    /// What SIFT trains.
    rules: Rules,
    config: ModelConfig,
    labels: i64,
    /// The model folder; none for random weights.
    folder: Option<PathBuf>,
    batches: BatchSource,
}

/// Where batches come from.
enum BatchSource {
    /// Ready batches, used in turn.
    Ready(Vec<Batch>),
    /// Collated from examples as in a run.
    Examples { examples: Tokenized, order: Vec<Vec<usize>>, pad_id: i64 },
}

impl Setup {
    /// Reads and checks everything but the weights.
    ///
    /// # Errors
    /// [`Usage`]: no such model or file, one of another format, a sequence longer than the model's positions.
    pub fn open(spec: &Spec) -> Result<Setup> {
        let (config, folder) = match &spec.model {
            BenchModel::Random { config, layers } => {
                let config = ModelConfig::read_file(config)?;
                (if let Some(layers) = layers { config.with_layers(*layers) } else { config }, None)
            }
            BenchModel::Pretrained(id) => {
                let folder = Hub::from_env().model(id, &|_| {})?;
                (ModelConfig::read(&folder)?, Some(folder))
            }
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (modules, dense, rate) = match config {
            ModelConfig::Encoder(_) => (owned(&ENCODER_MODULES), owned(&["classifier"]), 0.008),
            ModelConfig::Decoder(_) => (owned(&DECODER_MODULES), Vec::new(), 0.05),
        };
        let rules = Rules {
            rate: spec.rate.unwrap_or(rate),
            structure: Structure::Entries,
            modules: spec.modules.clone().unwrap_or(modules),
            dense: spec.dense.clone().unwrap_or(dense),
            biases: true,
        };
        inputs::check_targets(&rules, &Layout::of(&config, 2).parameters)?;
        let (batches, labels) = open_batches(spec, &config, folder.as_deref())?;
        Ok(Setup { rules, config, labels, folder, batches })
    }

    /// What a method trains, and the adapters that it adds.
    ///
    /// # Errors
    /// [`Usage`]: LoRA of a target that is no linear layer.
    pub fn trained(&self, spec: &Spec, method: Method) -> Result<(Rules, Option<LoraConfig>)> {
        match method {
            Method::Full => Ok((Rules::everything(), None)),
            Method::Lora => {
                let modules = inputs::lora_modules(&self.rules, &Layout::of(&self.config, self.labels).parameters)?;
                let adapters = LoraConfig { r: spec.lora_r, alpha: LORA_ALPHA, dropout: 0.0, modules };
                Ok((inputs::lora_rules(self.rules.clone()), Some(adapters)))
            }
            _ => Ok((Rules { structure: method.structure(), ..self.rules.clone() }, None)),
        }
    }

    /// The network with loaded or random weights.
    ///
    /// # Errors
    /// Those of [`Network::open`].
    pub fn network(&self, spec: &Spec, device: Device) -> Result<Network> {
        let stored = self.folder.as_ref().and_then(|folder| stored_outputs(folder, &self.config).ok().flatten());
        // A head for another number of labels makes way for a new one.
        let rows = if stored == Some(self.labels) { HeadRows::AsStored } else { HeadRows::New };
        let options = LoadOptions {
            head: Head { outputs: self.labels, rows },
            dtype: spec.dtype,
            device,
            offload: spec.offload.then_some(OffDevice::Host),
            seed: spec.seed,
        };
        match &self.folder {
            Some(folder) => Ok(Network::open(folder, &options, &|_| {})?.0),
            None => Network::random(self.config.clone(), &options),
        }
    }

    /// Layers of the network.
    pub fn layers(&self) -> usize {
        self.config.layers()
    }

    /// The batch of a step, counted from 0.
    pub fn batch(&self, step: usize) -> Batch {
        match &self.batches {
            BatchSource::Ready(batches) => batches[step % batches.len()].clone(),
            BatchSource::Examples { examples, order, pad_id } => examples.collate(&order[step % order.len()], *pad_id),
        }
    }

    /// What the memory of training with these rules follows from.
    pub fn shape(&self, spec: &Spec, gpu: bool, rules: &Rules, adapters: Option<&LoraConfig>) -> RunShape {
        let (rows, length) = self.largest();
        RunShape {
            config: self.config.clone(),
            labels: self.labels,
            rules: rules.clone(),
            adapters: adapters.cloned(),
            step: StepShape {
                checkpointing: spec.checkpointing || spec.offload,
                offload: spec.offload,
                dropout: spec.dropout,
                ..StepShape::single(spec.dtype, gpu, rows as u64, length as u64)
            },
            smaller_batch: match spec.inputs {
                BenchInputs::Batches { .. } => SmallerBatch::None,
                BenchInputs::Random { .. } | BenchInputs::File { .. } => SmallerBatch::FewerExamples,
            },
        }
    }

    /// Rows and length of the batch with the most tokens.
    fn largest(&self) -> (usize, usize) {
        let sizes: Vec<(usize, usize)> = match &self.batches {
            BatchSource::Ready(batches) => batches.iter().map(|batch| (batch.rows, batch.length)).collect(),
            BatchSource::Examples { examples, order, .. } => {
                let lengths = examples.lengths();
                let longest = |rows: &Vec<usize>| rows.iter().map(|&row| lengths[row]).max().unwrap_or(0);
                order.iter().map(|rows| (rows.len(), longest(rows))).collect()
            }
        };
        sizes.into_iter().max_by_key(|(rows, length)| rows * length).unwrap_or((0, 0))
    }
}

/// Reads or generates the batches. Also returns the number of labels.
fn open_batches(spec: &Spec, config: &ModelConfig, folder: Option<&Path>) -> Result<(BatchSource, i64)> {
    let positions = config.max_tokens();
    let fits = |length: usize| match length as i64 <= positions {
        true => Ok(()),
        false => bail!(Usage(format!("--seq {length}: the model has {positions} positions"))),
    };
    match &spec.inputs {
        BenchInputs::Random { rows, length } => {
            fits(*length)?;
            Ok((BatchSource::Ready(batches::random(config, *rows, *length, spec.seed)), 2))
        }
        BenchInputs::Batches { file, prefix } => {
            let ready = batches::of_file(file, prefix.as_deref(), config)?;
            let classes = |batch: &Batch| match &batch.labels {
                BatchLabels::Classes(classes) => classes.iter().copied().max().unwrap_or(0) + 1,
                _ => 0,
            };
            let labels = ready.iter().map(classes).max().unwrap_or(0).max(2);
            Ok((BatchSource::Ready(ready), labels))
        }
        BenchInputs::File { file, format, rows, length } => {
            fits(*length)?;
            let Some(folder) = folder else {
                bail!(Usage("--data needs --model: --config alone has no tokenizer".into()));
            };
            let (examples, labels) = match config {
                ModelConfig::Encoder(_) => {
                    let columns = Columns::default();
                    let source =
                        LabelledSource::Table { train: vec![file.clone()], held_out: HeldOut::Fraction(0.1), columns };
                    let options = ReadOptions { seed: spec.seed, max_bad_rows: 0.1 };
                    let dataset = data::load(&source, options, &|_| {})?;
                    let tokenizer = TextTokenizer::open(folder, *length)?;
                    let encoded = tokenizer.encode("train", &dataset.train, None, &|_| {})?;
                    (Tokenized::Labelled(encoded), dataset.labels.count() as i64)
                }
                ModelConfig::Decoder(_) => {
                    let encoder = PromptEncoder::open(folder, *format, *length)?;
                    let (rows, _) = instruct::read(file, *format, &|_| {})?;
                    (Tokenized::LanguageModel(encoder.encode("train", &rows, &|_| {})?.sequences), 2)
                }
            };
            let order = BatchSampler::new(examples.lengths(), *rows, spec.seed).epoch(0);
            if order.is_empty() {
                bail!(Usage(format!("{}: no text has loss tokens", file.display())));
            }
            Ok((BatchSource::Examples { examples, order, pad_id: config.pad_token_id() }, labels))
        }
    }
}
