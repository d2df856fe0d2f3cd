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
    crate::data::{
        self, Columns, LabelKind, LabelSet, LabelledExamples, LabelledInput, LabelledSource, ReadOptions, Split,
    },
    crate::hub::Hub,
    crate::inputs::{self, Access, Downloads, FoundTable},
    crate::metrics::Metrics,
    crate::preset::cache_folder,
    crate::protocol::Confusion,
    crate::text::{padded, padded_start, plain, width},
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
    /// Labelled file, folder or glob pattern, or folder of a GLUE task [default: the run's held-out set]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Column of the label
    #[arg(long, default_value = "label", value_name = "COLUMN")]
    label: String,
    /// Class names in the order of the indices that --data has, separated by commas [default: the model's, by name]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    labels: Vec<String>,
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
        let Eval { data: _, label: _, labels: _, json: _ } = self;
        Err(super::without_torch())
    }

    /// Evaluates and prints the scores.
    #[cfg(feature = "torch")]
    pub(super) fn run(self) -> Result<()> {
        if let Some(task) = self.model.task.as_deref().and_then(LanguageModelTask::named) {
            return self.language_model(task);
        }
        let mut model = self.model.open()?;
        let (splits, metrics) = self.splits(&mut model)?;
        let scores = model.predictor.scores(splits, metrics, &progress::show)?;
        let mut named: Vec<(String, f64)> = scores.scores.into_iter().collect();
        named.push(("loss".into(), scores.loss));
        let confusion = scores.worst.and_then(|examples| examples.confusion);
        super::print(&if self.json {
            let object: serde_json::Map<_, _> =
                named.into_iter().map(|(name, score)| (name, serde_json::json!(score))).collect();
            format!("{}\n", serde_json::Value::Object(object))
        } else {
            let scores: String = named.iter().map(|(name, score)| format!("{name} {score:.4}\n")).collect();
            scores + &confusion.map(|confusion| confusion_table(&confusion)).unwrap_or_default()
        })?;
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
    fn splits(&self, model: &mut OpenedModel) -> Result<(Vec<Split>, Metrics)> {
        let source = match (&self.data, &model.preset, model.task) {
            (None, Some(preset), _) => {
                let access = Access { hub: &Hub::from_env(), cache: &cache_folder(), downloads: Downloads::Allowed };
                let FoundTable { source, files } = inputs::labelled_source(preset, &access, &progress::show)?;
                super::warn(&files.warnings);
                source
            }
            (None, None, _) => bail!(Usage("--data is missing: name a labelled file or a GLUE task's folder".into())),
            (Some(folder), _, Some(task)) if folder.is_dir() => LabelledSource::Glue { task, folder: folder.clone() },
            (Some(file), ..) => {
                if let Some(task) = model.task {
                    super::inform(model.predictor.follow(&task.labels(), task.title())?);
                }
                let columns = self.columns(model);
                let names = if self.labels.is_empty() { "the model" } else { "--labels" };
                let input = LabelledInput { path: file, task: model.task, names };
                let LabelledExamples { labels, examples, notes } =
                    data::read_labelled(&input, &columns, &progress::show)?;
                super::inform(notes.info);
                super::warn(&notes.warnings);
                super::inform(model.predictor.follow(&labels, &file.display().to_string())?);
                let metrics = model.task.map_or_else(|| model.predictor.labels.metrics(), |task| task.metrics());
                return Ok((vec![Split { name: "validation".into(), examples }], metrics));
            }
        };
        let seed = model.preset.as_ref().map_or(0, |preset| preset.train.seed);
        let options = ReadOptions { seed, max_bad_rows: 1.0 };
        let dataset = data::load(&source, options, &progress::show)?;
        super::warn(&dataset.warnings);
        super::inform(model.predictor.follow(&dataset.labels, &dataset.name)?);
        Ok((dataset.eval, dataset.metrics))
    }

    #[cfg(feature = "torch")]
    fn columns(&self, model: &OpenedModel) -> Columns {
        let mut texts = model.texts.iter().cloned();
        Columns {
            text: texts.next().unwrap_or_else(|| "text".into()),
            text_pair: texts.next(),
            label: self.label.clone(),
            label_kind: self.label_kind(model),
            published: None,
        }
    }

    /// A number in the file is an index only where the user, the run's preset or the task says so.
    #[cfg(feature = "torch")]
    fn label_kind(&self, model: &OpenedModel) -> LabelKind {
        let LabelSet::Classes(classes) = &model.predictor.labels else { return LabelKind::Regression };
        let named = model.preset.as_ref().is_some_and(|preset| preset.names_classes());
        match self.labels.as_slice() {
            [] if classes.numbers.is_empty() && (named || model.task.is_some()) => {
                LabelKind::Classes(Some(classes.names.clone()))
            }
            [] => LabelKind::Model(classes.clone()),
            names => LabelKind::Classes(Some(names.to_vec())),
        }
    }
}

/// A confusion matrix as a table; empty if there are more classes than fit a line.
#[cfg(feature = "torch")]
fn confusion_table(confusion: &Confusion) -> String {
    const CLASSES: u64 = 12;
    if confusion.of > CLASSES {
        return String::new();
    }
    let cells = confusion.counts.iter().flatten().map(u64::to_string);
    let widest = cells.chain(confusion.classes.iter().cloned()).map(|cell| width(&cell)).max().unwrap_or(0);
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| "  ".to_owned() + &padded_start(cell, widest)).collect();
        padded(&plain(name), widest) + &cells + "\n"
    };
    let counts = |counts: &Vec<u64>| counts.iter().map(u64::to_string).collect();
    let rows = confusion.classes.iter().zip(&confusion.counts).map(|(name, cells)| row(name, counts(cells)));
    let names = confusion.classes.iter().map(|name| plain(name)).collect();
    format!("\nconfusion (rows: label, columns: predicted)\n{}", row("", names)) + &rows.collect::<String>()
}
