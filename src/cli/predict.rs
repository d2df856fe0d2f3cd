//! `finesift predict`: a classifier's predictions for a file of texts.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
#[cfg(feature = "torch")]
use {
    super::model_arg::{ModelArgs, OpenedModel},
    super::{print, progress},
    crate::data::{self, LabelSet, Task},
    crate::export::Unfinished,
    anyhow::Context,
};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift predict RUN --data texts.csv --out predictions.jsonl
  finesift predict RUN --task rte --data RTE/test.tsv --out RTE.tsv")]
pub(super) struct Predict {
    #[cfg(feature = "torch")]
    #[command(flatten)]
    model: ModelArgs,
    /// File, folder or glob pattern of texts
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// New file to write: a GLUE submission if it ends in .tsv, else JSON lines [default: JSON lines on stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Predict {
    #[cfg(not(feature = "torch"))]
    pub(super) fn run(self) -> Result<()> {
        let Predict { data: _, out: _ } = self;
        Err(super::without_torch())
    }

    /// Predicts and writes a line for each text.
    #[cfg(feature = "torch")]
    pub(super) fn run(self) -> Result<()> {
        let mut model = self.model.open()?;
        let columns: Vec<&str> = model.texts.iter().map(String::as_str).collect();
        let (examples, notes) = data::read_texts(&self.data, &columns, model.task, &progress::show)?;
        super::inform(notes.info);
        super::warn(&notes.warnings);
        if let Some(task) = model.task {
            super::inform(model.predictor.follow(&task.labels(), task.title())?);
        }
        let logits = model.predictor.logits(&examples, &progress::show)?;
        let submission = self.out.as_ref().is_some_and(|out| out.extension().is_some_and(|kind| kind == "tsv"));
        let text = if submission { submission_of(&model, &logits) } else { json_lines(&model, &logits) };
        match &self.out {
            None => print(&text)?,
            Some(out) => {
                let unfinished = Unfinished::at(out)?;
                std::fs::write(&unfinished.path, text).with_context(|| format!("{}: cannot write", out.display()))?;
                unfinished.finish()?;
                print(&format!("{}\n", out.display()))?;
            }
        }
        Ok(())
    }
}

/// As GLUE's server takes it: a header, then index and prediction of each text.
#[cfg(feature = "torch")]
fn submission_of(model: &OpenedModel, logits: &[Vec<f32>]) -> String {
    let line = |(index, logits): (usize, &Vec<f32>)| {
        let prediction = match (&model.task, &model.predictor.labels) {
            (Some(Task::Stsb), _) => format!("{:.3}", logits[0].clamp(0.0, 5.0)),
            (_, LabelSet::Regression) => logits[0].to_string(),
            (Some(task), _) => task.submission_label(argmax(logits)),
            (None, LabelSet::Classes(classes)) => classes.names[argmax(logits)].clone(),
        };
        format!("{index}\t{prediction}\n")
    };
    "index\tprediction\n".to_owned() + &logits.iter().enumerate().map(line).collect::<String>()
}

#[cfg(feature = "torch")]
fn json_lines(model: &OpenedModel, logits: &[Vec<f32>]) -> String {
    let line = |(index, logits): (usize, &Vec<f32>)| {
        let value = match &model.predictor.labels {
            LabelSet::Regression => serde_json::json!({ "index": index, "score": logits[0] }),
            LabelSet::Classes(classes) => {
                serde_json::json!({ "index": index, "label": classes.names[argmax(logits)], "logits": logits })
            }
        };
        format!("{value}\n")
    };
    logits.iter().enumerate().map(line).collect()
}

/// The class with the largest logit; of equal ones the first.
#[cfg(feature = "torch")]
fn argmax(logits: &[f32]) -> usize {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map_or(0, |(class, _)| class)
}
