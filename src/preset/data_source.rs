//! The keys of `[data]` become a source of examples: a GLUE task, labelled files, instructions, a dataset of the hub.

use std::path::{Path, PathBuf};

use super::document::Document;
use super::hub_dataset::{self, HUB_KEYS, HubTable};
use super::paths::expand;
use super::types::{DataSource, InstructionData, InstructionFiles};
use crate::Usage;
use crate::data::instruct::InstructionFormat;
use crate::data::{Columns, HeldOut, LabelKind, LabelledSource, Task};
use crate::suggest::did_you_mean;

/// Keys of the user's own labelled files, which a GLUE task does not take.
pub(super) const TABLE_KEYS: [&str; 7] = [
    "data.eval_path",
    "data.eval_fraction",
    "data.text",
    "data.text_pair",
    "data.label",
    "data.labels",
    "data.regression",
];

pub(super) fn data_source(document: &Document, cache: &Path) -> Result<DataSource, Usage> {
    let formats = &InstructionFormat::NAMES;
    if let Some(format) = document.one_of("data.format", formats)? {
        return instructions(document, format, cache).map(DataSource::Instructions);
    }
    if let Some(key) = ["data.packing", "data.columns"].into_iter().find(|key| document.has(key)) {
        return Err(document.error_at(key, "only language-model data, with a data.format, takes it; remove it"));
    }
    if let Some(task) = document.string("data.task")? {
        let task: Task = task.parse().map_err(|error| document.error_at("data.task", &format!("{error}")))?;
        if let Some(key) = TABLE_KEYS.into_iter().chain(HUB_KEYS).find(|key| document.has(key)) {
            return Err(document.error_at(
                key,
                &format!("a GLUE task, here {task}, has its own columns, classes and held-out set; remove it"),
            ));
        }
        return Ok(match document.string("data.path")? {
            Some(folder) => DataSource::Local(LabelledSource::Glue { task, folder: expand(&folder, cache).into() }),
            None => DataSource::Hub(task),
        });
    }
    let hub = hub_dataset::read(document)?;
    let held_out = held_out(document, cache)?;
    let labels = document.strings("data.labels")?;
    let label_kind = match (document.boolean("data.regression")?.unwrap_or(false), labels) {
        (true, Some(_)) => return Err(document.error_at("data.labels", "regression has no classes; remove it")),
        (true, None) => LabelKind::Regression,
        (false, Some(labels)) if labels.len() < 2 => {
            return Err(document.error_at("data.labels", "expected at least two classes"));
        }
        (false, labels) => LabelKind::Classes(labels),
    };
    let default = Columns::default();
    let columns = Columns {
        text: document.string("data.text")?.unwrap_or(default.text),
        text_pair: document.string("data.text_pair")?,
        label: document.string("data.label")?.unwrap_or(default.label),
        label_kind,
        published: None,
    };
    if let Some(dataset) = hub {
        return Ok(DataSource::HubTable(HubTable { dataset, held_out, columns }));
    }
    match paths(document, "data.path", cache)? {
        Some(train) => Ok(DataSource::Local(LabelledSource::Table { train, held_out, columns })),
        None => Err(document.missing("data.task, data.format, data.hub or data.path")),
    }
}

fn instructions(document: &Document, format: InstructionFormat, cache: &Path) -> Result<InstructionData, Usage> {
    let labelled_keys = ["data.task", "data.text", "data.text_pair", "data.label", "data.labels", "data.regression"];
    if let Some(key) = labelled_keys.into_iter().find(|key| document.has(key)) {
        return Err(document.error_at(
            key,
            "language-model data has no labels or columns: data.format says which keys it has; remove it",
        ));
    }
    if document.has("model.head") {
        return Err(document.error_at("model.head", "only a classifier has a head, and data.format is set; remove it"));
    }
    let columns = document.string_table("data.columns")?.unwrap_or_default();
    if let Some(key) = columns.keys().find(|key| !format.keys().any(|known| known == *key)) {
        let keys = format.keys().collect::<Vec<_>>();
        return Err(document.error_at(
            "data.columns",
            &format!(
                "\"{key}\" is not a key of this data.format, whose keys are {}{}",
                keys.join(", "),
                did_you_mean(key, keys.iter().copied())
            ),
        ));
    }
    Ok(InstructionData {
        format,
        columns,
        files: match (hub_dataset::read(document)?, paths(document, "data.path", cache)) {
            (Some(dataset), _) => InstructionFiles::Hub(dataset),
            (None, paths) => InstructionFiles::Local(paths?.ok_or_else(|| document.missing("data.path"))?),
        },
        held_out: held_out(document, cache)?,
        packing: document.boolean("data.packing")?.unwrap_or(false),
    })
}

/// Files, folders or glob patterns.
fn paths(document: &Document, key: &str, cache: &Path) -> Result<Option<Vec<PathBuf>>, Usage> {
    let paths = document.one_or_more(key)?;
    Ok(paths.map(|paths| paths.iter().map(|path| expand(path, cache).into()).collect()))
}

/// Files, or a fraction of the training files.
fn held_out(document: &Document, cache: &Path) -> Result<HeldOut, Usage> {
    let paths = paths(document, "data.eval_path", cache)?;
    match (paths, document.set_number("data.eval_fraction")?) {
        (Some(_), Some(_)) => {
            Err(document.error_at("data.eval_fraction", "data.eval_path is given too; remove one of them"))
        }
        (Some(paths), None) => Ok(HeldOut::Files(paths)),
        (None, _) => Ok(HeldOut::Fraction(document.number("data.eval_fraction")?)),
    }
}
