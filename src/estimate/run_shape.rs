//! The shape of a run: everything that its memory follows from.

use anyhow::Result;

use super::memory::StepShape;
use super::report::ModelEstimate;
use crate::inputs::{target_adapters, target_rules};
use crate::model::{LoraConfig, ModelConfig, NetworkShape};
use crate::preset::Preset;
use crate::sift::Rules;

/// The shape of a run.
#[derive(Clone, Debug)]
pub struct RunShape {
    pub config: ModelConfig,
    /// Outputs of a classifier's head.
    pub labels: i64,
    pub rules: Rules,
    pub adapters: Option<LoraConfig>,
    /// With the largest micro-batch: as many rows as there may be, of the longest example.
    pub step: StepShape,
    pub smaller_batch: SmallerBatch,
}

/// What a smaller batch does to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallerBatch {
    /// A step has as many examples, in more micro-batches.
    MoreMicroBatches,
    /// A step, which is one micro-batch, has fewer examples.
    FewerExamples,
    /// There is none.
    None,
}

/// What the data say of a run's shape.
#[derive(Clone, Copy, Debug)]
pub struct DataShape {
    /// Outputs of a classifier's head.
    pub labels: i64,
    /// Tokens of the longest training example.
    pub longest: u64,
    /// Optimizer steps; `None` if the data are not there.
    pub steps: Option<u64>,
}

impl RunShape {
    /// The shape of a preset's run.
    ///
    /// # Errors
    /// Those of [`target_adapters`], which opening the preset has too.
    pub fn of(preset: &Preset, config: &ModelConfig, data: DataShape, gpu: bool) -> Result<RunShape> {
        let step = StepShape::of(preset, gpu, data.longest);
        let reselections = match (data.steps, preset.sift.reselect_every) {
            (Some(steps), every @ 1..) => steps.saturating_sub(1) / every,
            _ => step.reselections,
        };
        Ok(RunShape {
            config: config.clone(),
            labels: data.labels,
            rules: target_rules(preset),
            adapters: target_adapters(preset, config)?,
            step: StepShape { reselections, ..step },
            smaller_batch: SmallerBatch::MoreMicroBatches,
        })
    }

    /// Its components and its memory.
    pub fn estimate(&self) -> ModelEstimate {
        ModelEstimate::of(self.network(), &self.rules, self.step)
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        self.estimate().bytes()
    }

    /// The same run with other steps.
    pub fn with_step(&self, step: StepShape) -> RunShape {
        RunShape { step, ..self.clone() }
    }

    /// The same run with another batch.
    pub fn with_batch(&self, rows: u64) -> RunShape {
        self.with_step(match self.smaller_batch {
            SmallerBatch::MoreMicroBatches => self.step.split(rows),
            SmallerBatch::FewerExamples | SmallerBatch::None => self.step.with_micro_batch(rows, self.step.length),
        })
    }

    /// The batches that it may have, the largest first: those that divide the examples of a step.
    pub fn batches(&self) -> Vec<u64> {
        match self.smaller_batch {
            SmallerBatch::MoreMicroBatches => divisors(self.step.examples()),
            SmallerBatch::FewerExamples => divisors(self.step.rows),
            SmallerBatch::None => vec![self.step.rows],
        }
    }

    pub fn network(&self) -> NetworkShape<'_> {
        NetworkShape { config: &self.config, labels: self.labels, adapters: self.adapters.as_ref() }
    }
}

/// The divisors of a number, the largest first.
fn divisors(number: u64) -> Vec<u64> {
    let small: Vec<u64> = (1..=number.isqrt()).filter(|divisor| number.is_multiple_of(*divisor)).collect();
    let large = small.iter().map(|divisor| number / divisor);
    large.chain(small.iter().rev().copied().filter(|divisor| divisor * divisor != number)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use tch::Kind;

    use super::*;
    use crate::sift::select::Structure;

    #[test]
    fn divisors_come_in_order() {
        for number in 1..400 {
            let expected: Vec<u64> = (1..=number).rev().filter(|divisor| number % divisor == 0).collect();
            assert_eq!(divisors(number), expected);
        }
    }

    /// The shape of a RoBERTa on a GPU with the config's defaults, whose queries are targets.
    pub fn shape(rows: u64, micro_batches: u64) -> RunShape {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"model_type": "roberta"}"#).unwrap();
        RunShape {
            config: ModelConfig::read(folder.path()).unwrap(),
            labels: 2,
            rules: Rules {
                rate: 0.1,
                structure: Structure::Entries,
                modules: vec!["query".into()],
                dense: Vec::new(),
                biases: true,
            },
            adapters: None,
            step: StepShape { micro_batches, ..StepShape::single(Kind::Float, true, rows, 128) },
            smaller_batch: SmallerBatch::MoreMicroBatches,
        }
    }
}
