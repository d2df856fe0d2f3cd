//! Memory that ran out in a step: what to change is said with numbers.

use anyhow::{Result, anyhow};

use super::memory::{self, StepShape};
use crate::data::Batch;
use crate::estimate::bytes;
use crate::model::ModelConfig;
use crate::panics::{OutOfMemory, catch_panic};
use crate::sift::Rules;

/// What a run's memory follows from, for advice.
pub struct MemoryContext {
    /// The network's.
    pub config: ModelConfig,
    /// What is trained.
    pub rules: Rules,
    /// Outputs of a classifier's head.
    pub labels: i64,
    /// All but rows and length.
    pub load: StepShape,
    /// The run's folder.
    pub run: String,
}

/// Does a step's work. Where memory runs out the error says what would help, with the sizes of the largest of these
/// micro-batches; other failures stay as they are.
///
/// # Errors
/// The work's own.
pub fn explain<T>(means: &MemoryContext, batches: &[Batch], work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_panic(work).map_err(|error| match error.downcast_ref() {
        Some(OutOfMemory { message: said }) => {
            let sizes = batches.iter().map(|batch| (batch.rows, batch.length));
            let largest = sizes.max_by_key(|(rows, length)| rows * length);
            anyhow!("{}", means.explain(said, largest.unwrap_or((0, 0))))
        }
        None => error,
    })
}

impl MemoryContext {
    fn explain(&self, said: &str, (rows, length): (usize, usize)) -> String {
        let now = StepShape { rows: rows as u64, length: length as u64, ..self.load };
        let takes = |load: StepShape| bytes(memory::plan(&self.config, &self.rules, self.labels, load).bytes() as f64);
        let mut text =
            format!("memory ran out ({said}); by plan a micro-batch of {rows} x {length} tokens takes {}", takes(now));
        let twice = StepShape { checkpointing: true, ..now };
        if !now.checkpointing {
            text += &format!(
                ". With train.gradient_checkpointing = true it takes {}: write that into {1}/preset.toml, and \
                 `finesift resume {1} --force` goes on",
                takes(twice),
                self.run
            );
        }
        if rows > 1 {
            let half = StepShape { rows: now.rows.div_ceil(2), ..now };
            text += &format!(
                ". A new run with train.batch = {} and train.accumulate twice what it is learns the same from {}",
                half.rows,
                takes(half)
            );
        }
        let sparse = Rules { rate: self.rules.rate / 2.0, ..self.rules.clone() };
        let less = memory::plan(&self.config, &sparse, self.labels, now).bytes();
        text + &format!(", one with half the sift.rate takes {}", bytes(less as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchLabels;

    fn means() -> MemoryContext {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"model_type": "roberta"}"#).unwrap();
        MemoryContext {
            config: ModelConfig::read(folder.path()).unwrap(),
            rules: Rules { rate: 0.1, modules: vec!["query".into()], dense: Vec::new(), biases: true },
            labels: 2,
            load: StepShape {
                dtype: 4,
                gpu: true,
                rows: 0,
                length: 0,
                checkpointing: false,
                dropout: true,
                choosing: 1,
                keeps_inputs: false,
                micro_batches: 1,
            },
            run: "runs/mine".into(),
        }
    }

    fn batch(rows: usize, length: usize) -> Batch {
        let zeros = vec![0; rows * length];
        Batch {
            rows,
            length,
            input_ids: zeros.clone(),
            sequence_ids: zeros.clone(),
            token_type_ids: zeros,
            position_ids: None,
            targets: BatchLabels::Classes(Vec::new()),
            tokens: 0,
        }
    }

    #[test]
    fn what_helps_is_said_with_numbers() {
        let panics = || -> Result<()> {
            let said = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free\\nException raised from x";
            panic!("called `Result::unwrap()` on an `Err` value: Torch(\"{said}\")")
        };
        let error = explain(&means(), &[batch(2, 16), batch(32, 128), batch(1, 4)], panics).unwrap_err().to_string();
        let start = "memory ran out (CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free); by plan a \
                     micro-batch of 32 x 128 tokens takes ";
        assert!(error.starts_with(start), "{error}");
        for word in
            ["GiB", "gradient_checkpointing = true", "resume runs/mine --force", "train.batch = 16", "sift.rate"]
        {
            assert!(error.contains(word), "{word}: {error}");
        }
        let one = MemoryContext { load: StepShape { checkpointing: true, ..means().load }, ..means() };
        let error = explain(&one, &[batch(1, 128)], || -> Result<()> { panic!("std::bad_alloc") }).unwrap_err();
        assert!(!error.to_string().contains("train.batch") && !error.to_string().contains("--force"), "{error}");
    }

    #[test]
    fn other_failures_stay_as_they_are() {
        let error = explain(&means(), &[], || -> Result<()> { Err(anyhow!("the loss is NaN")) }).unwrap_err();
        assert_eq!(error.to_string(), "the loss is NaN");
        let error = explain(&means(), &[], || -> Result<()> { panic!("boom") }).unwrap_err();
        assert_eq!(error.to_string(), "finesift panicked: boom; please report this");
        assert_eq!(explain(&means(), &[], || Ok(3)).unwrap(), 3);
    }

    #[test]
    fn libtorch_says_what_is_looked_for() {
        let too_much = || -> Result<f64> {
            let large = tch::Tensor::empty([1 << 50], (tch::Kind::Float, tch::Device::Cpu));
            Ok(large.double_value(&[0]))
        };
        let error = explain(&means(), &[batch(8, 8)], too_much).unwrap_err().to_string();
        assert!(error.starts_with("memory ran out ("), "{error}");
        assert!(error.contains("allocate") && error.lines().count() == 1, "{error}");
    }
}
