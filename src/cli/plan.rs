//! `finesift plan`: the memory of a run part by part, and the largest batch that fits a device.

use std::fmt::Write;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use super::args::{DeviceArg, RunsArg};
use super::values;
use crate::Usage;
use crate::device::DeviceChoice;
use crate::estimate::{
    AutoBatch, ChosenBatch, Destination, DeviceMemory, Estimate, MemoryFit, MemoryPart, ModelEstimate, Roots, estimate,
};
use crate::hub::Hub;
use crate::preset::{Preset, cache_folder};
use crate::protocol::TrainingMethod;
use crate::quantity::{bytes, grouped};

#[derive(Args)]
#[command(after_help = "Examples:
  finesift plan demo
  finesift plan alpaca/llama-7b --device-memory 24G
  finesift plan alpaca/llama-7b --gpus 8 --device-memory 24G
  finesift plan glue/mrpc --set train.batch=64 --json")]
pub(super) struct Plan {
    /// Name of a preset, or path of a .toml file
    preset: String,
    /// Override a key of the preset, such as train.batch=8 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Estimate for a GPU (with --device cpu, a machine) of this memory, such as 24G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    device_memory: Option<u64>,
    /// Estimate for each of this many processes, which share every batch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65536))]
    ranks: Option<u64>,
    /// The same with a GPU for each
    #[arg(long, value_name = "N", conflicts_with = "ranks", value_parser = clap::value_parser!(u64).range(1..=65536))]
    gpus: Option<u64>,
    /// Print the estimate as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runs: RunsArg,
    #[command(flatten)]
    device: DeviceArg,
}

impl Plan {
    /// The estimate as a table or as JSON.
    ///
    /// # Errors
    /// [`Usage`] for what `finesift train` would refuse, and for a model that is not downloaded.
    pub(super) fn report(&self) -> Result<String> {
        let preset = Preset::load(&self.preset, &self.set, &cache_folder())?;
        let choice: DeviceChoice = self.device.device.parse()?;
        let destination = match (self.device_memory, self.gpus) {
            (_, Some(_)) if choice == DeviceChoice::Cpu => {
                bail!(Usage("--gpus and --device cpu: remove one of them".to_owned()))
            }
            (Some(memory), _) => Destination::Elsewhere { memory, gpu: choice != DeviceChoice::Cpu },
            (None, Some(gpus)) if !choice.resolve()?.device.is_cuda() => {
                bail!(Usage(format!(
                    "--gpus {gpus}: no GPU is available here; say how much memory each has: --device-memory 24G"
                )))
            }
            (None, _) => Destination::Here(choice),
        };
        let ranks = self.ranks.or(self.gpus).unwrap_or(1);
        let (hub, cache, runs) = (Hub::from_env(), cache_folder(), self.runs.folder()?);
        let estimate = estimate(&preset, destination, ranks, &Roots { hub: &hub, cache: &cache, runs: &runs })?;
        let Some(model) = &estimate.model else { bail!(Usage(estimate.missing.join("; "))) };
        Ok(if self.json { as_json(&estimate, model, ranks) } else { as_table(&preset, &estimate, model, ranks) })
    }
}

fn as_table(preset: &Preset, estimate: &Estimate, model: &ModelEstimate, ranks: u64) -> String {
    let mut text = String::new();
    // The estimate is that of the batch that is chosen.
    let batch = match &estimate.batch {
        Some(AutoBatch::Chosen(chosen)) => {
            let _ = writeln!(text, "{chosen}");
            chosen.batch
        }
        Some(AutoBatch::NothingFits(why)) => {
            let _ = writeln!(text, "{why}");
            1
        }
        Some(AutoBatch::Unknown(missing)) => {
            let _ = writeln!(text, "train.batch = \"auto\": {missing}");
            preset.train.batch as u64
        }
        None => preset.train.batch as u64,
    };
    for missing in &estimate.missing {
        let _ = writeln!(text, "{missing}");
    }
    for note in estimate.data.iter().flat_map(|data| &data.notes) {
        let _ = writeln!(text, "{note}");
    }
    for warning in estimate.data.iter().flat_map(|data| &data.warnings) {
        let _ = writeln!(text, "{warning}");
    }
    let length = estimate.data.as_ref().map_or(preset.data.max_length as u64, |data| data.longest);
    let _ = writeln!(
        text,
        "{} parameters; trainable: {}; micro-batches of {} x {length} tokens, {}\n",
        grouped(model.parameters),
        trainable(preset.method, model),
        batch,
        preset.model.dtype.name(),
    );
    if ranks > 1 {
        let _ = writeln!(text, "each of {ranks} ranks, which share every micro-batch:");
    }
    let mut row = |name: &str, cell: &dyn Fn(&MemoryFit) -> String| {
        let cells = model.fits.iter().map(|fit| format!(" {:>16}", cell(fit)));
        let _ = writeln!(text, "{name:<16}{}", cells.collect::<String>());
    };
    row("", &|fit| choice(fit).to_owned());
    for (number, part) in model.memory.iter().enumerate() {
        row(part.name, &|fit| match fit.memory.get(number) {
            Some(MemoryPart { bytes: size, estimated, .. }) => {
                format!("{}{}", if *estimated { "~" } else { "" }, bytes(*size as f64))
            }
            None => "-".to_owned(),
        });
    }
    row("total", &|fit| format!("~{}", bytes(fit.bytes() as f64)));
    if let Some(device) = &estimate.device {
        row("max batch", &|fit| match fit.largest {
            Some(0) => "none".into(),
            Some(rows) => grouped(rows),
            None => "-".into(),
        });
        let _ = writeln!(text, "\n{}", verdict(preset, device, model));
    }
    if model.offloaded > 0 {
        let host = bytes(model.offloaded as f64);
        let _ = writeln!(text, "train.offload = \"weights\": {host} of weights stay in host memory");
    }
    text
}

/// What the memory of a column is with.
fn choice(fit: &MemoryFit) -> &'static str {
    match (fit.checkpointing, fit.offload, fit.shard) {
        (_, true, _) => "offload",
        (_, _, true) => "shard",
        (true, ..) => "checkpointing",
        (false, ..) => "default",
    }
}

/// What is trained, by its method.
fn trainable(method: TrainingMethod, model: &ModelEstimate) -> String {
    match method {
        TrainingMethod::Sift => format!("{} sparse + {} dense", grouped(model.selected), grouped(model.dense)),
        TrainingMethod::Full => format!("all {} (full fine-tuning)", grouped(model.dense)),
        TrainingMethod::Head => format!("{} dense (head only)", grouped(model.dense)),
        TrainingMethod::Lora => {
            format!("{} LoRA + {} dense", grouped(model.adapters), grouped(model.dense - model.adapters))
        }
    }
}

/// Whether the run fits, and what to change if not.
fn verdict(preset: &Preset, device: &DeviceMemory, model: &ModelEstimate) -> String {
    let memory = format!("{}: {} of {} free", device.name, bytes(device.free as f64), bytes(device.total as f64));
    if model.bytes() <= device.free {
        return format!("{memory}; it fits");
    }
    match model.fits.iter().find(|fit| fit.bytes() <= device.free) {
        Some(MemoryFit { shard: true, .. }) => format!("{memory}; it fits with train.shard=true"),
        Some(MemoryFit { offload: true, .. }) => format!("{memory}; it fits with train.offload=weights"),
        Some(MemoryFit { checkpointing: true, .. }) => {
            format!("{memory}; it fits with train.gradient_checkpointing=true")
        }
        _ => {
            let less = match preset.method {
                TrainingMethod::Sift => "lower train.batch or sift.rate",
                TrainingMethod::Lora => "lower train.batch or lora.r",
                TrainingMethod::Full => "lower train.batch or choose another method",
                TrainingMethod::Head => "lower train.batch",
            };
            format!("{memory}; it does not fit; {less}, or set model.dtype=bf16")
        }
    }
}

fn as_json(estimate: &Estimate, model: &ModelEstimate, ranks: u64) -> String {
    let fit = |fit: &MemoryFit| {
        let parts: Map<String, Value> =
            fit.memory.iter().map(|part| (part.name.replace(' ', "_"), part.bytes.into())).collect();
        let MemoryFit { checkpointing, offload, shard, .. } = *fit;
        json!({
            "checkpointing": checkpointing,
            "offload": offload,
            "shard": shard,
            "bytes": fit.bytes(),
            "parts": parts,
            "largest_batch": fit.largest,
        })
    };
    let device = estimate.device.as_ref();
    let batch = estimate.batch.as_ref().map(|batch| match batch {
        AutoBatch::Chosen(ChosenBatch { batch, accumulate, bytes, larger, .. }) => {
            let larger = larger.map(|(batch, bytes)| json!({"batch": batch, "bytes": bytes}));
            json!({"batch": batch, "accumulate": accumulate, "bytes": bytes, "larger": larger})
        }
        AutoBatch::NothingFits(why) | AutoBatch::Unknown(why) => json!({"batch": null, "reason": why}),
    });
    json!({
        "missing": estimate.missing,
        "ranks": ranks,
        "parameters": model.parameters,
        "selected": model.selected,
        "dense": model.dense,
        "longest": estimate.data.as_ref().map(|data| data.longest),
        "device": device.map(|device| json!({"name": device.name, "total": device.total, "free": device.free})),
        "auto_batch": batch,
        "offloaded": model.offloaded,
        "plans": model.fits.iter().map(fit).collect::<Vec<_>>(),
    })
    .to_string()
        + "\n"
}
