//! The trained state in a checkpoint together with the adapters that it belongs to, where the run was one of LoRA.

use super::saved_state::{DamagedCheckpoint, SavedState};
use crate::model::{Layout, LoraConfig, ModelConfig, NetworkShape};
use crate::protocol::LoraFacts;
use crate::runs::checkpoint::{Manifest, StoredCheckpoint};

/// Bounds of the rank, as in a preset.
const RANKS: std::ops::RangeInclusive<i64> = 1..=1 << 16;

/// Reads the state of a network with this config and number of labels, and verifies every checksum. The adapters are described by
/// the checkpoint; they are checked against the model before anything is made of them.
///
/// # Errors
/// The file and what is wrong with it.
pub(super) fn read_state(
    stored: &StoredCheckpoint,
    config: &ModelConfig,
    labels: i64,
) -> Result<(SavedState, Option<LoraConfig>), DamagedCheckpoint> {
    let adapters = adapters_of(&stored.manifest)
        .map_err(|error| DamagedCheckpoint(format!("{}: {}", stored.path.display(), error.0)))?;
    let (layout, _) = Layout::with_layers(NetworkShape { config, labels, adapters: adapters.as_ref() });
    Ok((SavedState::read(stored, &layout.parameters)?, adapters))
}

/// The adapters of a checkpoint; `None` for other methods.
fn adapters_of(manifest: &Manifest) -> Result<Option<LoraConfig>, DamagedCheckpoint> {
    let Some(facts) = manifest.lora else { return Ok(None) };
    let LoraFacts { r, alpha, dropout } = facts;
    if !RANKS.contains(&r) || !alpha.is_finite() || !(0.0..1.0).contains(&dropout) {
        return Err(DamagedCheckpoint(format!("no adapters have r {r}, alpha {alpha} and dropout {dropout}")));
    }
    let modules = manifest.slots.iter().filter_map(|slot| LoraConfig::module(&slot.name)).map(str::to_owned).collect();
    Ok(Some(LoraConfig { r, alpha, dropout, modules }))
}
