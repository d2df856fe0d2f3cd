//! What a checkpoint changes of a model's weights: put in and taken out again, since it is so little.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::{Tensor, no_grad};

use super::checkpoint::{self, Kept};
use crate::Usage;
use crate::model::Network;
use crate::runs::checkpoint::{StoredCheckpoint, best, list};

/// The trained values of a checkpoint, or after [`WeightDelta::exchange`] those they replaced.
pub struct WeightDelta {
    parts: Vec<Part>,
}

/// The increment of a run.
pub struct Found {
    /// What it has learnt.
    pub increment: WeightDelta,
    /// Optimizer steps taken for it.
    pub step: u64,
    /// What is wrong with the checkpoints that would have come before it.
    pub damage: Vec<String>,
}

struct Part {
    name: String,
    /// Flat indices into the parameter: int64 `[k]`; `None` for all of it.
    indices: Option<Tensor>,
    /// One for each, in the parameter's type.
    values: Tensor,
}

impl WeightDelta {
    /// The increment of a run's best evaluation, or else of its newest good checkpoint. `weights` is the fingerprint of the
    /// network's weights.
    ///
    /// # Errors
    /// [`Usage`]: a run without a good checkpoint, or one that was begun with other weights.
    pub fn of_run(run: &Path, network: &Network, weights: &str) -> Result<Found> {
        let mut damage = Vec::new();
        for path in checkpoints(run)? {
            let read = StoredCheckpoint::open(&path).map_err(|error| error.to_string()).and_then(|stored| {
                let fits = stored.manifest.base.weights == weights;
                let increment = if fits { Some(WeightDelta::read(&stored, network)?) } else { None };
                Ok((stored.manifest, increment))
            });
            match read {
                Ok((manifest, Some(increment))) => return Ok(Found { increment, step: manifest.step, damage }),
                Ok((manifest, None)) => bail!(Usage(format!(
                    "{}: the weights of {} are not those the run was begun with",
                    run.display(),
                    manifest.base.model
                ))),
                Err(error) => damage.push(error),
            }
        }
        match damage[..] {
            [] => bail!(Usage(format!("{}: the run has no checkpoint", run.display()))),
            _ => bail!(Usage(format!("{}: no checkpoint is good: {}", run.display(), damage.join("; ")))),
        }
    }

    /// Reads a checkpoint of this network, every byte checked.
    ///
    /// # Errors
    /// What is wrong with it, naming the file.
    pub fn read(stored: &StoredCheckpoint, network: &Network) -> Result<WeightDelta, String> {
        let Kept { selected, state, .. } = checkpoint::read(stored, network.parameters.specs())?;
        let mut start = 0;
        // The slots are in the order of the masters, and as many as there are.
        let parts = stored.manifest.slots.iter().zip(selected).map(|(slot, selected)| {
            let (name, parameter) = (slot.name.clone(), network.parameters.get(&slot.name));
            let (device, kind) = (parameter.device(), parameter.kind());
            let count = selected.as_ref().unwrap_or(&parameter).numel() as i64;
            let values = state.master.narrow(0, start, count).to_device(device).to_kind(kind);
            start += count;
            Part { name, indices: selected.map(|selected| selected.to_device(device)), values }
        });
        Ok(WeightDelta { parts: parts.collect() })
    }

    /// Puts its values into the weights and takes those that were there instead: once for the tuned network, once more
    /// for the one it was before, to the last bit.
    pub fn exchange(&mut self, network: &Network) {
        no_grad(|| {
            for part in &mut self.parts {
                let flat = network.parameters.get(&part.name).view(-1);
                let before = match &part.indices {
                    Some(indices) => flat.index_select(0, indices),
                    None => flat.copy(),
                };
                match &part.indices {
                    Some(indices) => {
                        let _ = flat.shallow_clone().index_copy_(0, indices, &part.values);
                    }
                    None => flat.shallow_clone().copy_(&part.values),
                }
                part.values = before;
            }
        });
    }
}

/// A run's checkpoints: the best, then the others, the newest first.
fn checkpoints(run: &Path) -> Result<Vec<PathBuf>> {
    let best = best(run);
    let others = list(&run.join("checkpoints"))?.into_iter().map(|listed| listed.path);
    let others: Vec<PathBuf> = others.filter(|path| Some(path) != best.as_ref()).collect();
    Ok(best.into_iter().chain(others).collect())
}
