//! Scores on held-out examples, and the examples with the highest loss.

use std::collections::BTreeMap;

use anyhow::Result;
use tch::{Device, Kind, Reduction, Tensor};

use super::device_batch::DeviceBatch;
use crate::data::{Example, Label, LabelSet, Tokenized};
use crate::distributed::World;
use crate::metrics::{self, Metrics};
use crate::model::{LossTargets, Network};
use crate::protocol::{Confusion, ExamplePrediction, Examples, PERPLEXITY};

/// Examples in the report of an evaluation.
const REPORTED: usize = 50;

/// Characters of each reported text.
const LONGEST: usize = 400;

/// A held-out split, tokenized.
pub struct HeldOut {
    /// Suffix of the names of its scores: empty for the first split, `_mismatched` for MNLI's second.
    pub suffix: String,
    /// At least one.
    pub examples: Tokenized,
}

impl HeldOut {
    /// The suffix of a split with this number and name.
    pub fn suffix(number: usize, name: &str) -> String {
        match name.strip_prefix("validation") {
            Some(suffix) if number > 0 => suffix.to_owned(),
            _ => String::new(),
        }
    }
}

/// Evaluates a network on held-out splits.
pub struct Evaluator {
    /// The first split gives the loss and the reported examples.
    pub splits: Vec<HeldOut>,
    /// `None` for a language model, whose score is its perplexity.
    pub labelled: Option<Labelled>,
    /// Examples at a time.
    pub batch: usize,
    /// The token that rows are padded with.
    pub pad_id: i64,
}

/// The scores of a classifier, and what they compare with.
pub struct Labelled {
    pub metrics: Metrics,
    pub labels: LabelSet,
    /// The texts of the first split, to report.
    pub texts: Vec<Example>,
}

/// The result of an evaluation.
pub struct Scores {
    /// Mean loss of the first split.
    pub loss: f64,
    /// Scores by name.
    pub scores: BTreeMap<String, f64>,
    /// The examples of the first split with the highest loss; of a classifier only.
    pub worst: Option<Examples>,
    /// Index of the class, or number, that is predicted for each example of the first split; of a classifier only.
    pub predictions: Vec<f64>,
}

/// The prediction of one example.
struct Prediction {
    row: usize,
    /// Index of a class, or a number.
    value: f64,
    /// Probability of the predicted class.
    confidence: Option<f64>,
    loss: f64,
}

impl Evaluator {
    /// Examples of all splits.
    pub fn examples(&self) -> u64 {
        self.splits.iter().map(|split| split.examples.lengths().len() as u64).sum()
    }

    /// BatchSampler of all splits.
    pub fn batches(&self) -> u64 {
        self.splits.iter().map(|split| split.examples.lengths().len().div_ceil(self.batch) as u64).sum()
    }

    /// Evaluates all splits, each rank its share of the batches. `proceed` is called with the number of batches done after each, on the
    /// first rank; if it returns false, the evaluation ends without scores. All ranks get the same scores, which do not depend on how many
    /// there are.
    ///
    /// # Errors
    /// A rank that is gone; numbers that libtorch cannot read back.
    pub fn run(
        &self,
        network: &Network,
        world: &World,
        mut proceed: impl FnMut(u64) -> bool,
    ) -> Result<Option<Scores>> {
        let (mut scores, mut loss, mut predictions) = (BTreeMap::new(), None, Vec::new());
        let sharded = network.offload.as_ref().is_some_and(|offload| offload.is_sharded());
        let mut done = 0;
        for split in &self.splits {
            // Sorted by length, which saves padding. The longest come first, so that memory runs out at once if at all.
            let lengths = split.examples.lengths();
            let mut order: Vec<usize> = (0..lengths.len()).collect();
            order.sort_by_key(|&index| std::cmp::Reverse(lengths[index]));
            let batches: Vec<&[usize]> = order.chunks(self.batch).collect();
            let mut own = Vec::new();
            for round in batches.chunks(world.size()) {
                match round.get(world.rank()) {
                    Some(rows) => own.push(self.evaluate(split, rows, network, loss.is_none())?),
                    // Ranks among which weights are sharded compute all blocks together.
                    None if sharded => drop(self.evaluate(split, round[0], network, false)?),
                    None => {}
                }
                if let Some(offload) = &network.offload {
                    offload.outcome()?;
                }
                done += round.len() as u64;
                let goes_on = [u8::from(!world.is_first() || proceed(done))];
                if world.broadcast(goes_on.to_vec())? == [0] {
                    return Ok(None);
                }
            }
            let all = match world.is_alone() {
                true => own,
                false => in_turn(world.all_gather(encoded(&own))?.iter().map(|bytes| decoded(bytes)).collect()),
            };
            let sum: f64 = all.iter().map(|batch| batch.loss).sum();
            let count: f64 = all.iter().map(|batch| batch.labels).sum();
            let mean = sum / count;
            loss.get_or_insert(mean);
            let named = match &self.labelled {
                Some(labelled) => {
                    let of =
                        |part: fn(&Evaluated) -> &Vec<f64>| all.iter().flat_map(part).copied().collect::<Vec<f64>>();
                    labelled.metrics.score(&of(|batch| &batch.predicted), &of(|batch| &batch.truth))
                }
                None => [(PERPLEXITY.to_owned(), mean.exp())].into(),
            };
            predictions.extend(all.into_iter().flat_map(|batch| batch.predictions));
            scores.extend(named.into_iter().map(|(name, score)| (name + &split.suffix, score)));
        }
        let mut values = vec![0.0; predictions.len()];
        predictions.iter().for_each(|prediction: &Prediction| values[prediction.row] = prediction.value);
        Ok(Some(Scores {
            loss: loss.unwrap_or(f64::NAN),
            scores,
            predictions: values,
            worst: self.labelled.as_ref().map(|labelled| labelled.worst(predictions)),
        }))
    }

    /// Evaluates a batch; `reported` says whether its predictions are reported one by one.
    fn evaluate(&self, split: &HeldOut, rows: &[usize], network: &Network, reported: bool) -> Result<Evaluated> {
        let batch = split.examples.collate(rows, self.pad_id);
        let on_device = DeviceBatch::new(&batch, network.parameters.device());
        let output = network.output(&on_device.inputs);
        let loss = network.objective(&on_device.targets, 1.0).loss(&output).double_value(&[]);
        let mut evaluated = Evaluated { loss, labels: batch.labels.count() as f64, ..Evaluated::default() };
        if let Some(labelled) = &self.labelled {
            evaluated.predicted = predicted_values(&output, &on_device.targets)?;
            evaluated.truth = batch.labels.numbers();
            if reported {
                let predicted = &evaluated.predicted;
                evaluated.predictions = labelled.predictions(rows, &on_device.targets, &output, predicted)?;
            }
        }
        Ok(evaluated)
    }
}

/// What comes of a batch.
#[derive(Default)]
struct Evaluated {
    /// The sum over its labels.
    loss: f64,
    labels: f64,
    predicted: Vec<f64>,
    truth: Vec<f64>,
    predictions: Vec<Prediction>,
}

/// The batches of all ranks in their order: they were taken in turn.
fn in_turn(ranks: Vec<Vec<Evaluated>>) -> Vec<Evaluated> {
    let mut ranks: Vec<_> = ranks.into_iter().map(Vec::into_iter).collect();
    let mut batches = Vec::new();
    let mut rank = 0;
    while let Some(batch) = ranks[rank].next() {
        batches.push(batch);
        rank = (rank + 1) % ranks.len();
    }
    batches
}

/// Batches as numbers, for other ranks.
fn encoded(batches: &[Evaluated]) -> Vec<u8> {
    let mut numbers = Vec::new();
    for Evaluated { loss, labels, predicted, truth, predictions } in batches {
        numbers.extend([*loss, *labels, predicted.len() as f64, predictions.len() as f64]);
        numbers.extend(predicted.iter().chain(truth));
        for Prediction { row, value, confidence, loss } in predictions {
            numbers.extend([*row as f64, *value, confidence.unwrap_or(f64::NAN), *loss]);
        }
    }
    numbers.into_iter().flat_map(f64::to_le_bytes).collect()
}

fn decoded(bytes: &[u8]) -> Vec<Evaluated> {
    let (numbers, _) = bytes.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let mut batches = Vec::new();
    while let Some(loss) = numbers.next() {
        let mut number = || numbers.next().unwrap_or_default();
        let (labels, predicted, reported) = (number(), number() as usize, number() as usize);
        let mut several = |count: usize| (0..count).map(|_| number()).collect::<Vec<f64>>();
        let (predicted, truth) = (several(predicted), several(predicted));
        let predictions = several(4 * reported);
        let prediction = |of: &[f64; 4]| {
            let [row, value, confidence, loss] = *of;
            let confidence = Some(confidence).filter(|confidence| !confidence.is_nan());
            Prediction { row: row as usize, value, confidence, loss }
        };
        let predictions = predictions.as_chunks::<4>().0.iter().map(prediction).collect();
        batches.push(Evaluated { loss, labels, predicted, truth, predictions });
    }
    batches
}

impl Labelled {
    /// Index of the class, or number, of each example of the first split.
    pub fn references(&self) -> Vec<f64> {
        self.texts.iter().map(|example| example.label.number()).collect()
    }

    fn predictions(
        &self,
        rows: &[usize],
        targets: &LossTargets,
        logits: &Tensor,
        values: &[f64],
    ) -> Result<Vec<Prediction>> {
        let losses: Vec<f64> = host(&losses(logits, targets))?;
        let confidences: Vec<Option<f64>> = match self.labels {
            LabelSet::Classes(_) => {
                host(&logits.softmax(-1, Kind::Float).max_dim(-1, false).0)?.into_iter().map(Some).collect()
            }
            LabelSet::Regression => vec![None; rows.len()],
        };
        let numbers = rows.iter().zip(values).zip(losses.into_iter().zip(confidences));
        let prediction = |((&row, &value), (loss, confidence))| Prediction { row, value, confidence, loss };
        Ok(numbers.map(prediction).collect())
    }

    /// The examples with the highest loss; ties in the order of the split.
    fn worst(&self, mut predictions: Vec<Prediction>) -> Examples {
        let right = |prediction: &Prediction| match self.texts[prediction.row].label {
            Label::Class(class) => prediction.value == f64::from(class),
            Label::Score(_) => true,
        };
        let wrong = predictions.iter().filter(|prediction| !right(prediction)).count() as u64;
        let confusion = self.confusion(&predictions);
        predictions.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.row.cmp(&b.row)));
        Examples {
            step: 0,
            of: predictions.len() as u64,
            wrong: matches!(self.labels, LabelSet::Classes(_)).then_some(wrong),
            confusion,
            examples: predictions.iter().take(REPORTED).map(|prediction| self.example(prediction)).collect(),
        }
    }

    /// The confusion matrix of a classifier.
    fn confusion(&self, predictions: &[Prediction]) -> Option<Confusion> {
        let LabelSet::Classes(classes) = &self.labels else { return None };
        let label = |prediction: &Prediction| match self.texts[prediction.row].label {
            Label::Class(class) => Some((prediction.value as usize, class as usize)),
            Label::Score(_) => None,
        };
        let (predicted, labels): (Vec<usize>, Vec<usize>) = predictions.iter().filter_map(label).unzip();
        Some(metrics::confusion(&classes.names, &predicted, &labels))
    }

    fn example(&self, prediction: &Prediction) -> ExamplePrediction {
        let example = &self.texts[prediction.row];
        let name = |value: f64| match &self.labels {
            LabelSet::Classes(classes) => {
                classes.names.get(value as usize).map_or_else(|| value.to_string(), Clone::clone)
            }
            LabelSet::Regression => format!("{value:.3}"),
        };
        ExamplePrediction {
            text: beginning(&example.text),
            pair: example.pair.as_deref().map(beginning),
            prediction: name(prediction.value),
            label: name(example.label.number()),
            confidence: prediction.confidence.map(rounded),
            loss: rounded(prediction.loss),
        }
    }
}

/// The likeliest class of each row, or its number.
fn predicted_values(logits: &Tensor, targets: &LossTargets) -> Result<Vec<f64>> {
    host(&match targets {
        LossTargets::Classes(_) => logits.argmax(-1, false),
        _ => logits.squeeze_dim(-1),
    })
}

/// The loss of each row, fp32 `[rows]`.
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

/// The beginning of a text: long texts would fill the file of events.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Six significant digits, the precision of fp32. More would be noise in the file of events.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_six_digits_and_texts_are_shortened() {
        assert_eq!([0.123_456_789, 1e-12, 0.0, -54.123_456].map(rounded), [0.123_457, 1e-12, 0.0, -54.1235]);
        assert!(rounded(f64::NAN).is_nan() && rounded(f64::INFINITY).is_infinite());
        assert_eq!(beginning("short"), "short");
        let cut = beginning(&"\u{e9}\u{4e2d}".repeat(300));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (LONGEST + 1, true));
    }
}
