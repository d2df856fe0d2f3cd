//! Scores on held-out examples, and which of these the model is worst at.

use std::collections::BTreeMap;

use anyhow::Result;
use tch::{Device, Kind, Reduction, Tensor};

use super::DeviceBatch;
use crate::data::{Example, Label, LabelSet, Tokenized};
use crate::metrics::Metrics;
use crate::model::{LossTargets, Network};
use crate::protocol::{ExamplePrediction, Examples};

/// The score of a language model.
pub const PERPLEXITY: &str = "perplexity";

/// Examples told of after an evaluation.
const TOLD: usize = 50;

/// Characters told of each text.
const LONGEST: usize = 400;

/// Held-out examples, tokenized.
pub struct HeldOut {
    /// What its scores' names end in: nothing for the first split, `_mismatched` for MNLI's second.
    pub suffix: String,
    /// At least one.
    pub examples: Tokenized,
}

impl HeldOut {
    /// What the scores of a split end in, given its number and its name.
    pub fn suffix(number: usize, name: &str) -> String {
        match name.strip_prefix("validation") {
            Some(suffix) if number > 0 => suffix.to_owned(),
            _ => String::new(),
        }
    }
}

/// How to evaluate.
pub struct Evaluator {
    /// The splits; the first gives the loss and the examples to tell of.
    pub splits: Vec<HeldOut>,
    /// How a classifier is judged. A language model has its perplexity.
    pub labelled: Option<Labelled>,
    /// Examples at a time.
    pub batch: usize,
    /// The tokenizer's padding.
    pub pad_id: i64,
}

/// How a classifier is judged.
pub struct Labelled {
    /// The scores.
    pub metrics: Metrics,
    /// What there is to predict.
    pub labels: LabelSet,
    /// The texts of the first split.
    pub texts: Vec<Example>,
}

/// What came of it.
pub struct Scores {
    /// Mean loss of the first split.
    pub loss: f64,
    /// By name.
    pub scores: BTreeMap<String, f64>,
    /// What a classifier was worst at in the first split.
    pub worst: Option<Examples>,
}

/// What the model made of one example.
struct Verdict {
    row: usize,
    /// Index of a class, or a score.
    prediction: f64,
    /// Of the predicted class.
    confidence: Option<f64>,
    loss: f64,
}

impl Evaluator {
    /// Examples of all splits.
    pub fn examples(&self) -> u64 {
        self.splits.iter().map(|split| split.examples.lengths().len() as u64).sum()
    }

    /// Batches of all splits.
    pub fn batches(&self) -> u64 {
        self.splits.iter().map(|split| split.examples.lengths().len().div_ceil(self.batch) as u64).sum()
    }

    /// Evaluates. After each batch `go_on` is told how many are done, and may end it all: then there are no scores.
    pub fn run(&self, network: &Network, mut go_on: impl FnMut(u64) -> bool) -> Result<Option<Scores>> {
        let (mut scores, mut loss, mut verdicts) = (BTreeMap::new(), None, Vec::new());
        let mut done = 0;
        for split in &self.splits {
            // Like lengths together, the longest first: what does not fit into memory fails at once.
            let lengths = split.examples.lengths();
            let mut order: Vec<usize> = (0..lengths.len()).collect();
            order.sort_by_key(|&index| std::cmp::Reverse(lengths[index]));
            let (mut sum, mut count, mut predicted, mut truth) = (0.0, 0, Vec::new(), Vec::new());
            for rows in order.chunks(self.batch) {
                let batch = split.examples.collate(rows, self.pad_id);
                let loaded = DeviceBatch::new(&batch, network.parameters.device());
                let output = network.output(&loaded.inputs);
                sum += network.objective(&loaded.targets, 1.0).loss(&output).double_value(&[]);
                count += batch.labels.count();
                if let Some(labelled) = &self.labelled {
                    let predictions = predictions(&output, &loaded.targets)?;
                    if loss.is_none() {
                        verdicts.extend(labelled.verdicts(rows, &loaded.targets, &output, &predictions)?);
                    }
                    predicted.extend(predictions);
                    truth.extend(batch.labels.numbers());
                }
                done += 1;
                if !go_on(done) {
                    return Ok(None);
                }
            }
            let mean = sum / count as f64;
            loss.get_or_insert(mean);
            let named = match &self.labelled {
                Some(labelled) => labelled.metrics.score(&predicted, &truth),
                None => [(PERPLEXITY.to_owned(), mean.exp())].into(),
            };
            scores.extend(named.into_iter().map(|(name, score)| (name + &split.suffix, score)));
        }
        Ok(Some(Scores {
            loss: loss.unwrap_or(f64::NAN),
            scores,
            worst: self.labelled.as_ref().map(|labelled| labelled.worst(verdicts)),
        }))
    }
}

impl Labelled {
    fn verdicts(
        &self,
        rows: &[usize],
        targets: &LossTargets,
        logits: &Tensor,
        predictions: &[f64],
    ) -> Result<Vec<Verdict>> {
        let losses: Vec<f64> = host(&losses(logits, targets))?;
        let confidences: Vec<Option<f64>> = match self.labels {
            LabelSet::Classes(_) => {
                host(&logits.softmax(-1, Kind::Float).max_dim(-1, false).0)?.into_iter().map(Some).collect()
            }
            LabelSet::Regression => vec![None; rows.len()],
        };
        let numbers = rows.iter().zip(predictions).zip(losses.into_iter().zip(confidences));
        let verdict = |((&row, &prediction), (loss, confidence))| Verdict { row, prediction, confidence, loss };
        Ok(numbers.map(verdict).collect())
    }

    /// The worst first; of two as bad, the one that comes first in the split.
    fn worst(&self, mut verdicts: Vec<Verdict>) -> Examples {
        let right = |verdict: &Verdict| match self.texts[verdict.row].label {
            Label::Class(class) => verdict.prediction == f64::from(class),
            Label::Score(_) => true,
        };
        let wrong = verdicts.iter().filter(|verdict| !right(verdict)).count() as u64;
        verdicts.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.row.cmp(&b.row)));
        Examples {
            step: 0,
            of: verdicts.len() as u64,
            wrong: matches!(self.labels, LabelSet::Classes(_)).then_some(wrong),
            examples: verdicts.iter().take(TOLD).map(|verdict| self.judged(verdict)).collect(),
        }
    }

    fn judged(&self, verdict: &Verdict) -> ExamplePrediction {
        let example = &self.texts[verdict.row];
        let name = |value: f64| match &self.labels {
            LabelSet::Classes(names) => names.get(value as usize).map_or_else(|| value.to_string(), Clone::clone),
            LabelSet::Regression => format!("{value:.3}"),
        };
        ExamplePrediction {
            text: beginning(&example.text),
            pair: example.pair.as_deref().map(beginning),
            prediction: name(verdict.prediction),
            label: name(match example.label {
                Label::Class(class) => f64::from(class),
                Label::Score(score) => f64::from(score),
            }),
            confidence: verdict.confidence.map(rounded),
            loss: rounded(verdict.loss),
        }
    }
}

/// The likeliest class of each row, or the score.
fn predictions(logits: &Tensor, targets: &LossTargets) -> Result<Vec<f64>> {
    host(&match targets {
        LossTargets::Classes(_) => logits.argmax(-1, false),
        _ => logits.squeeze_dim(-1),
    })
}

/// The rows' losses one by one, fp32 `[rows]`.
fn losses(logits: &Tensor, targets: &LossTargets) -> Tensor {
    let logits = logits.to_kind(Kind::Float);
    match targets {
        LossTargets::Classes(classes) => logits.cross_entropy_loss::<Tensor>(classes, None, Reduction::None, -100, 0.0),
        LossTargets::Scores(scores) => logits.squeeze_dim(-1).mse_loss(scores, Reduction::None),
        LossTargets::Tokens { .. } => logits,
    }
}

fn host(values: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::try_from(values.to_kind(Kind::Double).to_device(Device::Cpu))?)
}

/// As much of a text as the file of events is to hold.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Six digits, which is what fp32 has: the others would fill the file of events with noise.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cut_to_what_they_mean_and_texts_to_their_beginning() {
        assert_eq!([0.123_456_789, 1e-12, 0.0, -54.123_456].map(rounded), [0.123_457, 1e-12, 0.0, -54.1235]);
        assert!(rounded(f64::NAN).is_nan() && rounded(f64::INFINITY).is_infinite());
        assert_eq!(beginning("short"), "short");
        let cut = beginning(&"\u{e9}\u{4e2d}".repeat(300));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (LONGEST + 1, true));
    }
}
