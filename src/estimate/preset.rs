//! The estimate of a preset: files are read, but nothing is downloaded and no weight is loaded.

use std::path::Path;

use anyhow::Result;
use tch::Device;

use super::device::device_memory;
use super::memory::{self, StepShape};
use super::preview::first_batch;
use super::report::{AutoBatch, DataPreview, DeviceMemory, Estimate, MemoryFit, ModelEstimate, ParameterCount};
use super::run_shape::{DataShape, RunShape};
use crate::device::{self, DeviceChoice};
use crate::hub::Hub;
use crate::inputs::{self, Access, Downloads, Missing, OpenedData, OpenedModel, OpenedPreset};
use crate::model::{Layout, ParameterSpec};
use crate::preset::{DataSource, Preset};
use crate::runs::throughput;

/// Folders and caches an estimate reads.
pub struct Roots<'a> {
    /// Models and datasets.
    pub hub: &'a Hub,
    /// finesift's own cache.
    pub cache: &'a Path,
    /// All runs.
    pub runs: &'a Path,
}

/// The device to estimate for.
#[derive(Clone, Copy, Debug)]
pub enum Destination {
    /// A device of this machine.
    Here(DeviceChoice),
    /// A device of another machine.
    Elsewhere {
        /// Bytes it has.
        memory: u64,
        gpu: bool,
    },
}

/// Estimates components, steps, time and memory of a run of so many ranks; memory is that of each of them.
///
/// # Errors
/// Those of [`inputs::open`], which a run has too before it loads the weights; a device that does not exist.
pub fn estimate(preset: &Preset, destination: Destination, ranks: u64, roots: &Roots) -> Result<Estimate> {
    let (device, here, gpu) = match destination {
        Destination::Here(choice) => {
            let device = choice.resolve()?.device;
            // Ranks on a CPU are on this machine.
            let memory = device_memory(device).map(|memory| match device {
                Device::Cpu => memory.shared_by(ranks),
                _ => memory,
            });
            (memory, Some(device), device != Device::Cpu)
        }
        Destination::Elsewhere { memory, gpu } => {
            let name = if gpu { "GPU" } else { "CPU" }.into();
            (Some(DeviceMemory { name, total: memory, free: memory, own: 0 }), None, gpu)
        }
    };
    let access = Access { hub: roots.hub, cache: roots.cache, downloads: Downloads::Never };
    let OpenedPreset { model, data, missing } = inputs::open(preset, &access, &|_| {})?;
    let shape = model.as_ref().map(|model| RunShape::of(preset, &model.config, data_shape(preset, data.as_ref()), gpu));
    let shape = shape.transpose()?.map(|shape| shape.with_step(StepShape { ranks, ..shape.step }));
    let batch = preset.train.auto_batch.then(|| auto_batch(shape.as_ref(), device.as_ref()));
    // The rest is about the run with that batch.
    let chosen = match &batch {
        Some(AutoBatch::Chosen(chosen)) => Some(chosen.batch),
        Some(AutoBatch::NothingFits(_)) => Some(1),
        Some(AutoBatch::Unknown(_)) | None => None,
    };
    let with_batch = chosen.map(|batch| preset.with_batch(batch, roots.cache)).transpose()?;
    let preset = with_batch.as_ref().unwrap_or(preset);
    let shape = shape.map(|shape| chosen.map_or_else(|| shape.clone(), |batch| shape.with_batch(batch)));
    let free = device.as_ref().map(|device| device.free);
    Ok(Estimate {
        model: shape.map(|shape| model_estimate(&shape, free)),
        data: data.map(|data| data_preview(preset, model.as_ref(), data)).transpose()?,
        missing: missing.iter().map(Missing::to_string).collect(),
        device,
        throughput: here.and_then(|here| throughput(roots.runs, preset, &device::name(here), roots.cache)),
        batch,
    })
}

/// The batch for a preset that leaves it open.
fn auto_batch(shape: Option<&RunShape>, device: Option<&DeviceMemory>) -> AutoBatch {
    match (shape, device) {
        (None, _) => AutoBatch::Unknown("known once the model is downloaded".into()),
        (_, None) => AutoBatch::Unknown("the free memory of the device is not known; set train.batch".into()),
        (Some(shape), Some(device)) => shape.auto_batch(device),
    }
}

/// What is known of the data.
fn data_shape(preset: &Preset, data: Option<&OpenedData>) -> DataShape {
    let labels = match (data, &preset.data.source) {
        (Some(data), _) => data.labels,
        (None, DataSource::Hub(task)) => task.labels().count() as i64,
        // Only the data determine the number of classes; two until they are downloaded.
        _ => 2,
    };
    DataShape { labels, longest: longest(preset, data), steps: data.map(|data| data.steps) }
}

fn model_estimate(shape: &RunShape, free: Option<u64>) -> ModelEstimate {
    let fit = |(checkpointing, offload, shard)| {
        let shape = shape.with_step(StepShape { checkpointing, offload, shard, ..shape.step });
        MemoryFit {
            checkpointing,
            offload,
            shard,
            memory: shape.estimate().memory,
            largest: free.map(|free| memory::largest_batch(shape.network(), &shape.rules, shape.step, free)),
        }
    };
    let mut choices = vec![(false, false, false), (true, false, false)];
    if shape.step.gpu {
        choices.push((true, true, false));
    }
    if shape.step.ranks > 1 {
        choices.push((true, false, true));
    }
    let fits = choices.into_iter().map(fit).collect();
    let count = |spec: &ParameterSpec| ParameterCount {
        name: spec.name.clone(),
        components: spec.components() as u64,
        linear: spec.is_linear(),
    };
    let layout = Layout::of(&shape.config, shape.labels).parameters.iter().map(count).collect();
    ModelEstimate { fits, layout, ..shape.estimate() }
}

fn data_preview(preset: &Preset, model: Option<&OpenedModel>, data: OpenedData) -> Result<DataPreview> {
    Ok(DataPreview {
        examples: data.examples,
        eval_examples: data.eval_examples,
        longest: longest(preset, Some(&data)),
        steps: data.steps,
        evaluations: match preset.train.eval_every {
            // After each epoch.
            0 => data
                .steps
                .div_ceil(data.examples.div_ceil((preset.train.batch * preset.train.accumulate) as u64).max(1)),
            every => data.steps.div_ceil(every),
        },
        preview: model.map_or(Ok(Vec::new()), |model| first_batch(preset, model, &data))?,
        warnings: data.warnings,
        notes: data.notes,
    })
}

/// Tokens of the longest training example; the preset's limit while nothing is tokenized.
fn longest(preset: &Preset, data: Option<&OpenedData>) -> u64 {
    let tokenized = data.and_then(|data| data.tokenized.as_ref());
    let longest = tokenized.and_then(|tokenized| tokenized.train.lengths().into_iter().max());
    longest.unwrap_or(preset.data.max_length) as u64
}
