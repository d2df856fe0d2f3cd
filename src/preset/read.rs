//! From a preset's keys to its values: defaults, ranges, and what goes with what.

use std::path::{Path, PathBuf};

use super::document::Document;
use super::{
    Data, DataSource, Dtype, InstructionData, InstructionPlace, Keep, Model, Preset, Sample, Schedule, Select, Sift,
    Train,
};
use crate::data::instruct::InstructionFormat;
use crate::data::{Columns, HeldOut, Source, TargetKind, Task};

pub(super) fn read(name: &str, document: &Document, cache: &Path) -> Result<Preset, String> {
    let positive = |key, default| document.whole(key, 1..=1 << 40, default);
    Ok(Preset {
        name: name.to_owned(),
        about: document.text("about")?.unwrap_or_default(),
        model: Model {
            id: in_cache(&document.required("model.id")?, cache),
            dtype: document.one_of("model.dtype", &[("f32", Dtype::F32), ("bf16", Dtype::Bf16)])?.unwrap_or(Dtype::F32),
        },
        data: Data {
            source: data_source(document, cache)?,
            max_length: document.whole("data.max_length", 1..=1 << 20, 128)? as usize,
        },
        sift: Sift {
            rate: document
                .number("sift.rate", "a number above 0 and at most 1", |rate| rate > 0.0 && rate <= 1.0)?
                .unwrap_or(0.008),
            modules: document.texts("sift.modules")?.unwrap_or_default(),
            dense: document.texts("sift.dense")?.unwrap_or_default(),
            biases: document.truth("sift.biases")?.unwrap_or(true),
            select: document.one_of("sift.select", &Select::NAMES)?.unwrap_or(Select::Gradient),
            batches: positive("sift.batches", 1)? as usize,
            probe_every: positive("sift.probe_every", 10)?,
            decay: document.number("sift.decay", AT_LEAST_0, at_least_0)?.unwrap_or(0.0),
        },
        train: Train {
            epochs: positive("train.epochs", 3)?,
            batch: document.whole("train.batch", 1..=1 << 20, 32)? as usize,
            accumulate: document.whole("train.accumulate", 1..=1 << 20, 1)? as usize,
            learning_rate: match document.number("train.learning_rate", "a number above 0", |rate| rate > 0.0)? {
                Some(rate) => rate,
                None => return Err(document.missing("train.learning_rate")),
            },
            warmup: document
                .number("train.warmup", "a share from 0 to below 1", |share| (0.0..1.0).contains(&share))?
                .unwrap_or(0.06),
            schedule: document.one_of("train.schedule", &Schedule::NAMES)?.unwrap_or(Schedule::Linear),
            weight_decay: document.number("train.weight_decay", AT_LEAST_0, at_least_0)?.unwrap_or(0.0),
            clip: document.number("train.clip", AT_LEAST_0, at_least_0)?.unwrap_or(1.0),
            seed: document.whole("train.seed", 0..=i64::MAX as u64, 42)?,
            eval_every: document.whole("train.eval_every", 0..=1 << 40, 0)?,
            max_steps: document.whole("train.max_steps", 0..=1 << 40, 0)?,
            tf32: document.truth("train.tf32")?.unwrap_or(false),
            gradient_checkpointing: document.truth("train.gradient_checkpointing")?.unwrap_or(false),
        },
        sample: Sample {
            prompts: document.texts("sample.prompts")?.unwrap_or_default(),
            tokens: document.whole("sample.tokens", 1..=1 << 16, 64)? as usize,
            temperature: document.number("sample.temperature", AT_LEAST_0, at_least_0)?.unwrap_or(0.0),
            top_k: document.whole("sample.top_k", 0..=1 << 24, 0)? as usize,
            top_p: document
                .number("sample.top_p", "a share above 0 and at most 1", |share| share > 0.0 && share <= 1.0)?
                .unwrap_or(1.0),
        },
        keep: Keep {
            checkpoints: document.whole("keep.checkpoints", 1..=1 << 20, 2)? as usize,
            every_minutes: document.number("keep.every_minutes", AT_LEAST_0, at_least_0)?.unwrap_or(15.0),
            every_steps: document.whole("keep.every_steps", 0..=1 << 40, 0)?,
            best: document.text("keep.best")?,
        },
        toml: document.to_toml(),
    })
}

/// What describes a table of the user's own, which a GLUE task does not need.
pub(super) const TABLE_KEYS: [&str; 7] = [
    "data.eval_path",
    "data.eval_fraction",
    "data.text",
    "data.text_pair",
    "data.label",
    "data.labels",
    "data.regression",
];

const AT_LEAST_0: &str = "a number from 0 on";

fn at_least_0(number: f64) -> bool {
    number >= 0.0
}

fn data_source(document: &Document, cache: &Path) -> Result<DataSource, String> {
    let formats = &InstructionFormat::NAMES;
    if let Some(format) = document.one_of("data.format", formats)? {
        return instructions(document, format, cache).map(DataSource::Instructions);
    }
    if let Some(key) = ["data.packing", "data.hub"].into_iter().find(|key| document.has(key)) {
        return Err(document.at(key, "only texts to learn, of a data.format, have it; leave it out"));
    }
    let path = document.text("data.path")?.map(|path| PathBuf::from(in_cache(&path, cache)));
    if let Some(task) = document.text("data.task")? {
        let task: Task = task.parse().map_err(|error| document.at("data.task", &format!("{error}")))?;
        if let Some(key) = TABLE_KEYS.into_iter().find(|key| document.has(key)) {
            return Err(document.at(
                key,
                &format!("a GLUE task, here {task}, has its own columns, classes and held-out examples; leave it out"),
            ));
        }
        return Ok(match path {
            Some(folder) => DataSource::Local(Source::Glue { task, folder }),
            None => DataSource::Hub(task),
        });
    }
    let Some(train) = path else { return Err(document.missing("data.task, data.format or data.path")) };
    let held_out = held_out(document, cache)?;
    let labels = document.texts("data.labels")?;
    let target = match (document.truth("data.regression")?.unwrap_or(false), labels) {
        (true, Some(_)) => return Err(document.at("data.labels", "numbers to predict have no classes; leave it out")),
        (true, None) => TargetKind::Regression,
        (false, Some(labels)) if labels.len() < 2 => return Err(document.at("data.labels", "two classes at least")),
        (false, labels) => TargetKind::Classes(labels),
    };
    let columns = Columns {
        text: document.text("data.text")?.unwrap_or_else(|| "text".into()),
        text_pair: document.text("data.text_pair")?,
        label: document.text("data.label")?.unwrap_or_else(|| "label".into()),
        target,
    };
    Ok(DataSource::Local(Source::Table { train, held_out, columns }))
}

fn instructions(document: &Document, format: InstructionFormat, cache: &Path) -> Result<InstructionData, String> {
    let columns = ["data.task", "data.text", "data.text_pair", "data.label", "data.labels", "data.regression"];
    if let Some(key) = columns.into_iter().find(|key| document.has(key)) {
        return Err(document.at(key, "texts to learn have no labels, and their keys are the format's; leave it out"));
    }
    let path = document.required("data.path")?;
    Ok(InstructionData {
        format,
        place: match document.text("data.hub")? {
            Some(id) => InstructionPlace::Hub { id, prefix: path },
            None => InstructionPlace::Files(vec![in_cache(&path, cache).into()]),
        },
        held_out: held_out(document, cache)?,
        packing: document.truth("data.packing")?.unwrap_or(false),
    })
}

/// A file, or a share of the training file.
fn held_out(document: &Document, cache: &Path) -> Result<HeldOut, String> {
    let path = document.text("data.eval_path")?.map(|path| PathBuf::from(in_cache(&path, cache)));
    let inside = |share: f64| share > 0.0 && share < 1.0;
    match (path, document.number("data.eval_fraction", "a share above 0 and below 1", inside)?) {
        (Some(_), Some(_)) => Err(document.at("data.eval_fraction", "give data.eval_path or this, not both")),
        (Some(path), None) => Ok(HeldOut::File(path)),
        (None, share) => Ok(HeldOut::Share(share.unwrap_or(0.1))),
    }
}

/// A path in which `cache:` stands for finesift's cache.
fn in_cache(path: &str, cache: &Path) -> String {
    match path.strip_prefix("cache:") {
        Some(rest) => cache.join(rest).display().to_string(),
        None => path.to_owned(),
    }
}
