//! Scores on held-out examples.

use std::collections::BTreeMap;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::batch::Loaded;
use super::material::PERPLEXITY;
use crate::data::Tokenized;
use crate::metrics::Metrics;
use crate::model::{Network, Targets};

/// Held-out examples, tokenized.
pub struct HeldOut {
    /// What its scores' names end in: nothing for the first split, `_mismatched` for MNLI's second.
    pub suffix: String,
    /// At least one.
    pub examples: Tokenized,
}

/// How to evaluate.
pub struct Evaluator {
    /// The splits; the first gives the loss.
    pub splits: Vec<HeldOut>,
    /// The scores of a classifier. A language model has its perplexity.
    pub metrics: Option<Metrics>,
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
        let (mut scores, mut loss) = (BTreeMap::new(), None);
        let mut done = 0;
        for split in &self.splits {
            // Like lengths together, the longest first: what does not fit into memory fails at once.
            let lengths = split.examples.lengths();
            let mut order: Vec<usize> = (0..lengths.len()).collect();
            order.sort_by_key(|&index| std::cmp::Reverse(lengths[index]));
            let (mut sum, mut count, mut predicted, mut truth) = (0.0, 0, Vec::new(), Vec::new());
            for rows in order.chunks(self.batch) {
                let batch = split.examples.collate(rows, self.pad_id);
                let loaded = Loaded::new(&batch, network.parameters.device());
                let output = network.output(&loaded.inputs);
                sum += network.objective(&loaded.targets, 1.0).loss(&output).double_value(&[]);
                count += batch.targets.count();
                if self.metrics.is_some() {
                    predicted.extend(predictions(&output, &loaded.targets)?);
                    truth.extend(batch.targets.numbers());
                }
                done += 1;
                if !go_on(done) {
                    return Ok(None);
                }
            }
            let mean = sum / count as f64;
            loss.get_or_insert(mean);
            let named = match &self.metrics {
                Some(metrics) => metrics.score(&predicted, &truth),
                None => [(PERPLEXITY.to_owned(), mean.exp())].into(),
            };
            scores.extend(named.into_iter().map(|(name, score)| (name + &split.suffix, score)));
        }
        Ok(Some(Scores { loss: loss.unwrap_or(f64::NAN), scores }))
    }
}

/// The likeliest class of each row, or the score.
fn predictions(logits: &Tensor, targets: &Targets) -> Result<Vec<f64>> {
    let values = match targets {
        Targets::Classes(_) => logits.argmax(-1, false),
        _ => logits.squeeze_dim(-1),
    };
    Ok(Vec::try_from(values.to_kind(Kind::Double).to_device(Device::Cpu))?)
}
