//! `finesift eval --task mmlu|choices|perplexity`: a language model or a fine-tuned run on a task.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::model_arg::ModelArgs;
use super::{print, progress, values, warn};
use crate::Usage;
use crate::chat::{ChatModel, LoadedChatModel};
use crate::data::instruct::{self, InstructionFormat};
use crate::data::{ChoiceQuestion, MmluSubject};
use crate::eval::{SubjectScore, choices, mmlu, perplexity};
use crate::hub::Hub;
use crate::preset::cache_folder;
use crate::text::{padded, width};

/// An evaluation of a language model.
pub(super) struct LanguageModelEval {
    pub(super) model: ModelArgs,
    pub(super) task: LanguageModelTask,
    /// mmlu: folder with dev/ and test/. choices: JSON file with question, choices and answer. perplexity: file of texts.
    pub(super) data: PathBuf,
    /// Print the result as JSON, with the choice made for each question.
    pub(super) json: bool,
    pub(super) args: TaskArgs,
}

/// Options of these tasks.
#[derive(Args)]
#[command(next_help_heading = "With --task mmlu, choices or perplexity")]
pub(super) struct TaskArgs {
    /// Format of the texts for perplexity: alpaca, sharegpt, messages, prompt_completion or text
    #[arg(long, default_value = "text", value_parser = values::format)]
    format: InstructionFormat,
    /// In-context examples before each MMLU question
    #[arg(long, default_value_t = 0)]
    shots: usize,
    /// MMLU subjects, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<String>,
    /// Maximum number of texts, or of questions per subject; 0 for all
    #[arg(long, default_value_t = 0)]
    limit: usize,
    /// Batch size
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
}

/// The tasks for language models.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LanguageModelTask {
    /// Four choices, scored by the letter's probability.
    Mmlu,
    /// Any number of choices, scored by the text's probability.
    Choices,
    Perplexity,
}

impl LanguageModelTask {
    /// The task of this name, or none: then it is a GLUE task's.
    pub(super) fn named(name: &str) -> Option<LanguageModelTask> {
        match name {
            "mmlu" => Some(LanguageModelTask::Mmlu),
            "choices" => Some(LanguageModelTask::Choices),
            "perplexity" => Some(LanguageModelTask::Perplexity),
            _ => None,
        }
    }
}

impl LanguageModelEval {
    /// Evaluates and prints the result.
    pub(super) fn run(self) -> Result<()> {
        print(&match self.task {
            LanguageModelTask::Mmlu => self.mmlu(),
            LanguageModelTask::Choices => self.choices(),
            LanguageModelTask::Perplexity => self.perplexity(),
        }?)?;
        Ok(())
    }

    fn mmlu(&self) -> Result<String> {
        let mut subjects = MmluSubject::read(&self.data, &self.args.subjects, self.args.shots)?;
        if self.args.limit > 0 {
            subjects.iter_mut().for_each(|subject| subject.test.truncate(self.args.limit));
        }
        let loaded = self.load(InstructionFormat::PromptCompletion)?;
        let batch = self.args.batch as usize;
        let scores = mmlu(&loaded.network, &loaded.encoder, &subjects, self.args.shots, batch, &progress::show)?;
        Ok(if self.json { as_json(&scores) } else { as_table(&scores) })
    }

    fn choices(&self) -> Result<String> {
        let mut questions = ChoiceQuestion::read(&self.data)?;
        if self.args.limit > 0 {
            questions.truncate(self.args.limit);
        }
        let loaded = self.load(InstructionFormat::PromptCompletion)?;
        let score = choices(&loaded.network, &loaded.encoder, &questions, &progress::show)?;
        if self.json {
            return Ok(serde_json::to_string(&score)? + "\n");
        }
        let line =
            |name: &str, right| format!("{name:<26}  {:.4}  {right}/{}\n", accuracy(right, score.asked), score.asked);
        Ok(line("accuracy", score.right) + &line("accuracy (length-normalised)", score.right_by_length))
    }

    fn perplexity(&self) -> Result<String> {
        let (rows, warnings) = instruct::read(&self.data, self.args.format, &progress::show)?;
        super::warn(&warnings);
        let loaded = self.load(self.args.format)?;
        let longest = self.model.max_length.unwrap_or(512).min(loaded.network.config.max_tokens() as usize);
        let encoder = loaded.encoder.with_max_length(longest);
        let encoded = encoder.encode("data", &rows, &progress::show)?;
        super::warn(&encoded.warnings(&rows));
        let mut sequences = encoded.sequences;
        if self.args.limit > 0 {
            sequences.truncate(self.args.limit);
        }
        if sequences.is_empty() {
            bail!(Usage(format!("{}: no text has loss tokens", self.data.display())));
        }
        let score = perplexity(&loaded.network, &sequences, self.args.batch as usize, &progress::show);
        Ok(if self.json {
            serde_json::to_string(&score)? + "\n"
        } else {
            format!("perplexity {:.4}, loss {:.4}, {} tokens\n", score.perplexity, score.loss, score.tokens)
        })
    }

    fn load(&self, format: InstructionFormat) -> Result<LoadedChatModel> {
        let device = self.model.device.enter()?;
        let model = ChatModel::find(&self.model.model, &self.model.runs.folder()?, &cache_folder())?;
        let loaded = model.load(Some(format), &Hub::from_env(), device.device, &|_| {})?;
        warn(&loaded.warnings);
        Ok(loaded)
    }
}

fn accuracy(right: usize, asked: usize) -> f64 {
    right as f64 / asked as f64
}

/// Correct and asked questions of all subjects.
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
    let names = scores.iter().map(|score| width(&score.subject)).max().unwrap_or(0).max(5);
    let line =
        |name: &str, right, asked| format!("{}  {:.4}  {right}/{asked}\n", padded(name, names), accuracy(right, asked));
    let mut text: String = scores.iter().map(|score| line(&score.subject, score.right, score.asked)).collect();
    let shortened: usize = scores.iter().map(|score| score.shortened).sum();
    text += &line("total", right, asked);
    if shortened > 0 {
        text += &format!("{shortened} questions had room for fewer in-context examples\n");
    }
    text
}
