//! `finesift plan`: what memory a run of a preset would take, part by part, and what would fit a device.

use std::fmt::Write;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use super::{Screens, config};
use crate::Usage;
use crate::device::DeviceChoice;
use crate::estimate::{Destination, Roots, estimate};
use crate::estimate::{DeviceMemory, Estimate, ModelEstimate};
use crate::hub::Hub;
use crate::preset::{Preset, cache_folder};
use crate::ui::format::{bytes, grouped};

/// What `finesift plan` is given.
#[derive(Args)]
pub(super) struct Plan {
    /// Name of a preset, or path of a .toml file
    preset: String,
    /// Change a key of the preset, such as train.batch=8; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Memory of a device that is not here, such as 24G: a GPU, or with --device cpu a machine
    #[arg(long, value_name = "SIZE", value_parser = size)]
    device_memory: Option<u64>,
    /// Write it as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Plan {
    /// The whole report.
    pub fn report(&self, screens: &Screens) -> Result<String> {
        let preset = Preset::load(&self.preset, &self.set, &cache_folder())?;
        let choice: DeviceChoice = screens.device.parse()?;
        let destination = match self.device_memory {
            Some(memory) => Destination::Elsewhere { memory, gpu: choice != DeviceChoice::Cpu },
            None => Destination::Here(choice),
        };
        let (hub, cache, runs) = (Hub::from_env(), cache_folder(), screens.runs(&config()?));
        let estimate = estimate(&preset, destination, &Roots { hub: &hub, cache: &cache, runs: &runs })?;
        let Some(model) = &estimate.model else { bail!(Usage(estimate.missing.join("; "))) };
        Ok(if self.json { as_json(&estimate, model) } else { as_table(&preset, &estimate, model) })
    }
}

fn as_table(preset: &Preset, estimate: &Estimate, model: &ModelEstimate) -> String {
    let mut text = String::new();
    for missing in &estimate.missing {
        let _ = writeln!(text, "{missing}");
    }
    let length = estimate.data.as_ref().map_or(preset.data.max_length as u64, |data| data.longest);
    let _ = writeln!(
        text,
        "{} parameters; {} selected, {} trained in full; micro-batches of {} x {length} tokens, {}\n",
        grouped(model.parameters),
        grouped(model.selected),
        grouped(model.dense),
        preset.train.batch,
        preset.model.dtype.name(),
    );
    let _ = writeln!(text, "{:<16} {:>16} {:>16}", "", "kept", "checkpointing");
    let [kept, twice] = &model.fits[..] else { return text };
    for (kept, twice) in kept.memory.iter().zip(&twice.memory) {
        let about = if kept.estimated { "about " } else { "" };
        let amount = |bytes_of: u64| format!("{about}{}", bytes(bytes_of as f64));
        let _ = writeln!(text, "{:<16} {:>16} {:>16}", kept.name, amount(kept.bytes), amount(twice.bytes));
    }
    let amount = |bytes_of: u64| format!("about {}", bytes(bytes_of as f64));
    let _ = writeln!(text, "{:<16} {:>16} {:>16}", "all together", amount(kept.bytes()), amount(twice.bytes()));
    if let Some(device) = &estimate.device {
        let rows = |rows: Option<u64>| match rows {
            Some(0) => "none".into(),
            Some(rows) => grouped(rows),
            None => "-".into(),
        };
        let _ = writeln!(text, "{:<16} {:>16} {:>16}", "largest batch", rows(kept.largest), rows(twice.largest));
        let _ = writeln!(text, "\n{}", verdict(preset, device, kept.bytes(), twice.bytes()));
    }
    text
}

/// Whether it fits, and what would.
fn verdict(preset: &Preset, device: &DeviceMemory, kept: u64, twice: u64) -> String {
    let there = format!("{}: {} of {} free", device.name, bytes(device.free as f64), bytes(device.total as f64));
    let checkpointing = preset.train.gradient_checkpointing;
    if if checkpointing { twice } else { kept } <= device.free {
        format!("{there}; it fits")
    } else if twice <= device.free {
        format!("{there}; it fits with train.gradient_checkpointing=true")
    } else {
        format!("{there}; it does not fit: a smaller train.batch, or model.dtype=bf16")
    }
}

fn as_json(estimate: &Estimate, model: &ModelEstimate) -> String {
    let fit = |fit: &crate::estimate::MemoryFit| {
        let parts: Map<String, Value> =
            fit.memory.iter().map(|part| (part.name.replace(' ', "_"), part.bytes.into())).collect();
        json!({"checkpointing": fit.checkpointing, "bytes": fit.bytes(), "parts": parts, "largest_batch": fit.largest})
    };
    let device = estimate.device.as_ref();
    json!({
        "missing": estimate.missing,
        "parameters": model.parameters,
        "selected": model.selected,
        "dense": model.dense,
        "longest": estimate.data.as_ref().map(|data| data.longest),
        "device": device.map(|device| json!({"name": device.name, "total": device.total, "free": device.free})),
        "plans": model.fits.iter().map(fit).collect::<Vec<_>>(),
    })
    .to_string()
        + "\n"
}

/// `24G`, `24GiB`, `500M`; powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected a number with M, G or T, such as 24G, not {text:?}");
    let text = text.trim().trim_end_matches(['b', 'B']).trim_end_matches('i');
    let power = match text.chars().last().map(|unit| unit.to_ascii_uppercase()) {
        Some('M') => 20,
        Some('G') => 30,
        Some('T') => 40,
        _ => return Err(wrong()),
    };
    let number: f64 = text[..text.len() - 1].trim().parse().map_err(|_| wrong())?;
    let bytes = number * (1u64 << power) as f64;
    if (1.0..1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("24G"), Ok(24 << 30));
        assert_eq!(size("1.5GiB"), Ok(3 << 29));
        assert_eq!(size("500 mb"), Ok(500 << 20));
        for wrong in ["", "24", "G", "-1G", "xG", "1e30T", "ü"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
