//! Errors for memory that ran out in a training step: they say what to change, with numbers.

use anyhow::{Result, anyhow};

use super::memory::StepShape;
use super::report::ModelEstimate;
use crate::data::Batch;
use crate::model::{LoraConfig, ModelConfig, NetworkShape};
use crate::panics::{OutOfMemory, catch_panic};
use crate::quantity::bytes;
use crate::sift::Rules;

/// Everything a run's memory depends on.
pub struct MemoryContext {
    pub config: ModelConfig,
    pub rules: Rules,
    pub adapters: Option<LoraConfig>,
    /// Outputs of a classifier's head.
    pub labels: i64,
    /// Rows and length are those of the preset, not of a batch.
    pub step: StepShape,
    /// The run's folder.
    pub run: String,
}

/// Runs the work of a step. If memory runs out, the error suggests changes, with estimates for the largest of these
/// micro-batches. Other errors pass unchanged.
///
/// # Errors
/// The work's own.
pub fn explain<T>(context: &MemoryContext, batches: &[Batch], work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_panic(work).map_err(|error| match error.downcast_ref() {
        Some(OutOfMemory { message: said }) => {
            let sizes = batches.iter().map(|batch| (batch.rows, batch.length));
            let (rows, length) = sizes.max_by_key(|(rows, length)| rows * length).unwrap_or((0, 0));
            anyhow!("{}", context.advice(said, rows, length))
        }
        None => error,
    })
}

impl MemoryContext {
    fn advice(&self, cause: &str, rows: usize, length: usize) -> String {
        let now = StepShape { rows: rows as u64, length: length as u64, ..self.step };
        let network = NetworkShape { config: &self.config, labels: self.labels, adapters: self.adapters.as_ref() };
        let estimate = |rules: &Rules, step: StepShape| bytes(ModelEstimate::of(network, rules, step).bytes() as f64);
        let mut text = format!(
            "memory ran out ({cause}). A micro-batch of {rows} x {length} tokens takes an estimated {}.",
            estimate(&self.rules, now)
        );
        if !now.checkpointing {
            text += &format!(
                " To continue this run with {}, run `finesift resume {} --set train.gradient_checkpointing=true`.",
                estimate(&self.rules, StepShape { checkpointing: true, ..now }),
                self.run
            );
        }
        if rows > 1 {
            let half = StepShape { rows: now.rows.div_ceil(2), ..now };
            text += &format!(
                " A new run with train.batch = {} and twice the train.accumulate trains the same with {}.",
                half.rows,
                estimate(&self.rules, half)
            );
        }
        if !self.rules.modules.is_empty() {
            let sparse = Rules { rate: self.rules.rate / 2.0, ..self.rules.clone() };
            text += &format!(" A new run with half the sift.rate takes {}.", estimate(&sparse, now));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchLabels;

    fn context() -> MemoryContext {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"model_type": "roberta"}"#).unwrap();
        MemoryContext {
            config: ModelConfig::read(folder.path()).unwrap(),
            adapters: None,
            rules: Rules {
                rate: 0.1,
                structure: crate::sift::select::Structure::Entries,
                modules: vec!["query".into()],
                dense: Vec::new(),
                biases: true,
            },
            labels: 2,
            step: StepShape::single(tch::Kind::Float, true, 1, 1),
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
            labels: BatchLabels::Classes(Vec::new()),
            tokens: 0,
        }
    }

    #[test]
    fn the_error_suggests_changes_with_estimates() {
        let panics = || -> Result<()> {
            let said = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free\\nException raised from x";
            panic!("called `Result::unwrap()` on an `Err` value: Torch(\"{said}\")")
        };
        let error = explain(&context(), &[batch(2, 16), batch(32, 128), batch(1, 4)], panics).unwrap_err().to_string();
        let start = "memory ran out (CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free). A micro-batch of \
                     32 x 128 tokens takes an estimated ";
        assert!(error.starts_with(start), "{error}");
        for word in ["GiB", "resume runs/mine --set train.gradient_checkpointing=true", "train.batch = 16", "sift.rate"]
        {
            assert!(error.contains(word), "{word}: {error}");
        }
        let one = MemoryContext { step: StepShape { checkpointing: true, ..context().step }, ..context() };
        let error = explain(&one, &[batch(1, 128)], || -> Result<()> { panic!("std::bad_alloc") }).unwrap_err();
        assert!(!error.to_string().contains("train.batch") && !error.to_string().contains("--set"), "{error}");
    }

    #[test]
    fn other_errors_pass_unchanged() {
        let error = explain(&context(), &[], || -> Result<()> { Err(anyhow!("the loss is NaN")) }).unwrap_err();
        assert_eq!(error.to_string(), "the loss is NaN");
        let error = explain(&context(), &[], || -> Result<()> { panic!("boom") }).unwrap_err();
        assert_eq!(error.to_string(), "finesift panicked: boom; please report this");
        assert_eq!(explain(&context(), &[], || Ok(3)).unwrap(), 3);
    }

    #[test]
    fn an_allocation_failure_of_libtorch_is_recognised() {
        let too_much = || -> Result<f64> {
            let large = tch::Tensor::empty([1 << 50], (tch::Kind::Float, tch::Device::Cpu));
            Ok(large.double_value(&[0]))
        };
        let error = explain(&context(), &[batch(8, 8)], too_much).unwrap_err().to_string();
        assert!(error.starts_with("memory ran out ("), "{error}");
        assert!(error.contains("allocate") && error.lines().count() == 1, "{error}");
    }
}
