//! The nine GLUE tasks: their columns, classes and metrics. No file is opened here.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::bail;

use super::{Classes, LabelSet};
use crate::Usage;
use crate::metrics::Metrics;
use crate::suggest::did_you_mean;

/// A GLUE task ([Wang et al. 2018](https://arxiv.org/abs/1804.07461)), in the benchmark's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Is the sentence acceptable English?
    Cola,
    /// Is the phrase from a film review positive?
    Sst2,
    /// Are the two news sentences paraphrases?
    Mrpc,
    /// Are the two questions duplicates?
    Qqp,
    /// How similar are the two sentences, from 0 to 5?
    Stsb,
    /// Does the premise entail the hypothesis, contradict it or neither?
    Mnli,
    /// Does the sentence answer the question?
    Qnli,
    /// Does the first sentence entail the second?
    Rte,
    /// Is the sentence with its pronoun replaced entailed by the original?
    Wnli,
}

/// The columns of a task's files in one layout.
pub(super) struct TaskColumns {
    /// The text, or both texts of a pair.
    pub texts: &'static [&'static str],
    pub label: &'static str,
}

impl Task {
    pub const ALL: [Task; 9] =
        [Task::Cola, Task::Sst2, Task::Mrpc, Task::Qqp, Task::Stsb, Task::Mnli, Task::Qnli, Task::Rte, Task::Wnli];

    /// The hub's name: `sst2`.
    pub fn id(self) -> &'static str {
        match self {
            Task::Cola => "cola",
            Task::Sst2 => "sst2",
            Task::Mrpc => "mrpc",
            Task::Qqp => "qqp",
            Task::Stsb => "stsb",
            Task::Mnli => "mnli",
            Task::Qnli => "qnli",
            Task::Rte => "rte",
            Task::Wnli => "wnli",
        }
    }

    /// The benchmark's name, which is also its folder in the original download: `SST-2`.
    pub fn title(self) -> &'static str {
        match self {
            Task::Cola => "CoLA",
            Task::Sst2 => "SST-2",
            Task::Mrpc => "MRPC",
            Task::Qqp => "QQP",
            Task::Stsb => "STS-B",
            Task::Mnli => "MNLI",
            Task::Qnli => "QNLI",
            Task::Rte => "RTE",
            Task::Wnli => "WNLI",
        }
    }

    /// The classes in the order of the hub's `glue` dataset, so that published classification heads fit.
    pub fn labels(self) -> LabelSet {
        let names: &[&str] = match self {
            Task::Cola => &["unacceptable", "acceptable"],
            Task::Sst2 => &["negative", "positive"],
            Task::Mrpc => &["not_equivalent", "equivalent"],
            Task::Qqp => &["not_duplicate", "duplicate"],
            Task::Stsb => return LabelSet::Regression,
            Task::Mnli => &["entailment", "neutral", "contradiction"],
            Task::Qnli | Task::Rte => &["entailment", "not_entailment"],
            Task::Wnli => &["not_entailment", "entailment"],
        };
        LabelSet::Classes(Classes::named(names.iter().map(|&name| name.to_owned()).collect()))
    }

    /// The metrics the benchmark reports.
    pub fn metrics(self) -> Metrics {
        match self {
            Task::Cola => Metrics::Matthews,
            Task::Mrpc | Task::Qqp => Metrics::AccuracyAndF1,
            Task::Stsb => Metrics::Correlations,
            Task::Sst2 | Task::Mnli | Task::Qnli | Task::Rte | Task::Wnli => Metrics::Accuracy,
        }
    }

    /// The metric that decides which evaluation is best, unless the preset sets `keep.best`.
    pub fn primary_metric(self) -> &'static str {
        self.metrics().primary()
    }

    /// Text columns of the benchmark's test files. Unlike its other files, CoLA's test file has a header.
    pub fn text_columns(self) -> &'static [&'static str] {
        self.original_columns().unwrap_or_else(|| self.hub_columns()).texts
    }

    /// A class as the benchmark's submission format has it: entailment classes by name, others by index.
    pub fn submission_label(self, class: usize) -> String {
        match (self, self.labels()) {
            (Task::Mnli | Task::Qnli | Task::Rte, LabelSet::Classes(Classes { names, .. })) if class < names.len() => {
                names[class].clone()
            }
            _ => class.to_string(),
        }
    }

    /// The range of STS-B's scores.
    pub(super) fn score_range(self) -> RangeInclusive<f32> {
        0.0..=5.0
    }

    /// Suffixes of the held-out files: MNLI has two sets.
    pub(super) fn eval_suffixes(self) -> &'static [&'static str] {
        match self {
            Task::Mnli => &["_matched", "_mismatched"],
            _ => &[""],
        }
    }

    /// Columns of the original TSV files; `None` for CoLA's, which have no header.
    pub(super) fn original_columns(self) -> Option<TaskColumns> {
        Some(match self {
            Task::Cola => return None,
            Task::Mrpc => TaskColumns { texts: &["#1 String", "#2 String"], label: "Quality" },
            Task::Qqp => TaskColumns { texts: &["question1", "question2"], label: "is_duplicate" },
            Task::Stsb => TaskColumns { texts: &["sentence1", "sentence2"], label: "score" },
            Task::Mnli => TaskColumns { texts: &["sentence1", "sentence2"], label: "gold_label" },
            Task::Sst2 | Task::Qnli | Task::Rte | Task::Wnli => self.hub_columns(),
        })
    }

    /// Columns of the hub's `glue` dataset.
    pub(super) fn hub_columns(self) -> TaskColumns {
        let texts: &[&str] = match self {
            Task::Cola | Task::Sst2 => &["sentence"],
            Task::Mrpc | Task::Stsb | Task::Rte | Task::Wnli => &["sentence1", "sentence2"],
            Task::Qqp => &["question1", "question2"],
            Task::Mnli => &["premise", "hypothesis"],
            Task::Qnli => &["question", "sentence"],
        };
        TaskColumns { texts, label: "label" }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Task {
    type Err = anyhow::Error;

    /// Parses the hub's name or the benchmark's, in any case: `stsb`, `STS-B`.
    fn from_str(name: &str) -> anyhow::Result<Task> {
        let known = |task: &Task| task.id().eq_ignore_ascii_case(name) || task.title().eq_ignore_ascii_case(name);
        match Task::ALL.into_iter().find(known) {
            Some(task) => Ok(task),
            None => {
                let ids = Task::ALL.map(Task::id);
                let hint = did_you_mean(name, ids);
                let stop = if hint.is_empty() { "." } else { "" };
                bail!(Usage(format!("no GLUE task \"{name}\"{hint}{stop} The tasks are {}", ids.join(", "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_titles_parse_back() {
        for task in Task::ALL {
            assert_eq!(task.to_string().parse::<Task>().unwrap(), task);
            assert_eq!(task.title().parse::<Task>().unwrap(), task);
            assert!(task.metrics().names().contains(&task.primary_metric()));
        }
    }

    #[test]
    fn a_misspelt_task_gets_a_suggestion() {
        let error = "mrcp".parse::<Task>().unwrap_err();
        assert!(error.is::<Usage>());
        assert!(error.to_string().contains("did you mean \"mrpc\"?"), "{error}");
    }
}
