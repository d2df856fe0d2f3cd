//! Scores on held-out examples.

use std::collections::BTreeMap;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::batch::Loaded;
use crate::data::{Encoded, Target, collate};
use crate::metrics::Metrics;
use crate::model::Classifier;

/// Held-out examples, tokenized.
pub struct HeldOut {
    /// What its scores' names end in: nothing for the first split, `_mismatched` for MNLI's second.
    pub suffix: String,
    /// At least one.
    pub examples: Vec<Encoded>,
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
    /// The splits; the first gives the loss.
    pub splits: Vec<HeldOut>,
    /// The scores.
    pub metrics: Metrics,
    /// Examples at a time.
    pub batch: usize,
    /// The tokenizer's padding.
    pub pad_id: i64,
}

/// What came of it.
pub struct Scores {
    /// Mean loss of the first split.
    pub loss: f64,
    /// By name.
    pub scores: BTreeMap<String, f64>,
}

impl Evaluator {
    /// Batches of all splits.
    pub fn batches(&self) -> u64 {
        self.splits.iter().map(|split| split.examples.len().div_ceil(self.batch) as u64).sum()
    }

    /// Evaluates. After each batch `go_on` is told how many are done, and may end it all: then there are no scores.
    pub fn run(&self, classifier: &Classifier, mut go_on: impl FnMut(u64) -> bool) -> Result<Option<Scores>> {
        let (mut scores, mut loss) = (BTreeMap::new(), None);
        let mut done = 0;
        for split in &self.splits {
            // Like lengths together, the longest first: what does not fit into memory fails at once.
            let mut order: Vec<usize> = (0..split.examples.len()).collect();
            order.sort_by_key(|&index| std::cmp::Reverse(split.examples[index].ids.len()));
            let (mut sum, mut predicted, mut truth) = (0.0, Vec::new(), Vec::new());
            for rows in order.chunks(self.batch) {
                let loaded = Loaded::new(&collate(&split.examples, rows, self.pad_id), classifier.parameters.device());
                let logits = classifier.logits(&loaded.inputs);
                sum += loaded.loss(&logits).double_value(&[]);
                predicted.extend(predictions(&logits, loaded.targets.kind())?);
                truth.extend(rows.iter().map(|&row| match split.examples[row].target {
                    Target::Class(class) => f64::from(class),
                    Target::Score(score) => f64::from(score),
                }));
                done += 1;
                if !go_on(done) {
                    return Ok(None);
                }
            }
            loss.get_or_insert(sum / split.examples.len() as f64);
            let named = self.metrics.score(&predicted, &truth).into_iter();
            scores.extend(named.map(|(name, score)| (name + &split.suffix, score)));
        }
        Ok(Some(Scores { loss: loss.unwrap_or(f64::NAN), scores }))
    }
}

/// The likeliest class of each row, or the score.
fn predictions(logits: &Tensor, targets: Kind) -> Result<Vec<f64>> {
    let values = if targets == Kind::Int64 { logits.argmax(-1, false) } else { logits.squeeze_dim(-1) };
    Ok(Vec::try_from(values.to_kind(Kind::Double).to_device(Device::Cpu))?)
}
