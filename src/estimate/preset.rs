//! The estimate of a preset: files are read, but nothing is downloaded and no weight is loaded.

use std::path::Path;

use anyhow::Result;
use tch::Device;

use super::memory::{self, StepShape};
use super::preview::first_batch;
use super::report::{DataPreview, DeviceMemory, Estimate, MemoryFit, ModelEstimate, ParameterCount};
use crate::device::{self, Chosen, DeviceChoice};
use crate::hub::Hub;
use crate::inputs::{
    self, Access, Downloads, Missing, OpenedData, OpenedModel, OpenedPreset, target_adapters, target_rules,
};
use crate::model::{Layout, NetworkShape, ParameterSpec};
use crate::preset::{DataSource, Preset};
use crate::runs::throughput;
use crate::system;

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

/// Estimates components, steps, time and memory of a run.
///
/// # Errors
/// Those of [`inputs::open`], which a run has too before it loads the weights; a device that does not exist.
pub fn estimate(preset: &Preset, destination: Destination, roots: &Roots) -> Result<Estimate> {
    let (device, throughput, gpu) = match destination {
        Destination::Here(choice) => {
            let chosen = choice.resolve()?;
            let throughput = throughput(roots.runs, preset, &device::name(chosen.device), roots.cache);
            (device_memory(&chosen), throughput, chosen.device != Device::Cpu)
        }
        Destination::Elsewhere { memory, gpu } => {
            let name = if gpu { "GPU" } else { "CPU" }.into();
            (Some(DeviceMemory { name, total: memory, free: memory }), None, gpu)
        }
    };
    let access = Access { hub: roots.hub, cache: roots.cache, downloads: Downloads::Never };
    let OpenedPreset { model, data, missing } = inputs::open(preset, &access, &|_| {})?;
    let free = device.as_ref().map(|device| device.free);
    Ok(Estimate {
        model: model.as_ref().map(|model| model_estimate(preset, model, data.as_ref(), gpu, free)).transpose()?,
        data: data.map(|data| data_preview(preset, model.as_ref(), data)).transpose()?,
        missing: missing.iter().map(Missing::to_string).collect(),
        device,
        throughput,
    })
}

fn model_estimate(
    preset: &Preset,
    model: &OpenedModel,
    data: Option<&OpenedData>,
    gpu: bool,
    free: Option<u64>,
) -> Result<ModelEstimate> {
    let labels = match (data, &preset.data.source) {
        (Some(data), _) => data.labels,
        (None, DataSource::Hub(task)) => task.labels().count() as i64,
        // Only the data determine the number of classes; two until they are downloaded.
        _ => 2,
    };
    let (config, rules) = (&model.config, target_rules(preset));
    let adapters = target_adapters(preset, config)?;
    let network = NetworkShape { config, labels, adapters: adapters.as_ref() };
    let reselections = |steps: u64| match preset.sift.reselect_every {
        0 => 0,
        every => steps.saturating_sub(1) / every,
    };
    let step = StepShape::of(preset, gpu, longest(preset, data));
    let step = StepShape { reselections: data.map_or(step.reselections, |data| reselections(data.steps)), ..step };
    let fit = |checkpointing| {
        let step = StepShape { checkpointing, ..step };
        MemoryFit {
            checkpointing,
            memory: ModelEstimate::of(network, &rules, step).memory,
            largest: free.map(|free| memory::largest_batch(network, &rules, step, free)),
        }
    };
    let fits = [false, true].map(fit).into();
    let count = |spec: &ParameterSpec| ParameterCount {
        name: spec.name.clone(),
        components: spec.components() as u64,
        linear: spec.is_linear(),
    };
    let layout = Layout::of(config, labels).parameters.iter().map(count).collect();
    Ok(ModelEstimate { fits, layout, ..ModelEstimate::of(network, &rules, step) })
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

fn device_memory(chosen: &Chosen) -> Option<DeviceMemory> {
    match device::gpu(chosen.device) {
        Some(gpu) => system::gpu_now(&gpu).map(|gpu| DeviceMemory {
            name: gpu.name,
            total: gpu.memory_total,
            free: gpu.memory_total.saturating_sub(gpu.memory_used),
        }),
        None => system::machine().ok().map(|machine| DeviceMemory {
            name: "CPU".into(),
            total: machine.memory_total,
            free: machine.memory_available,
        }),
    }
}
