//! What a run reads, tokenized: labelled texts for a classifier, texts to learn to write for a language model.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;
use crate::data::instruct::{self, InstructionSource, PromptEncoder};
use crate::data::{self, Dataset, LabelledSource, Task, TextTokenizer, Tokenized};
use crate::eval::{HeldOut, Labelled, PERPLEXITY};
use crate::hub::Hub;
use crate::model::{ModelConfig, Sampling};
use crate::preset::{DataSource, InstructionData, InstructionFiles, Preset};
use crate::protocol::{Event, Progress};
use crate::session::Port;
use crate::train::{Job, SampleGenerator};

/// The hub's dataset with all GLUE tasks.
pub(crate) const GLUE: &str = "nyu-mll/glue";

/// Tokenized examples and what goes with them.
pub struct OpenedPreset {
    /// The task's id or the training file's name.
    pub name: String,
    /// Outputs a classifier needs.
    pub labels: i64,
    /// Training examples.
    pub train: Tokenized,
    /// How many there are, before any were packed together.
    pub examples: u64,
    /// Held-out examples.
    pub splits: Vec<HeldOut>,
    /// How a classifier is judged.
    pub labelled: Option<Labelled>,
    /// The score that decides which evaluation is best.
    pub best: String,
    /// Gives a language model prompts, and its answers to the reader.
    pub speaker: Option<SampleGenerator>,
}

impl OpenedPreset {
    /// Reads and tokenizes what the preset says. `folder` is the model's.
    ///
    /// # Errors
    /// [`Usage`] for what the user can mend.
    pub fn gather(job: &Job, folder: &Path, config: &ModelConfig, port: &Port) -> Result<OpenedPreset> {
        fits(&job.preset, config)?;
        match &job.preset.data.source {
            DataSource::Instructions(source) => written(job, source, folder, config, port),
            DataSource::Local(_) | DataSource::Hub(_) => labelled(job, folder, config, port),
        }
    }
}

/// The files of labelled texts to read; those of the hub are fetched first.
///
/// # Errors
/// [`Usage`] if the preset's texts have no labels; a hub that cannot be asked.
pub fn source(preset: &Preset, hub: &Hub, progress: &dyn Fn(Progress)) -> Result<LabelledSource> {
    match &preset.data.source {
        DataSource::Instructions(_) => {
            bail!(Usage("data.format: texts that are learnt to be written have no labels".into()))
        }
        DataSource::Local(source) => Ok(source.clone()),
        DataSource::Hub(task) => {
            let files = hub.dataset(GLUE, &glue_files(*task).each_ref().map(String::as_str), progress)?;
            let folder = files.first().and_then(|file| file.parent()).context("the dataset has no files")?;
            Ok(LabelledSource::Glue { task: *task, folder: folder.to_owned() })
        }
    }
}

/// Whether the model can learn from data of this kind.
///
/// # Errors
/// [`Usage`], naming the key.
pub(crate) fn fits(preset: &Preset, config: &ModelConfig) -> Result<()> {
    let id = &preset.model.id;
    match (&preset.data.source, config) {
        (DataSource::Instructions(_), ModelConfig::Encoder(_)) => {
            bail!(Usage(format!("data.format: {id} is an encoder and cannot write; give data.task or labelled data")))
        }
        (DataSource::Local(_) | DataSource::Hub(_), ModelConfig::Decoder(_)) => {
            bail!(Usage(format!("data.format is missing: {id} is a language model and learns to write, not to label")))
        }
        _ => Ok(()),
    }
}

/// What the names of a task's files begin with on the hub.
pub(crate) fn glue_files(task: Task) -> [String; 2] {
    [format!("{task}/train"), format!("{task}/validation")]
}

/// Those of a dataset's files that hold examples.
pub(crate) fn with_examples(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let known = |file: &PathBuf| {
        file.extension().is_some_and(|extension| ["json", "jsonl", "parquet"].iter().any(|known| extension == *known))
    };
    files.into_iter().filter(known).collect()
}

fn labelled(job: &Job, folder: &Path, config: &ModelConfig, port: &Port) -> Result<OpenedPreset> {
    let preset = &job.preset;
    let progress = |progress: Progress| port.emit(Event::Progress(progress));
    let tokenizer = TextTokenizer::open(folder, preset.data.max_length)?;
    belong_together(folder, tokenizer.vocab_size(), config)?;
    let dataset = data::load(&source(preset, &job.hub, &progress)?, preset.train.seed, &progress)?;
    for warning in &dataset.warnings {
        port.emit(Event::warning(warning));
    }
    let best = best(preset, &dataset)?;
    let cache = job.cache.join("tokens");
    let encode = |name: &str, examples: &[data::Example]| {
        tokenizer.encode(name, examples, Some(&cache), &progress).map(Tokenized::Labelled)
    };
    let train = encode("train", &dataset.train)?;
    let splits = dataset.eval.iter().enumerate().map(|(number, split)| {
        let suffix = HeldOut::suffix(number, &split.name);
        Ok(HeldOut { suffix, examples: encode(&split.name, &split.examples)? })
    });
    let splits = splits.collect::<Result<_>>()?;
    Ok(OpenedPreset {
        labels: dataset.labels.count() as i64,
        examples: dataset.train.len() as u64,
        train,
        splits,
        name: dataset.name,
        labelled: Some(Labelled {
            metrics: dataset.metrics,
            labels: dataset.labels,
            texts: dataset.eval.into_iter().next().map(|split| split.examples).unwrap_or_default(),
        }),
        best,
        speaker: None,
    })
}

fn written(
    job: &Job,
    data: &InstructionData,
    folder: &Path,
    config: &ModelConfig,
    port: &Port,
) -> Result<OpenedPreset> {
    let preset = &job.preset;
    let progress = |progress: Progress| port.emit(Event::Progress(progress));
    if let Some(name) = preset.keep.best.as_deref().filter(|name| *name != PERPLEXITY) {
        bail!(Usage(format!("keep.best is \"{name}\", but a language model is scored by {PERPLEXITY}")));
    }
    let phrasing = PromptEncoder::open(folder, data.format, preset.data.max_length)?;
    phrasing.check_vocab_size(config.vocab_size())?;
    let train = match &data.files {
        InstructionFiles::Local(files) => files.clone(),
        InstructionFiles::Hub { id, prefix } => hub_files(job, id, prefix, &progress)?,
    };
    let source = InstructionSource { format: data.format, train, held_out: data.held_out.clone() };
    let instructions = instruct::load(&source, preset.train.seed, &progress)?;
    for warning in &instructions.warnings {
        port.emit(Event::warning(warning));
    }
    let encode = |name: &str, dialogues: &[instruct::InstructionExample]| {
        let phrased = phrasing.encode(name, dialogues, &progress)?;
        let most = preset.data.max_length;
        if phrased.truncated > 0 {
            port.emit(Event::warning(format!("{name}: {} examples were cut to {most} tokens", phrased.truncated)));
        }
        if phrased.dropped > 0 {
            port.emit(Event::warning(format!(
                "{name}: {} examples left out for having nothing to learn",
                phrased.dropped
            )));
        }
        if phrased.sequences.is_empty() {
            bail!(Usage(format!("{}: no {name} example has anything to learn", instructions.name)));
        }
        Ok(phrased.sequences)
    };
    let mut train = encode("train", &instructions.train)?;
    let eval = encode("validation", &instructions.eval)?;
    let examples = train.len() as u64;
    if data.packing {
        train = instruct::pack(train, preset.data.max_length);
    }
    let sample = &preset.sample;
    let sampling =
        Sampling { temperature: sample.temperature, top_k: sample.top_k, top_p: sample.top_p, seed: preset.train.seed };
    Ok(OpenedPreset {
        name: instructions.name.clone(),
        labels: 0,
        train: Tokenized::LanguageModel(train),
        examples,
        splits: vec![HeldOut { suffix: String::new(), examples: Tokenized::LanguageModel(eval) }],
        labelled: None,
        best: PERPLEXITY.into(),
        speaker: Some(SampleGenerator { phrasing, sampling, tokens: sample.tokens, prompts: sample.prompts.clone() }),
    })
}

fn hub_files(job: &Job, id: &str, prefix: &str, progress: &dyn Fn(Progress)) -> Result<Vec<PathBuf>> {
    let files = with_examples(job.hub.dataset(id, &[prefix], progress)?);
    if files.is_empty() {
        bail!(Usage(format!("data.path: {id} has no .json, .jsonl or .parquet file that begins with \"{prefix}\"")));
    }
    Ok(files)
}

fn belong_together(folder: &Path, tokens: usize, config: &ModelConfig) -> Result<()> {
    if tokens as i64 > config.vocab_size() {
        bail!(Usage(format!(
            "{}: the tokenizer knows {tokens} tokens, the model only {}; they do not belong together",
            folder.display(),
            config.vocab_size()
        )));
    }
    Ok(())
}

fn best(preset: &Preset, dataset: &Dataset) -> Result<String> {
    let names = dataset.metrics.names();
    match &preset.keep.best {
        None => Ok(dataset.metrics.primary().to_owned()),
        Some(name) if names.contains(&name.as_str()) => Ok(name.clone()),
        Some(name) => {
            bail!(Usage(format!("keep.best is \"{name}\", but {} is scored by {}", dataset.name, names.join(" and "))))
        }
    }
}
