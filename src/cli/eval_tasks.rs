//! `finesift eval --task mmlu|choices|perplexity`: a model or what a run has made of it, on a benchmark.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Screens, config, warn};
use crate::Usage;
use crate::chat::{LoadedPartner, Partner};
use crate::data::instruct::{self, InstructionFormat};
use crate::data::{ChoiceQuestion, Subject};
use crate::device::DeviceChoice;
use crate::eval::{SubjectScore, choices, mmlu, perplexity};
use crate::hub::Hub;
use crate::preset::cache_folder;
use crate::protocol::Progress;

/// A benchmark of a language model.
pub(super) struct Benchmark {
    /// A run, by name or folder; or a model, by folder or hub id.
    pub partner: String,
    /// Which.
    pub task: Task,
    /// For mmlu a folder with dev/ and test/; for choices a JSON file of question, choices and answer; for perplexity a file
    /// of texts.
    pub data: PathBuf,
    /// For perplexity, tokens of a text at most.
    pub max_length: Option<usize>,
    /// Whether to write the result as JSON, with what was chosen for each question.
    pub json: bool,
    /// The rest.
    pub options: Options,
}

/// What only benchmarks are told.
#[derive(Args)]
#[command(next_help_heading = "With --task mmlu, choices or perplexity")]
pub(super) struct Options {
    /// For perplexity, how texts are written down: alpaca, sharegpt, messages, prompt_completion or text
    #[arg(long, default_value = "text", value_parser = format)]
    format: InstructionFormat,
    /// For mmlu, answered questions shown before each
    #[arg(long, default_value_t = 0)]
    shots: usize,
    /// For mmlu, subjects to ask about; all if not given
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<String>,
    /// Questions (of each subject) or texts at most; 0 for all
    #[arg(long, default_value_t = 0)]
    limit: usize,
    /// Questions or texts at a time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
}

/// The benchmarks there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Four choices each, by the likeliest letter.
    Mmlu,
    /// Any choices, by the likeliest text.
    Choices,
    /// How well a text is foreseen.
    Perplexity,
}

impl Task {
    /// By its name.
    pub fn named(name: &str) -> Option<Task> {
        match name {
            "mmlu" => Some(Task::Mmlu),
            "choices" => Some(Task::Choices),
            "perplexity" => Some(Task::Perplexity),
            _ => None,
        }
    }
}

impl Benchmark {
    /// Evaluates.
    pub fn run(self, screens: &Screens) -> Result<ExitCode> {
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}")?);
        let progress = |progress: Progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(progress.task);
        };
        let text = match self.task {
            Task::Mmlu => self.mmlu(screens, &progress),
            Task::Choices => self.choices(screens, &progress),
            Task::Perplexity => self.perplexity(screens, &progress),
        };
        bar.finish_and_clear();
        // A reader that has seen enough is no failure.
        let _ = io::stdout().write_all(text?.as_bytes());
        Ok(ExitCode::SUCCESS)
    }

    fn mmlu(&self, screens: &Screens, progress: &dyn Fn(Progress)) -> Result<String> {
        let mut subjects = Subject::read(&self.data, &self.options.subjects, self.options.shots)?;
        if self.options.limit > 0 {
            subjects.iter_mut().for_each(|subject| subject.test.truncate(self.options.limit));
        }
        let loaded = self.load(screens, InstructionFormat::PromptCompletion)?;
        let batch = self.options.batch as usize;
        let scores = mmlu(&loaded.network, &loaded.phrasing, &subjects, self.options.shots, batch, progress)?;
        Ok(if self.json { as_json(&scores) } else { as_table(&scores) })
    }

    fn choices(&self, screens: &Screens, progress: &dyn Fn(Progress)) -> Result<String> {
        let mut questions = ChoiceQuestion::read(&self.data)?;
        if self.options.limit > 0 {
            questions.truncate(self.options.limit);
        }
        let loaded = self.load(screens, InstructionFormat::PromptCompletion)?;
        let score = choices(&loaded.network, &loaded.phrasing, &questions, progress)?;
        Ok(if self.json {
            serde_json::to_string(&score)? + "\n"
        } else {
            let line = |name: &str, right| {
                format!("{name:<18}  {:.4}  {right}/{}\n", accuracy(right, score.asked), score.asked)
            };
            line("accuracy", score.right) + &line("by length", score.right_by_length)
        })
    }

    fn perplexity(&self, screens: &Screens, progress: &dyn Fn(Progress)) -> Result<String> {
        let dialogues = instruct::read(&self.data, self.options.format, progress)?;
        let loaded = self.load(screens, self.options.format)?;
        let longest = self.max_length.unwrap_or(512).min(loaded.network.config.max_tokens() as usize);
        let mut sequences = loaded.phrasing.with_max_length(longest).encode("data", &dialogues, progress)?.sequences;
        if self.options.limit > 0 {
            sequences.truncate(self.options.limit);
        }
        if sequences.is_empty() {
            bail!(Usage(format!("{}: nothing to foresee", self.data.display())));
        }
        let foreseen = perplexity(&loaded.network, &sequences, self.options.batch as usize, progress);
        Ok(if self.json {
            serde_json::to_string(&foreseen)? + "\n"
        } else {
            format!("perplexity {:.4}, loss {:.4}, {} tokens\n", foreseen.perplexity, foreseen.loss, foreseen.tokens)
        })
    }

    fn load(&self, screens: &Screens, format: InstructionFormat) -> Result<LoadedPartner> {
        let device = screens.device.parse::<DeviceChoice>()?.resolve()?;
        let partner = Partner::find(&self.partner, &screens.runs(&config()?), &cache_folder())?;
        let loaded = partner.load(Some(format), &Hub::from_env(), device.device, &|_| {})?;
        warn(&loaded.warnings);
        Ok(loaded)
    }
}

pub(super) fn format(name: &str) -> Result<InstructionFormat, String> {
    let known = InstructionFormat::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
    known.ok_or_else(|| format!("expected one of {}", InstructionFormat::NAMES.map(|(name, _)| name).join(", ")))
}

fn accuracy(right: usize, asked: usize) -> f64 {
    right as f64 / asked as f64
}

/// Right and asked, over all subjects.
fn total(scores: &[SubjectScore]) -> (usize, usize) {
    (scores.iter().map(|score| score.right).sum(), scores.iter().map(|score| score.asked).sum())
}

fn as_json(scores: &[SubjectScore]) -> String {
    let (right, asked) = total(scores);
    json!({"task": "mmlu", "accuracy": accuracy(right, asked), "right": right, "asked": asked, "subjects": scores})
        .to_string()
        + "\n"
}

fn as_table(scores: &[SubjectScore]) -> String {
    let (right, asked) = total(scores);
    let width = scores.iter().map(|score| score.subject.len()).max().unwrap_or(0).max(5);
    let line = |name: &str, right, asked| format!("{name:<width$}  {:.4}  {right}/{asked}\n", accuracy(right, asked));
    let mut text: String = scores.iter().map(|score| line(&score.subject, score.right, score.asked)).collect();
    let shortened: usize = scores.iter().map(|score| score.shortened).sum();
    text += &line("total", right, asked);
    if shortened > 0 {
        text += &format!("{shortened} questions had room for fewer examples before them\n");
    }
    text
}
