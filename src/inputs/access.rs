//! Where a preset's model and dataset are: in a folder, in the cache, or on the hub where downloading is allowed.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Usage;
use crate::data::instruct::InstructionFormat;
use crate::data::{Columns, HeldOut, LabelledSource, Task, file_kind};
use crate::hub::{DatasetFiles, DatasetRequest, Hub, RequestedFiles, RequestedHeldOut};
use crate::preset::{
    DataSource, HubDataset, HubFiles, HubHeldOut, HubTable, InstructionData, InstructionFiles, Preset,
};
use crate::protocol::Progress;

/// The hub's dataset of all GLUE tasks.
const GLUE: &str = "nyu-mll/glue";

/// Where to look, and whether to download.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    pub hub: &'a Hub,
    /// finesift's own cache: the demo's models, and tokenized examples.
    pub cache: &'a Path,
    pub downloads: Downloads,
}

/// Whether what is not in the cache may be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downloads {
    Allowed,
    /// No request is sent.
    Never,
}

/// Something a preset names that is not on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A model of the demo presets, which `finesift download` fetches.
    Demo { folder: String },
    /// A model of the hub.
    Model { id: String },
    /// A dataset of the hub.
    Dataset { id: String },
}

/// Labelled texts on this machine.
pub struct FoundTable {
    pub source: LabelledSource,
    /// What was taken of a dataset on the hub, and what may be missing of it; empty for other files.
    pub files: DatasetFiles,
}

/// The result of looking for something without a download.
pub(super) enum Lookup<T> {
    Found(T),
    Missing(Missing),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Demo { folder } => {
                write!(f, "{folder}: no such folder. Run `finesift download demo`, or `demo-chat` for that preset.")
            }
            Missing::Model { id } => write!(f, "model {id}: not downloaded; launch will fetch it"),
            Missing::Dataset { id } => write!(f, "dataset {id}: not downloaded; launch will fetch it"),
        }
    }
}

/// All that is missing, in one line.
pub(super) fn describe(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join("; ")
}

impl Access<'_> {
    /// The folder of a model.
    pub(super) fn model(&self, id: &str, progress: &dyn Fn(Progress)) -> Result<Lookup<PathBuf>> {
        if Path::new(id).starts_with(self.cache) && !Path::new(id).is_dir() {
            let demo = Missing::Demo { folder: id.to_owned() };
            return match self.downloads {
                Downloads::Allowed => bail!(Usage(demo.to_string())),
                Downloads::Never => Ok(Lookup::Missing(demo)),
            };
        }
        if self.uses_hub() {
            return Ok(Lookup::Found(self.hub.model(id, progress)?));
        }
        let missing = || Missing::Model { id: id.to_owned() };
        Ok(Lookup::of(self.hub.local_model(id)?, missing))
    }

    /// The files of a GLUE task.
    pub(super) fn glue(&self, task: Task, progress: &dyn Fn(Progress)) -> Result<Lookup<LabelledSource>> {
        match glue_request(task, |request| self.request(request, progress))? {
            Lookup::Found(files) => {
                let folder = files.train.first().and_then(|file| file.parent()).context("the dataset has no files")?;
                Ok(Lookup::Found(LabelledSource::Glue { task, folder: folder.to_owned() }))
            }
            Lookup::Missing(missing) => Ok(Lookup::Missing(missing)),
        }
    }

    /// Labelled texts of a dataset on the hub.
    pub(super) fn table(&self, table: &HubTable, progress: &dyn Fn(Progress)) -> Result<Lookup<FoundTable>> {
        let HubTable { dataset, held_out, columns } = table;
        Ok(match self.dataset(dataset, false, progress)? {
            Lookup::Found(files) => {
                let columns = Columns { published: files.class_names.get(&columns.label).cloned(), ..columns.clone() };
                let held_out = held_out_of(&files, held_out);
                let source = LabelledSource::Table { train: files.train.clone(), held_out, columns };
                Lookup::Found(FoundTable { source, files })
            }
            Lookup::Missing(missing) => Lookup::Missing(missing),
        })
    }

    /// The files of a dataset on the hub.
    /// `plain_text` are .txt files, which only some data may be.
    pub(super) fn dataset(
        &self,
        dataset: &HubDataset,
        plain_text: bool,
        progress: &dyn Fn(Progress),
    ) -> Result<Lookup<DatasetFiles>> {
        hub_request(dataset, plain_text, |request| self.request(request, progress))
    }

    /// Bytes of what is missing for a preset, by the hub's listing.
    ///
    /// # Errors
    /// As a download has; also for what does not come from the hub.
    pub fn size(&self, preset: &Preset, missing: &Missing) -> Result<u64> {
        let size = |request: &DatasetRequest| self.hub.dataset_size(request);
        match (missing, &preset.data.source) {
            (Missing::Model { id }, _) => self.hub.model_size(id),
            (Missing::Dataset { .. }, DataSource::Hub(task)) => glue_request(*task, size),
            (Missing::Dataset { .. }, DataSource::HubTable(table)) => hub_request(&table.dataset, false, size),
            (Missing::Dataset { .. }, DataSource::Instructions(InstructionData { format, files, .. })) => match files {
                InstructionFiles::Hub(dataset) => hub_request(dataset, *format == InstructionFormat::Text, size),
                InstructionFiles::Local(_) => bail!("local files are not downloaded"),
            },
            (Missing::Demo { .. }, _) | (Missing::Dataset { .. }, DataSource::Local(_)) => {
                bail!("not a repository of the hub")
            }
        }
    }

    fn request(&self, request: &DatasetRequest, progress: &dyn Fn(Progress)) -> Result<Lookup<DatasetFiles>> {
        if self.uses_hub() {
            return Ok(Lookup::Found(self.hub.dataset(request, progress)?));
        }
        let missing = || Missing::Dataset { id: request.id.to_owned() };
        Ok(Lookup::of(self.hub.local_dataset(request)?, missing))
    }

    /// Whether the hub may be called. An offline hub sends no request: it has the files in its cache, or refuses the run.
    fn uses_hub(&self) -> bool {
        self.downloads == Downloads::Allowed || self.hub.offline
    }
}

/// What is wanted for a GLUE task.
fn glue_request<T>(task: Task, with: impl FnOnce(&DatasetRequest) -> T) -> T {
    let prefixes = [format!("{task}/train"), format!("{task}/validation")];
    let named = prefixes.each_ref().map(String::as_str);
    with(&DatasetRequest {
        id: GLUE,
        files: RequestedFiles::Named(&named),
        format_of: &|name| file_kind(Path::new(name), false),
    })
}

/// What is wanted of a dataset on the hub.
fn hub_request<T>(dataset: &HubDataset, plain_text: bool, with: impl FnOnce(&DatasetRequest) -> T) -> T {
    let HubDataset { id, files } = dataset;
    let prefix;
    let files = match files {
        HubFiles::Named(name) => {
            prefix = [name.as_str()];
            RequestedFiles::Named(&prefix)
        }
        HubFiles::Splits { config, split, held_out } => RequestedFiles::Splits {
            config: config.as_deref(),
            train: split.as_deref(),
            held_out: match held_out {
                HubHeldOut::Validation => RequestedHeldOut::IfThere,
                HubHeldOut::Split(split) => RequestedHeldOut::Split(split),
                HubHeldOut::Elsewhere => RequestedHeldOut::None,
            },
        },
    };
    let format_of = |name: &str| file_kind(Path::new(name), plain_text);
    with(&DatasetRequest { id, files, format_of: &format_of })
}

impl<T> Lookup<T> {
    fn found(self) -> Result<T> {
        match self {
            Lookup::Found(found) => Ok(found),
            Lookup::Missing(missing) => bail!(Usage(missing.to_string())),
        }
    }

    fn of(found: Option<T>, missing: impl FnOnce() -> Missing) -> Lookup<T> {
        found.map_or_else(|| Lookup::Missing(missing()), Lookup::Found)
    }
}

/// The files of a dataset's held-out split, or else what the preset says.
pub(super) fn held_out_of(files: &DatasetFiles, otherwise: &HeldOut) -> HeldOut {
    match files.held_out.is_empty() {
        true => otherwise.clone(),
        false => HeldOut::Files(files.held_out.clone()),
    }
}

/// The files of a classifier's examples, downloaded if need be.
///
/// # Errors
/// [`Usage`]: a language model's preset, whose examples have no labels. Others: the network or the disk.
pub fn labelled_source(preset: &Preset, access: &Access, progress: &dyn Fn(Progress)) -> Result<FoundTable> {
    let local = |source| FoundTable { source, files: DatasetFiles::default() };
    match &preset.data.source {
        DataSource::Instructions(_) => bail!(Usage("data.format: instructions have no labels to score".into())),
        DataSource::Local(source) => Ok(local(source.clone())),
        DataSource::Hub(task) => access.glue(*task, progress)?.found().map(local),
        DataSource::HubTable(table) => access.table(table, progress)?.found(),
    }
}
