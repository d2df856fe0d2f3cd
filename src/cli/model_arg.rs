//! The classifier that `eval` and `predict` run: opened from a run, a model folder or a delta.

use std::path::Path;

use anyhow::{Result, anyhow};
use clap::Args;

use super::args::{DeviceArg, RunsArg};
use super::progress;
use crate::Usage;
use crate::data::{LabelledSource, Task};
use crate::delta::Changes;
use crate::eval::{ModelSource, Predictor, PredictorOptions};
use crate::hub::Hub;
use crate::preset::{DataSource, HubTable, Preset, cache_folder, read_file};
use crate::runs::checkpoint::{StoredCheckpoint, select};
use tch::Kind;

/// The model, and how its texts are named.
#[derive(Args)]
pub(super) struct ModelArgs {
    /// Name or path of a run, a model folder, or a file written by `finesift export --to delta`
    pub(super) model: String,
    /// GLUE task, which sets the columns [default: the run's]; for language models mmlu, choices or perplexity
    #[arg(long)]
    pub(super) task: Option<String>,
    /// Column of the text [default: the run's or the task's, or `text`]
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// Column of the second text
    #[arg(long, value_name = "COLUMN")]
    text_pair: Option<String>,
    /// Checkpoint of the run [default: the best]
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Base model of a delta [default: as in the run's preset]
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,
    /// Maximum length of a text in tokens [default: the run's, or 128]
    #[arg(long, value_name = "TOKENS")]
    pub(super) max_length: Option<usize>,
    #[command(flatten)]
    pub(super) runs: RunsArg,
    #[command(flatten)]
    pub(super) device: DeviceArg,
}

/// An opened classifier. Models from a run or a delta come with the run's preset.
pub(super) struct OpenedModel {
    pub(super) predictor: Predictor,
    pub(super) preset: Option<Preset>,
    pub(super) task: Option<Task>,
    /// Columns of the first and second text.
    pub(super) texts: Vec<String>,
}

impl ModelArgs {
    /// Opens the model.
    ///
    /// # Errors
    /// [`Usage`]: no such model, a damaged checkpoint, another base model than the run's.
    pub(super) fn open(&self) -> Result<OpenedModel> {
        let device = self.device.enter()?.device;
        let hub = Hub::from_env();
        let opening = |preset: Option<&Preset>| PredictorOptions {
            device,
            dtype: preset.map_or(Kind::Float, |preset| preset.model.dtype.into()),
            max_length: self.max_length.or(preset.map(|preset| preset.data.max_length)).unwrap_or(128),
        };
        let changed = |changes: &Changes, preset: Option<&Preset>| {
            let base = self.base.clone().unwrap_or_else(|| changes.info.base.location());
            let base = hub.model(&base, &progress::show)?;
            Predictor::changed(changes, &base, opening(preset), &progress::show)
        };
        let (predictor, preset) = match ModelSource::of(&self.runs.folder()?, &self.model)? {
            ModelSource::Folder(folder) => (Predictor::folder(&folder, opening(None), &progress::show)?, None),
            ModelSource::Delta(file) => {
                let changes = Changes::read(&file)?;
                let preset = parse(&changes.info.preset, &file)?;
                (changed(&changes, Some(&preset))?, Some(preset))
            }
            ModelSource::Run(run) => {
                let preset = run.join("preset.toml");
                let preset = parse(&read_file(&preset)?, &preset)?;
                let from = self.from.as_deref().map(str::parse).transpose()?;
                let stored = StoredCheckpoint::open(&select(&run, from)?);
                let stored = stored.map_err(|error| anyhow!(Usage(format!("damaged checkpoint: {error}"))))?;
                let base = self.base.clone().unwrap_or_else(|| stored.manifest.base.location());
                let changes = Changes::of(&stored, &hub.model(&base, &progress::show)?)?;
                (changed(&changes, Some(&preset))?, Some(preset))
            }
        };
        let task = match (&self.task, &preset) {
            (Some(task), _) => Some(task.parse()?),
            (None, Some(preset)) => match &preset.data.source {
                DataSource::Hub(task) | DataSource::Local(LabelledSource::Glue { task, .. }) => Some(*task),
                DataSource::Local(LabelledSource::Table { .. })
                | DataSource::HubTable(_)
                | DataSource::Instructions(_) => None,
            },
            (None, None) => None,
        };
        let texts = self.text_columns(preset.as_ref(), task);
        Ok(OpenedModel { predictor, preset, task, texts })
    }

    fn text_columns(&self, preset: Option<&Preset>, task: Option<Task>) -> Vec<String> {
        if let Some(text) = &self.text {
            return [Some(text), self.text_pair.as_ref()].into_iter().flatten().cloned().collect();
        }
        match (task, preset.map(|preset| &preset.data.source)) {
            (Some(task), _) => task.text_columns().iter().map(|&column| column.to_owned()).collect(),
            (
                None,
                Some(
                    DataSource::Local(LabelledSource::Table { columns, .. })
                    | DataSource::HubTable(HubTable { columns, .. }),
                ),
            ) => [Some(&columns.text), columns.text_pair.as_ref()].into_iter().flatten().cloned().collect(),
            _ => vec!["text".into()],
        }
    }
}

fn parse(text: &str, path: &Path) -> Result<Preset> {
    Preset::parse_stored("run", &path.display().to_string(), text, &[], &cache_folder())
}
