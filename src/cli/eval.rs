//! `finesift eval`: a model or what a run has made of it, on a benchmark.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::benchmark::{SubjectScore, mmlu};
use crate::chat::Partner;
use crate::data::Subject;
use crate::data::instruct::InstructionFormat;
use crate::hub::Hub;
use crate::preset::cache_folder;
use crate::train::DeviceChoice;

/// What `finesift eval` is given.
#[derive(Args)]
pub struct EvalArgs {
    /// A run, by name or folder; or a model, by folder or hub id
    partner: String,
    /// What to evaluate on
    #[arg(long)]
    task: Task,
    /// Folder of the benchmark: for mmlu with dev/ and test/
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Answered questions shown before each
    #[arg(long, default_value_t = 0)]
    shots: usize,
    /// Subjects to ask about; all if not given
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<String>,
    /// Questions of each subject at most; 0 for all
    #[arg(long, default_value_t = 0)]
    limit: usize,
    /// Questions at a time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// Folder of all runs
    #[arg(long, value_name = "DIR", env = "FINESIFT_RUNS", default_value = "runs")]
    runs: PathBuf,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// Write the result as JSON on stdout, with what was chosen for each question
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Task {
    /// Four choices each, by the likeliest letter
    Mmlu,
}

impl EvalArgs {
    /// Evaluates.
    pub fn run(self) -> Result<ExitCode> {
        let Task::Mmlu = self.task;
        let device = self.device.parse::<DeviceChoice>()?.resolve()?;
        let mut subjects = Subject::read(&self.data, &self.subjects, self.shots)?;
        if self.limit > 0 {
            subjects.iter_mut().for_each(|subject| subject.test.truncate(self.limit));
        }
        let partner = Partner::find(&self.partner, &self.runs, &cache_folder())?;
        let format = Some(InstructionFormat::PromptCompletion);
        let loaded = partner.load(format, &Hub::from_env(), device.device, &|_| {})?;

        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}")?);
        let scores = mmlu(&loaded.network, &loaded.phrasing, &subjects, self.shots, self.batch as usize, &|progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(progress.task);
        });
        bar.finish_and_clear();
        let scores = scores?;
        let text = if self.json { as_json(&scores) } else { as_table(&scores) };
        // A reader that has seen enough is no failure.
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(ExitCode::SUCCESS)
    }
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
