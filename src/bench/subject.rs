//! What is timed: the network, its batches, and the rules of what is trained of it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::{Device, Kind};

use super::{Model, Spec, Texts, batches};
use crate::Usage;
use crate::data::instruct::{self, PromptEncoder};
use crate::data::{self, Batch, BatchLabels, Batches, Columns, HeldOut, Source, TargetKind, TextTokenizer, Tokenized};
use crate::estimate::ModelEstimate;
use crate::estimate::{self, StepShape};
use crate::hub::Hub;
use crate::model::{Layout, LoadOptions, ModelConfig, Network, by_onednn};
use crate::sift::Rules;
use crate::train;

/// Targets of the paper's runs.
const ENCODER_MODULES: [&str; 4] = ["query", "key", "value", "attention.output.dense"];
const DECODER_MODULES: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// What is timed. The network is not in memory yet.
pub struct Subject {
    /// What is trained of the network.
    pub rules: Rules,
    config: ModelConfig,
    labels: i64,
    /// The model's, where it has one.
    folder: Option<PathBuf>,
    feed: Feed,
}

/// Where batches come from.
enum Feed {
    /// They are there, and taken in turn.
    Made(Vec<Batch>),
    /// They are laid out of examples as in a run.
    Examples { examples: Tokenized, order: Vec<Vec<usize>>, pad_id: i64 },
}

impl Subject {
    /// Reads and checks everything but the weights.
    ///
    /// # Errors
    /// [`Usage`] for what the user can mend.
    pub fn find(spec: &Spec) -> Result<Subject> {
        let (config, folder) = match &spec.model {
            Model::Random { config, layers } => {
                let config = ModelConfig::read_file(config)?;
                (if let Some(layers) = layers { config.with_layers(*layers) } else { config }, None)
            }
            Model::DeviceBatch(id) => {
                let folder = Hub::from_env().model(id, &|_| {})?;
                (ModelConfig::read(&folder)?, Some(folder))
            }
        };
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (modules, dense, rate) = match config {
            ModelConfig::Encoder(_) => (own(&ENCODER_MODULES), own(&["classifier"]), 0.008),
            ModelConfig::Decoder(_) => (own(&DECODER_MODULES), Vec::new(), 0.05),
        };
        let rules = Rules {
            rate: spec.rate.unwrap_or(rate),
            modules: spec.modules.clone().unwrap_or(modules),
            dense: spec.dense.clone().unwrap_or(dense),
            biases: true,
        };
        train::check_rules(&rules, &Layout::of(&config, 2).parameters)?;
        let (feed, labels) = feed(spec, &config, folder.as_deref())?;
        Ok(Subject { rules, config, labels, folder, feed })
    }

    /// The network, its weights loaded or drawn.
    ///
    /// # Errors
    /// Those of [`Network::open`].
    pub fn network(&self, spec: &Spec, device: Device) -> Result<Network> {
        let options = LoadOptions { labels: self.labels, dtype: spec.dtype, device, seed: spec.seed };
        match &self.folder {
            Some(folder) => Ok(Network::open(folder, &options, &|_| {})?.0),
            None => Ok(Network::random(self.config.clone(), &options)),
        }
    }

    /// The batch of a step, counted from 0.
    pub fn batch(&self, step: usize) -> Batch {
        match &self.feed {
            Feed::Made(batches) => batches[step % batches.len()].clone(),
            Feed::Examples { examples, order, pad_id } => examples.collate(&order[step % order.len()], *pad_id),
        }
    }

    /// What the memory plan says of training it, by these rules or in full.
    pub fn plan(&self, spec: &Spec, gpu: bool, rules: &Rules) -> ModelEstimate {
        let (rows, length) = self.largest();
        let load = StepShape {
            dtype: if spec.dtype == Kind::Float { 4 } else { 2 },
            gpu,
            rows: rows as u64,
            length: length as u64,
            checkpointing: spec.checkpointing,
            dropout: spec.dropout,
            choosing: 1,
            keeps_inputs: !gpu && by_onednn(Device::Cpu, spec.dtype, (rows * length) as i64),
            micro_batches: 1,
        };
        estimate::plan(&self.config, rules, self.labels, load)
    }

    /// Rows and length of the batch with the most tokens.
    fn largest(&self) -> (usize, usize) {
        let sizes: Vec<(usize, usize)> = match &self.feed {
            Feed::Made(batches) => batches.iter().map(|batch| (batch.rows, batch.length)).collect(),
            Feed::Examples { examples, order, .. } => {
                let lengths = examples.lengths();
                let longest = |rows: &Vec<usize>| rows.iter().map(|&row| lengths[row]).max().unwrap_or(0);
                order.iter().map(|rows| (rows.len(), longest(rows))).collect()
            }
        };
        sizes.into_iter().max_by_key(|(rows, length)| rows * length).unwrap_or((0, 0))
    }
}

/// Batches, and how many labels they have.
fn feed(spec: &Spec, config: &ModelConfig, folder: Option<&Path>) -> Result<(Feed, i64)> {
    let most = config.max_tokens();
    let fits = |length: usize| match length as i64 <= most {
        true => Ok(()),
        false => bail!(Usage(format!("--seq {length}: the model has positions for {most} tokens"))),
    };
    match &spec.texts {
        Texts::Random { rows, length } => {
            fits(*length)?;
            Ok((Feed::Made(batches::random(config, *rows, *length, spec.seed)), 2))
        }
        Texts::Batches { file, prefix } => {
            let made = batches::of_file(file, prefix.as_deref(), config)?;
            let classes = |batch: &Batch| match &batch.targets {
                BatchLabels::Classes(classes) => classes.iter().copied().max().unwrap_or(0) + 1,
                _ => 0,
            };
            let labels = made.iter().map(classes).max().unwrap_or(0).max(2);
            Ok((Feed::Made(made), labels))
        }
        Texts::File { file, format, rows, length } => {
            fits(*length)?;
            let Some(folder) = folder else {
                bail!(Usage("--data needs --model: a config.json alone has no tokenizer for texts".into()));
            };
            let (examples, labels) = match config {
                ModelConfig::Encoder(_) => {
                    let columns = Columns {
                        text: "text".into(),
                        text_pair: None,
                        label: "label".into(),
                        target: TargetKind::Classes(None),
                    };
                    let source = Source::Table { train: file.clone(), held_out: HeldOut::Share(0.1), columns };
                    let dataset = data::load(&source, spec.seed, &|_| {})?;
                    let tokenizer = TextTokenizer::open(folder, *length)?;
                    let encoded = tokenizer.encode("train", &dataset.train, None, &|_| {})?;
                    (Tokenized::Labelled(encoded), dataset.labels.count() as i64)
                }
                ModelConfig::Decoder(_) => {
                    let phrasing = PromptEncoder::open(folder, *format, *length)?;
                    let dialogues = instruct::read(file, *format, &|_| {})?;
                    (Tokenized::Written(phrasing.encode("train", &dialogues, &|_| {})?.sequences), 2)
                }
            };
            let order = Batches::new(examples.lengths(), *rows, spec.seed).epoch(0);
            if order.is_empty() {
                bail!(Usage(format!("{}: no text has anything to learn", file.display())));
            }
            Ok((Feed::Examples { examples, order, pad_id: config.pad_token_id() }, labels))
        }
    }
}
