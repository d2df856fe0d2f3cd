//! Loading a checkpoint: parameters are found by name, checked by shape, cast and placed one at a time.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use rand::SeedableRng;
use rand::distr::Distribution;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::builder::{ParameterKind, ParameterSpec};
use super::checkpoint::{Checkpoint, PIECE};
use super::head::Head;
use super::layout::Layout;
use super::lora;
use super::offload::OffDevice;
use super::parameters::{Parameters, Placement};
use crate::Usage;
use crate::protocol::Progress;

/// How a checkpoint differs from the network.
pub struct LoadReport {
    /// Parameters that the checkpoint lacks, as a new head. Their values are random.
    pub newly_initialized: Vec<String>,
    /// Tensors of the checkpoint that are no parameter of the network, such as the head of another task.
    pub unused: Vec<String>,
}

/// How to load a model.
pub struct LoadOptions {
    /// The head of an encoder; a decoder has none.
    pub head: Head,
    /// Type of the weights in memory.
    pub dtype: Kind,
    /// Device of the weights.
    pub device: Device,
    /// Where the weights of blocks are, if not on the device: see [`offload`](super::offload).
    pub offload: Option<OffDevice>,
    /// Seed of a new head's values.
    pub seed: u64,
}

/// Loads a layout's parameters. Names may lack the base prefix, as in a checkpoint without a head, and norms may have TensorFlow's
/// names.
pub(super) fn load(
    folder: &Path,
    layout: &Layout,
    options: &LoadOptions,
    progress: &dyn Fn(Progress),
) -> Result<(Parameters, LoadReport)> {
    let checkpoint = Checkpoint::open(folder)?;
    let stored_names = locate(&checkpoint, folder, layout, &options.head)?;
    let report = report(&checkpoint, layout, &stored_names);
    // One buffer for all: a buffer each would leave holes between the tensors that the next one does not fit into.
    let buffer = Tensor::empty([PIECE as i64], (Kind::Uint8, Device::Cpu));
    let total = layout.parameters.len() as u64;
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let placement = Placement { device: options.device, offload: options.offload.clone() };
    let parameters = Parameters::from_layout(layout, placement, |number, spec, device| {
        let tensor = match &stored_names[number] {
            Some(stored) => {
                let tensor = checkpoint.read(stored, (options.dtype, device), &buffer);
                options.head.order(spec).map_or(tensor.shallow_clone(), |order| reordered(&tensor, &order))
            }
            None => initialized(spec, layout.initializer_range, &mut random).to_kind(options.dtype).to_device(device),
        };
        let done = number as u64 + 1;
        // Fifty reports in all, however many parameters there are.
        if done * 50 / total > (done - 1) * 50 / total {
            progress(Progress { task: "loading the model".into(), done, total, unit: "tensors".into() });
        }
        tensor
    });
    Ok((parameters, report))
}

fn report(checkpoint: &Checkpoint, layout: &Layout, stored_names: &[Option<String>]) -> LoadReport {
    let used: BTreeSet<&String> = stored_names.iter().flatten().collect();
    let absent = layout.parameters.iter().zip(stored_names).filter(|(_, stored)| stored.is_none());
    let tied: Vec<&str> = layout.parameters.iter().filter_map(|spec| spec.tied).collect();
    let unused = |name: &&String| !used.contains(name) && !is_buffer(name) && !tied.contains(&name.as_str());
    LoadReport {
        newly_initialized: absent.map(|(spec, _)| spec.name.clone()).collect(),
        unused: checkpoint.tensors.keys().filter(unused).cloned().collect(),
    }
}

/// The name of each parameter in the files; `None` for a parameter of the head that they lack, or that is new nevertheless.
pub(super) fn locate(
    checkpoint: &Checkpoint,
    folder: &Path,
    layout: &Layout,
    head: &Head,
) -> Result<Vec<Option<String>>> {
    let specs = &layout.parameters;
    let find = |spec: &ParameterSpec| {
        let stored = |name: &String| checkpoint.tensors.contains_key(name) && !head.is_new(spec);
        spellings(spec).into_iter().find(stored)
    };
    let found: Vec<Option<String>> = specs.iter().map(find).collect();
    let absent = specs.iter().zip(&found).filter(|(spec, found)| found.is_none() && !spec.head);
    let absent: Vec<&str> = absent.map(|(spec, _)| spec.name.as_str()).collect();
    if !absent.is_empty() {
        bail!(Usage(format!(
            "{}: {} of the {} parameters that config.json asks for are missing: {}",
            folder.display(),
            absent.len(),
            specs.len(),
            shortened(&absent)
        )));
    }
    // Shapes first: a wrong one should not be found after minutes of reading.
    for (spec, stored) in specs.iter().zip(&found) {
        if let Some(stored) = stored {
            checkpoint.check(stored, spec)?;
        }
    }
    for (spec, stored) in specs.iter().zip(&found) {
        let tied = spec.tied.filter(|tied| checkpoint.tensors.contains_key(*tied));
        match (stored, tied) {
            (Some(stored), Some(tied)) if !checkpoint.same(stored, tied) => bail!(Usage(format!(
                "{}: tensor {tied} is not the same as {stored}, but config.json says tie_word_embeddings; with false both are \
                 taken",
                folder.display()
            ))),
            _ => {}
        }
    }
    Ok(found)
}

/// The rows of a tensor in another order.
pub(super) fn reordered(tensor: &Tensor, order: &[i64]) -> Tensor {
    tensor.index_select(0, &Tensor::from_slice(order).to_device(tensor.device()))
}

/// The names a parameter may have in a file.
pub(super) fn spellings(spec: &ParameterSpec) -> Vec<String> {
    let mut names = vec![spec.name.clone()];
    if let Some(bare) = spec.name.strip_prefix(spec.base_prefix).filter(|bare| *bare != spec.name) {
        names.push(bare.to_owned());
    }
    let tensorflow = names
        .iter()
        .filter(|name| name.contains("LayerNorm"))
        .map(|name| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"));
    let tensorflow: Vec<String> = tensorflow.collect();
    names.extend(tensorflow);
    names.extend(spec.tied.map(str::to_owned));
    names
}

/// Constants that old versions of transformers saved with the weights.
fn is_buffer(name: &str) -> bool {
    let names = ["embeddings.position_ids", "embeddings.token_type_ids", "rotary_emb.inv_freq"];
    names.iter().any(|buffer| name.ends_with(buffer))
}

/// The values of a new parameter, fp32 on the CPU, as in transformers: normal weights, zero biases, norms of one. The generator
/// is our own, so that a new head is the same on every device.
pub fn initialized(spec: &ParameterSpec, deviation: f64, random: &mut ChaCha8Rng) -> Tensor {
    match spec.kind {
        ParameterKind::LinearBias | ParameterKind::NormBias => Tensor::zeros(&spec.shape, (Kind::Float, Device::Cpu)),
        ParameterKind::NormWeight => Tensor::ones(&spec.shape, (Kind::Float, Device::Cpu)),
        ParameterKind::LinearWeight | ParameterKind::Table => {
            let count = spec.components() as usize;
            let values: Vec<f32> = normal(random).take(count).map(|value| (value * deviation) as f32).collect();
            Tensor::from_slice(&values).reshape(&spec.shape)
        }
        ParameterKind::LoraA | ParameterKind::LoraB => lora::initialized(spec, random),
    }
}

/// Normal numbers by the Box-Muller transform.
fn normal(random: &mut ChaCha8Rng) -> impl Iterator<Item = f64> {
    let uniform = rand::distr::StandardUniform;
    std::iter::from_fn(move || {
        let (u, v): (f64, f64) = (uniform.sample(random), uniform.sample(random));
        let (radius, angle) = ((-2.0 * (1.0 - u).ln()).sqrt(), std::f64::consts::TAU * v);
        Some([radius * angle.cos(), radius * angle.sin()])
    })
    .flatten()
}

/// The first few of many names.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown}, …") } else { shown }
}
