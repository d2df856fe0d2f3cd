//! Evaluations of the held-out set.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The key of a language model's score in [`Eval::scores`].
pub const PERPLEXITY: &str = "perplexity";

/// The name of [`Eval::loss`] where scores are named.
pub const LOSS: &str = "loss";

/// An evaluation of the held-out set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eval {
    /// Optimizer steps taken before.
    pub step: u64,
    /// Passes over the training examples before.
    #[serde(default)]
    pub epoch: f64,
    /// Mean loss over the held-out set.
    #[serde(with = "super::number")]
    pub loss: f64,
    /// Metrics of the task by name, in 0..=1 or -1..=1.
    pub scores: BTreeMap<String, f64>,
    /// Whether it is the best evaluation of the run so far.
    #[serde(default)]
    pub best: bool,
    /// Where the run stops early: its patience after this evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Patience>,
}

impl Eval {
    /// A score by its name, or the loss. `None` if it was not measured or is not finite.
    pub fn score(&self, name: &str) -> Option<f64> {
        let score = if name == LOSS { Some(self.loss) } else { self.scores.get(name).copied() };
        score.filter(|score| score.is_finite())
    }
}

/// How long early stopping waits for a better evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Evaluations left, unless one of them is the best so far.
    pub left: u64,
    /// Evaluations without improvement after which the run stops.
    pub of: u64,
}

impl fmt::Display for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "patience {}/{}", self.left, self.of)
    }
}

/// The held-out examples with the highest loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Examples {
    /// Optimizer steps taken before the evaluation.
    pub step: u64,
    /// Number of evaluated examples.
    pub of: u64,
    /// Number of wrong predictions; `None` for regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<u64>,
    /// The confusion matrix of all evaluated examples; `None` for regression and in events of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// The examples, the highest loss first.
    pub examples: Vec<ExamplePrediction>,
}

/// A held-out example and its prediction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExamplePrediction {
    /// The text, or the first text of a pair; truncated if it is long.
    pub text: String,
    /// The second text of a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// The predicted class or number.
    pub prediction: String,
    /// The expected class or number.
    pub label: String,
    /// Probability of the predicted class, in 0..=1; `None` for regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Loss of the example.
    #[serde(with = "super::number")]
    pub loss: f64,
}

/// A confusion matrix, as in scikit-learn: how often examples of each class are predicted as each class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Names of the classes, in the order of rows and columns.
    pub classes: Vec<String>,
    /// Number of examples by label, then by predicted class.
    pub counts: Vec<Vec<u64>>,
    /// Number of examples of each class, predicted as any class.
    pub labelled: Vec<u64>,
    /// Number of classes of the task. Of many, only those that are confused most often are listed.
    pub of: u64,
}

impl Confusion {
    /// Number of examples with a label and a predicted class, by their indices.
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        self.counts.get(label).and_then(|row| row.get(predicted)).copied().unwrap_or(0)
    }

    /// The recall of a class, in 0..=1: the share of its examples that is predicted right. `None` without examples.
    pub fn recall(&self, label: usize) -> Option<f64> {
        let of = self.labelled.get(label).copied().filter(|of| *of > 0)?;
        Some(self.count(label, label) as f64 / of as f64)
    }
}
