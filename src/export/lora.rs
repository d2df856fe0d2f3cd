//! The adapters of a LoRA run as PEFT writes them, with the head among `modules_to_save`.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tch::Kind;

use super::ExportControl;
use super::adapter::Adapter;
use crate::Usage;
use crate::delta::Changes;
use crate::model::{LoraConfig, ModelConfig};

/// Writes the adapter into a new folder.
///
/// # Errors
/// [`Usage`]: a run of another method, another base model, the folder exists; [`Cancelled`](super::Cancelled).
pub fn lora(changes: &Changes, base: &Path, out: &Path, control: ExportControl) -> Result<()> {
    let Some(adapters) = &changes.adapters else {
        bail!(Usage(format!(
            "{}: trained with method = \"{}\", which has no LoRA adapter; use --to merged",
            changes.info.run,
            changes.method.name()
        )));
    };
    changes.info.check_base(base)?;
    let mut adapter = Adapter::default();
    for dense in &changes.dense {
        match LoraConfig::is_adapter(&dense.name) {
            true => adapter.add(&dense.name, &dense.values, Kind::Float),
            false => adapter.save(dense),
        }
    }
    let mut config = adapter.config(&changes.info, &ModelConfig::read(base)?);
    // PEFT expects a whole number where it is one.
    let alpha = if adapters.alpha.fract() == 0.0 { json!(adapters.alpha as i64) } else { json!(adapters.alpha) };
    let entries: [(&str, Value); 7] = [
        ("peft_type", json!("LORA")),
        ("r", json!(adapters.r)),
        ("lora_alpha", alpha),
        ("lora_dropout", json!(adapters.dropout)),
        ("target_modules", json!(adapters.modules)),
        ("bias", json!("none")),
        ("init_lora_weights", json!(true)),
    ];
    config.extend(entries.map(|(key, value)| (key.to_owned(), value)));
    adapter.write(&config, out, control)
}
