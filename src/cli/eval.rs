//! `finesift eval`: scores of a classifier on labelled data, or of a language model on a task.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
#[cfg(feature = "torch")]
use {
    super::eval_tasks::{LanguageModelEval, LanguageModelTask, TaskArgs},
    super::model_arg::{ModelArgs, OpenedModel},
    super::progress,
    crate::Usage,
    crate::data::{self, Columns, LabelKind, LabelledSource, ReadOptions, Split},
    crate::hub::Hub,
    crate::inputs::{self, Access, Downloads},
    crate::metrics::Metrics,
    crate::preset::cache_folder,
    anyhow::bail,
};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift eval RUN                                          on the run's held-out set
  finesift eval RUN --data test.csv --json
  finesift eval model --task mrpc --data glue/MRPC
  finesift eval RUN --task mmlu --data mmlu --shots 5
  finesift eval HuggingFaceTB/SmolLM2-135M --task perplexity --data book.txt")]
pub(super) struct Eval {
    #[cfg(feature = "torch")]
    #[command(flatten)]
    model: ModelArgs,
    /// Labelled file, or folder of a GLUE task [default: the run's held-out set]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Column of the label
    #[arg(long, default_value = "label", value_name = "COLUMN")]
    label: String,
    /// Print the scores as a line of JSON
    #[arg(long)]
    json: bool,
    #[cfg(feature = "torch")]
    #[command(flatten)]
    task_args: TaskArgs,
}

impl Eval {
    #[cfg(not(feature = "torch"))]
    pub(super) fn run(self) -> Result<()> {
        let Eval { data: _, label: _, json: _ } = self;
        Err(super::without_torch())
    }

    /// Evaluates and prints the scores.
    #[cfg(feature = "torch")]
    pub(super) fn run(self) -> Result<()> {
        if let Some(task) = self.model.task.as_deref().and_then(LanguageModelTask::named) {
            return self.language_model(task);
        }
        let model = self.model.open()?;
        let (splits, metrics) = self.splits(&model)?;
        let scores = model.predictor.scores(splits, metrics, &progress::show)?;
        let mut named: Vec<(String, f64)> = scores.scores.into_iter().collect();
        named.push(("loss".into(), scores.loss));
        super::print(&if self.json {
            let object: serde_json::Map<_, _> =
                named.into_iter().map(|(name, score)| (name, serde_json::json!(score))).collect();
            format!("{}\n", serde_json::Value::Object(object))
        } else {
            named.iter().map(|(name, score)| format!("{name} {score:.4}\n")).collect()
        });
        Ok(())
    }

    #[cfg(feature = "torch")]
    fn language_model(self, task: LanguageModelTask) -> Result<()> {
        let Eval { model, data, json, task_args, .. } = self;
        let data = data.ok_or_else(|| Usage("--data is missing: name the task's data".into()))?;
        LanguageModelEval { model, task, data, json, args: task_args }.run()
    }

    /// The splits to evaluate on, and their metrics.
    #[cfg(feature = "torch")]
    fn splits(&self, model: &OpenedModel) -> Result<(Vec<Split>, Metrics)> {
        let source = match (&self.data, &model.preset, model.task) {
            (None, Some(preset), _) => {
                let access = Access { hub: &Hub::from_env(), cache: &cache_folder(), downloads: Downloads::Allowed };
                inputs::labelled_source(preset, &access, &progress::show)?
            }
            (None, None, _) => bail!(Usage("--data is missing: name a labelled file or a GLUE task's folder".into())),
            (Some(folder), _, Some(task)) if folder.is_dir() => LabelledSource::Glue { task, folder: folder.clone() },
            (Some(file), ..) => {
                let (examples, warnings) = data::read_labelled(file, &self.columns(model), &progress::show)?;
                super::warn(&warnings);
                let metrics = model.task.map_or_else(|| model.predictor.kind().metrics(), |task| task.metrics());
                return Ok((vec![Split { name: "validation".into(), examples }], metrics));
            }
        };
        let seed = model.preset.as_ref().map_or(0, |preset| preset.train.seed);
        let options = ReadOptions { seed, max_bad_rows: 1.0 };
        let dataset = data::load(&source, options, &progress::show)?;
        super::warn(&dataset.warnings);
        if dataset.labels != model.predictor.kind() {
            bail!(Usage(format!("{}: its labels are not the model's labels", dataset.name)));
        }
        Ok((dataset.eval, dataset.metrics))
    }

    #[cfg(feature = "torch")]
    fn columns(&self, model: &OpenedModel) -> Columns {
        let mut texts = model.texts.iter().cloned();
        let labels = model.predictor.labels.clone();
        Columns {
            text: texts.next().unwrap_or_else(|| "text".into()),
            text_pair: texts.next(),
            label: self.label.clone(),
            label_kind: if labels.is_empty() { LabelKind::Regression } else { LabelKind::Classes(Some(labels)) },
        }
    }
}
