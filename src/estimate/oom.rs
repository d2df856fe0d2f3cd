//! The error for memory that ran out in a step, in three lines: what the step needed, what there was, and what would fit.

use std::fmt;

use anyhow::Result;
use tch::Device;

use super::advice::Settings;
use super::device::device_memory;
use super::fit::usable;
use super::report::DeviceMemory;
use super::run_shape::RunShape;
use crate::data::Batch;
use crate::panics::{OutOfMemory, catch_panic};
use crate::quantity::bytes;

/// What the error for memory that ran out says.
#[derive(Clone, Debug)]
pub struct MemoryContext {
    pub shape: RunShape,
    pub device: Device,
    pub settings: Settings,
}

/// Memory ran out in a step, or before the first one.
#[derive(Debug)]
pub struct MemoryRanOut(String);

impl fmt::Display for MemoryRanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MemoryRanOut {}

/// Runs the work of a step. If memory runs out, the error says what would fit, with estimates: [`MemoryRanOut`]. Other errors pass
/// unchanged.
///
/// # Errors
/// The work's own.
pub fn explain<T>(context: &MemoryContext, batches: &[Batch], work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_panic(work).map_err(|error| match error.downcast_ref() {
        Some(cause) => {
            let sizes = batches.iter().map(|batch| (batch.rows as u64, batch.length as u64));
            let largest = sizes.max_by_key(|(rows, length)| rows * length).unwrap_or((0, 0));
            context.ran_out(cause, "in", largest)
        }
        None => error,
    })
}

/// The same for loading the model, whose steps need more than it.
///
/// # Errors
/// The work's own.
pub fn explain_loading<T>(context: &MemoryContext, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_panic(work).map_err(|error| match error.downcast_ref() {
        Some(cause) => {
            let step = context.shape.step;
            context.ran_out(cause, "while the model was loaded for", (step.rows, step.length))
        }
        None => error,
    })
}

impl MemoryContext {
    fn ran_out(&self, cause: &OutOfMemory, when: &str, largest: (u64, u64)) -> anyhow::Error {
        MemoryRanOut(self.text(cause, when, largest, device_memory(self.device).as_ref())).into()
    }

    /// `when`, of a step: in it, or while something was done for it. `largest`: rows and length of its largest micro-batch.
    fn text(&self, cause: &OutOfMemory, when: &str, largest: (u64, u64), memory: Option<&DeviceMemory>) -> String {
        let (rows, length) = largest;
        let needed = self.shape.with_step(self.shape.step.with_micro_batch(rows, length)).bytes();
        let step =
            format!("memory ran out {when} a step of {rows} x {length} tokens: it needs an estimated {}", size(needed));
        let tried = match cause.attempted() {
            Some(attempted) => format!("tried to allocate {}", size(attempted)),
            None => format!("said: {}", cause.message),
        };
        let there_was = memory.map_or_else(|| "the memory of the device is not known".to_owned(), DeviceMemory::parts);
        // The estimate was too low if it says that the run fits: what takes a tenth less may.
        let tenth_less = usable(self.shape.bytes());
        let limit = memory.map_or(tenth_less, |memory| usable(memory.available()).min(tenth_less));
        format!("{step}.\n{there_was}; libtorch {tried}.\n{}.", self.settings.advice(&self.shape, limit))
    }
}

fn size(value: u64) -> String {
    bytes(value as f64)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::data::BatchLabels;
    use crate::estimate::memory::StepShape;
    use crate::estimate::run_shape::SmallerBatch;
    use crate::estimate::run_shape::tests::shape;
    use crate::sift::Rules;

    const GIB: u64 = 1 << 30;

    fn run(splits: bool) -> Settings {
        Settings::Run { folder: "runs/mine".into(), splits }
    }

    fn context(settings: Settings) -> MemoryContext {
        MemoryContext { shape: shape(32, 1), device: Device::Cpu, settings }
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

    fn cause(message: &str) -> OutOfMemory {
        OutOfMemory { message: message.into() }
    }

    fn memory(total: u64, own: u64, free: u64) -> DeviceMemory {
        DeviceMemory { name: "NVIDIA H100 80GB HBM3".into(), total: total * GIB, own: own * GIB, free: free * GIB }
    }

    #[test]
    fn the_error_has_three_lines() {
        let gpu = cause("CUDA out of memory. Tried to allocate 2.00 GiB");
        let there_was = memory(8, 2, 1);
        let of = |context: &MemoryContext, memory: &DeviceMemory| context.text(&gpu, "in", (32, 128), Some(memory));
        let checkpointing = |shape: RunShape| shape.with_step(StepShape { checkpointing: true, ..shape.step });
        let options = MemoryContext {
            shape: RunShape { smaller_batch: SmallerBatch::FewerExamples, ..shape(32, 1) },
            ..context(Settings::Bench)
        };
        let file = MemoryContext {
            shape: RunShape { smaller_batch: SmallerBatch::None, ..shape(32, 1) },
            ..context(Settings::Bench)
        };
        let at_its_least = MemoryContext { shape: checkpointing(shape(1, 1)), ..context(run(false)) };
        let every_linear_layer = ["query", "key", "value", "dense"].map(str::to_owned).to_vec();
        let rules = Rules { rate: 0.4, modules: every_linear_layer, ..shape(32, 1).rules };
        let sparse = MemoryContext { shape: RunShape { rules, ..shape(32, 1) }, ..context(run(false)) };
        let cpu = DeviceMemory { name: "CPU".into(), ..memory(12, 3, 7) };
        let texts = [
            ("a run", of(&context(run(false)), &there_was)),
            ("a run with train.global_batch", of(&context(run(true)), &there_was)),
            ("a run with many components", of(&sparse, &memory(8, 3, 1))),
            ("nothing fits", of(&context(run(false)), &memory(2, 0, 1))),
            ("nothing smaller", of(&at_its_least, &memory(2, 0, 1))),
            ("on a CPU, where the estimate says that it fits", of(&context(run(false)), &cpu)),
            ("a benchmark", of(&options, &there_was)),
            ("a benchmark with batches of a file", of(&file, &there_was)),
            ("without numbers", context(run(false)).text(&cause("std::bad_alloc"), "in", (7, 90), None)),
        ];
        assert!(texts.iter().all(|(_, text)| text.lines().count() == 3), "{texts:#?}");
        let texts = texts.map(|(title, text)| format!("# {title}\n{text}\n"));
        insta::with_settings!({snapshot_path => "../../tests/it/snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("out_of_memory", texts.join("\n"));
        });
    }

    #[test]
    fn the_step_that_failed_is_the_one_with_the_most_tokens() {
        let panics = || -> Result<()> {
            let said = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB free\\nException raised from x";
            panic!("called `Result::unwrap()` on an `Err` value: Torch(\"{said}\")")
        };
        let error = explain(&context(run(false)), &[batch(2, 16), batch(32, 128), batch(1, 4)], panics).unwrap_err();
        assert!(error.is::<MemoryRanOut>());
        let error = error.to_string();
        assert!(error.starts_with("memory ran out in a step of 32 x 128 tokens: it needs an estimated "), "{error}");
        // What the machine has free stands before it.
        assert!(error.contains("; libtorch tried to allocate 2.0 GiB.\nBy the estimate "), "{error}");
        assert!(!error.contains("GPU 0 has"), "{error}");
    }

    #[test]
    fn other_errors_pass_unchanged() {
        let context = context(run(false));
        let error = explain(&context, &[], || -> Result<()> { Err(anyhow!("the loss is NaN")) }).unwrap_err();
        assert_eq!(error.to_string(), "the loss is NaN");
        let error = explain(&context, &[], || -> Result<()> { panic!("boom") }).unwrap_err();
        assert_eq!(error.to_string(), "finesift panicked: boom; please report this");
        assert_eq!(explain(&context, &[], || Ok(3)).unwrap(), 3);
    }

    #[test]
    fn an_allocation_failure_of_libtorch_is_recognised() {
        let too_much = || -> Result<f64> {
            let large = tch::Tensor::empty([1 << 50], (tch::Kind::Float, Device::Cpu));
            Ok(large.double_value(&[0]))
        };
        let error = explain(&context(run(false)), &[batch(8, 8)], too_much).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].starts_with("memory ran out in a step of 8 x 8 tokens"), "{error}");
        assert!(lines[1].ends_with("free; libtorch tried to allocate 4096 TiB.") && lines.len() == 3, "{error}");
        let error = explain_loading(&context(run(false)), too_much).unwrap_err().to_string();
        let expected =
            "memory ran out while the model was loaded for a step of 32 x 128 tokens: it needs an estimated ";
        assert!(error.starts_with(expected) && error.lines().count() == 3, "{error}");
    }
}
