//! `eval` and `predict`: a trained model is asked, on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Screens;
#[cfg(feature = "torch")]
use super::eval_tasks;

#[derive(Args)]
pub(super) struct Eval {
    #[command(flatten)]
    asked: Asked,
    /// Labelled file, or folder of a GLUE task's files; by default what the run held out
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Column of the label
    #[arg(long, default_value = "label", value_name = "COLUMN")]
    label: String,
    /// Write the scores as a line of JSON
    #[arg(long)]
    json: bool,
    #[cfg(feature = "torch")]
    #[command(flatten)]
    eval_tasks: eval_tasks::Options,
}

#[derive(Args)]
pub(super) struct Predict {
    #[command(flatten)]
    asked: Asked,
    /// File of texts
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// New file: .tsv in the format of GLUE's submissions, otherwise JSON lines; by default those on stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Which model, and what its texts are called.
#[derive(Args)]
struct Asked {
    /// Name or path of a run, folder of a model, or file that `export --to delta` wrote
    model: String,
    /// GLUE task, which knows its columns; by default the run's. For language models mmlu, choices or perplexity
    #[arg(long)]
    task: Option<String>,
    /// Column of the text; by default the run's or the task's, or `text`
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// Column of the second text
    #[arg(long, value_name = "COLUMN")]
    text_pair: Option<String>,
    /// Which checkpoint of a run; by default the best
    #[arg(long, value_name = "best|STEP")]
    from: Option<String>,
    /// Base model of a delta, where it is not as the run named it
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,
    /// Tokens of a text at most; by default the run's, or 128
    #[arg(long)]
    max_length: Option<usize>,
}

#[cfg(not(feature = "torch"))]
mod run {
    use anyhow::bail;

    use super::*;
    use crate::Usage;

    impl Eval {
        pub fn run(self, _: &Screens) -> Result<ExitCode> {
            bail!(without_torch())
        }
    }

    impl Predict {
        pub fn run(self, _: &Screens) -> Result<ExitCode> {
            bail!(without_torch())
        }
    }

    fn without_torch() -> Usage {
        Usage("this build is without libtorch and cannot run a model; build it with the feature torch".into())
    }
}

#[cfg(feature = "torch")]
mod run {
    use std::io::{self, IsTerminal, Write};
    use std::path::Path;

    use anyhow::{Context, anyhow, bail};
    use tch::Kind;

    use super::super::config;
    use super::*;
    use crate::Usage;
    use crate::data::{self, Columns, Source, Split, TargetKind, Task};
    use crate::device::DeviceChoice;
    use crate::eval::{ModelSource, Opening, Predictor};
    use crate::export::{Changes, Unfinished};
    use crate::hub::Hub;
    use crate::inputs;
    use crate::metrics::Metrics;
    use crate::preset::{DataSource, Dtype, Preset, cache_folder, read_file};
    use crate::protocol::Progress;
    use crate::runs::checkpoint::{StoredCheckpoint, select};

    /// A model that was asked for, and the preset of its run, where there is one.
    struct Model {
        predictor: Predictor,
        preset: Option<Preset>,
        task: Option<Task>,
        texts: Vec<String>,
    }

    impl Eval {
        pub fn run(self, screens: &Screens) -> Result<ExitCode> {
            if let Some(task) = self.asked.task.as_deref().and_then(eval_tasks::Task::named) {
                return self.on(task, screens);
            }
            let model = self.asked.open(screens)?;
            let (splits, metrics) = self.examples(&model)?;
            let scores = model.predictor.scores(splits, metrics, &told)?;
            let mut named: Vec<(String, f64)> = scores.scores.into_iter().collect();
            named.push(("loss".into(), scores.loss));
            if self.json {
                let object: serde_json::Map<_, _> =
                    named.into_iter().map(|(name, score)| (name, serde_json::json!(score))).collect();
                super::super::print(&format!("{}\n", serde_json::Value::Object(object)));
            } else {
                let lines: String = named.iter().map(|(name, score)| format!("{name} {score:.4}\n")).collect();
                super::super::print(&lines);
            }
            Ok(ExitCode::SUCCESS)
        }

        /// A language model, on a eval_tasks.
        fn on(self, task: eval_tasks::Task, screens: &Screens) -> Result<ExitCode> {
            let Eval { asked, data, json, eval_tasks: options, .. } = self;
            let data = data.ok_or_else(|| Usage("--data is missing: what should it be asked?".into()))?;
            let eval_tasks =
                eval_tasks::Benchmark { partner: asked.model, task, data, max_length: asked.max_length, json, options };
            eval_tasks.run(screens)
        }

        fn examples(&self, model: &Model) -> Result<(Vec<Split>, Metrics)> {
            let source = match (&self.data, &model.preset, model.task) {
                (None, Some(preset), _) => inputs::source(preset, &Hub::from_env(), &told)?,
                (None, None, _) => bail!(Usage("--data is missing: what should it be evaluated on?".into())),
                (Some(folder), _, Some(task)) if folder.is_dir() => Source::Glue { task, folder: folder.clone() },
                (Some(file), ..) => {
                    let columns = self.columns(model);
                    let (examples, warnings) = data::read_labelled(file, &columns, &told)?;
                    tell(&warnings);
                    let metrics =
                        model.task.map_or_else(|| Metrics::of(&model.predictor.kind()), |task| task.metrics());
                    return Ok((vec![Split { name: "validation".into(), examples }], metrics));
                }
            };
            let seed = model.preset.as_ref().map_or(0, |preset| preset.train.seed);
            let dataset = data::load(&source, seed, &told)?;
            tell(&dataset.warnings);
            if dataset.labels != model.predictor.kind() {
                bail!(Usage(format!("{}: its labels are not those that the model tells apart", dataset.name)));
            }
            Ok((dataset.eval, dataset.metrics))
        }

        fn columns(&self, model: &Model) -> Columns {
            let mut texts = model.texts.iter().cloned();
            let labels = model.predictor.labels.clone();
            Columns {
                text: texts.next().unwrap_or_else(|| "text".into()),
                text_pair: texts.next(),
                label: self.label.clone(),
                target: if labels.is_empty() { TargetKind::Regression } else { TargetKind::Classes(Some(labels)) },
            }
        }
    }

    impl Predict {
        pub fn run(self, screens: &Screens) -> Result<ExitCode> {
            let model = self.asked.open(screens)?;
            let (text, pair) = (model.texts.first().map_or("text", String::as_str), model.texts.get(1));
            let examples = data::read_texts(&self.data, text, pair.map(String::as_str), &told)?;
            let logits = model.predictor.logits(&examples, &told)?;
            let submission = self.out.as_ref().is_some_and(|out| out.extension().is_some_and(|kind| kind == "tsv"));
            let text = if submission { model.submission(&logits) } else { model.lines(&logits) };
            match &self.out {
                None => super::super::print(&text),
                Some(out) => {
                    let unfinished = Unfinished::at(out)?;
                    std::fs::write(&unfinished.path, text)
                        .with_context(|| format!("{}: cannot write", out.display()))?;
                    unfinished.finish()?;
                    super::super::print(&format!("{}\n", out.display()));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }

    impl Model {
        /// As GLUE's server takes it: a header, and a line for each text.
        fn submission(&self, logits: &[Vec<f32>]) -> String {
            let line = |(index, logits): (usize, &Vec<f32>)| {
                let prediction = match (&self.task, self.predictor.labels.as_slice()) {
                    (Some(Task::Stsb), _) => format!("{:.3}", logits[0].clamp(0.0, 5.0)),
                    (_, []) => logits[0].to_string(),
                    (Some(task), _) => task.submitted(largest(logits)),
                    (None, labels) => labels[largest(logits)].clone(),
                };
                format!("{index}\t{prediction}\n")
            };
            "index\tprediction\n".to_owned() + &logits.iter().enumerate().map(line).collect::<String>()
        }

        fn lines(&self, logits: &[Vec<f32>]) -> String {
            let line = |(index, logits): (usize, &Vec<f32>)| {
                let value = match self.predictor.labels.as_slice() {
                    [] => serde_json::json!({ "index": index, "score": logits[0] }),
                    labels => {
                        serde_json::json!({ "index": index, "label": labels[largest(logits)], "logits": logits })
                    }
                };
                format!("{value}\n")
            };
            logits.iter().enumerate().map(line).collect()
        }
    }

    impl Asked {
        fn open(&self, screens: &Screens) -> Result<Model> {
            let device = screens.device.parse::<DeviceChoice>()?.resolve()?.device;
            let hub = Hub::from_env();
            let opening = |preset: Option<&Preset>| Opening {
                device,
                dtype: match preset.map(|preset| preset.model.dtype) {
                    Some(Dtype::Bf16) => Kind::BFloat16,
                    _ => Kind::Float,
                },
                max_length: self.max_length.or(preset.map(|preset| preset.data.max_length)).unwrap_or(128),
            };
            let changed = |changes: &Changes, preset: Option<&Preset>| {
                let base = hub.model(self.base.as_ref().unwrap_or(&changes.info.base.model), &told)?;
                Predictor::changed(changes, &base, opening(preset), &told)
            };
            let (predictor, preset) = match ModelSource::of(&screens.runs(&config()?), &self.model)? {
                ModelSource::Folder(folder) => (Predictor::folder(&folder, opening(None), &told)?, None),
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
                    let stored = stored.map_err(|error| anyhow!(Usage(format!("damaged: {error}"))))?;
                    let base = self.base.as_ref().unwrap_or(&stored.manifest.base.model);
                    let changes = Changes::of(&stored, &hub.model(base, &told)?)?;
                    (changed(&changes, Some(&preset))?, Some(preset))
                }
            };
            let task = match (&self.task, &preset) {
                (Some(task), _) => Some(task.parse()?),
                (None, Some(preset)) => match &preset.data.source {
                    DataSource::Hub(task) | DataSource::Local(Source::Glue { task, .. }) => Some(*task),
                    DataSource::Local(Source::Table { .. }) | DataSource::Instructions(_) => None,
                },
                (None, None) => None,
            };
            let texts = self.texts(preset.as_ref(), task);
            Ok(Model { predictor, preset, task, texts })
        }

        /// The columns of the texts: as asked for, as the task or the run has them, or `text`.
        fn texts(&self, preset: Option<&Preset>, task: Option<Task>) -> Vec<String> {
            if let Some(text) = &self.text {
                return [Some(text), self.text_pair.as_ref()].into_iter().flatten().cloned().collect();
            }
            match (task, preset.map(|preset| &preset.data.source)) {
                (Some(task), _) => task.text_columns().iter().map(|&column| column.to_owned()).collect(),
                (None, Some(DataSource::Local(Source::Table { columns, .. }))) => {
                    [Some(&columns.text), columns.text_pair.as_ref()].into_iter().flatten().cloned().collect()
                }
                _ => vec!["text".into()],
            }
        }
    }

    fn parse(text: &str, place: &Path) -> Result<Preset> {
        Preset::parse("run", &place.display().to_string(), text, &[], &cache_folder())
    }

    fn largest(logits: &[f32]) -> usize {
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        best.map_or(0, |(class, _)| class)
    }

    fn tell(warnings: &[String]) {
        for warning in warnings {
            let _ = writeln!(io::stderr(), "warning: {warning}");
        }
    }

    fn told(progress: Progress) {
        let Progress { task, done, total, unit } = progress;
        // On a terminal one line is written over again and again.
        if io::stderr().is_terminal() {
            let end = if done == total { "\n" } else { "" };
            let _ = write!(io::stderr(), "\r\x1b[K{task}: {done} of {total} {unit}{end}");
        }
    }
}
