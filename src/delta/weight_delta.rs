//! The trained values of a checkpoint, swapped into a network's weights and out again. They are few, so the base model
//! needs no second copy.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::{Tensor, no_grad};

use super::adapters::read_state;
use super::saved_state::{ChangedComponents, DamagedCheckpoint};
use crate::Usage;
use crate::model::Network;
use crate::runs::checkpoint::{StoredCheckpoint, best, list};

/// The trained values of a checkpoint, or after [`WeightDelta::exchange`] those they replaced.
pub struct WeightDelta {
    parameters: Vec<ParameterDelta>,
}

/// The weight delta of a run.
pub struct RunDelta {
    pub delta: WeightDelta,
    /// Optimizer steps of its checkpoint.
    pub step: u64,
    /// What is wrong with the damaged checkpoints that were skipped.
    pub damage: Vec<String>,
}

struct ParameterDelta {
    name: String,
    /// Flat indices into the parameter: int64 `[k]`; `None` for a dense parameter.
    indices: Option<Tensor>,
    /// `[k]`, or all components of a dense parameter, in the parameter's type.
    values: Tensor,
}

impl WeightDelta {
    /// The delta of a run's best evaluation, else of its newest intact checkpoint. `weights` is the fingerprint of the
    /// network's weights. A network without the adapters of a LoRA run gets them.
    ///
    /// # Errors
    /// [`Usage`]: a run without an intact checkpoint, or one that was started from other weights.
    pub fn of_run(run: &Path, network: &mut Network, weights: &str) -> Result<RunDelta> {
        let mut damage = Vec::new();
        for path in checkpoints(run)? {
            let read = StoredCheckpoint::open(&path).map_err(|error| DamagedCheckpoint(error.to_string())).and_then(
                |stored| {
                    let same_base = stored.manifest.base.weights == weights;
                    let delta = if same_base { Some(WeightDelta::read(&stored, network)?) } else { None };
                    Ok((stored.manifest, delta))
                },
            );
            match read {
                Ok((manifest, Some(delta))) => return Ok(RunDelta { delta, step: manifest.step, damage }),
                Ok((manifest, None)) => bail!(Usage(format!(
                    "{}: the weights of {} are not those this run was started from",
                    run.display(),
                    manifest.base.model
                ))),
                Err(error) => damage.push(error.to_string()),
            }
        }
        match damage[..] {
            [] => bail!(Usage(format!("{}: the run has no checkpoint", run.display()))),
            _ => bail!(Usage(format!("{}: every checkpoint is damaged: {}", run.display(), damage.join("; ")))),
        }
    }

    /// Reads a checkpoint of this network and verifies every checksum. A network without the adapters of a LoRA run gets
    /// them.
    ///
    /// # Errors
    /// The file and what is wrong with it.
    pub fn read(stored: &StoredCheckpoint, network: &mut Network) -> Result<WeightDelta, DamagedCheckpoint> {
        let (saved, adapters) = read_state(stored, &network.config, network.labels())?;
        if let Some(adapters) = adapters {
            network.add_adapters(&adapters, stored.manifest.seed);
        }
        let slots = &stored.manifest.slots;
        let parameters = slots.iter().zip(saved.changed(slots)).map(|(slot, ChangedComponents { indices, values })| {
            let (name, parameter) = (slot.name.clone(), network.parameters.get(&slot.name));
            let (device, kind) = (parameter.device(), parameter.kind());
            let values = values.to_device(device).to_kind(kind);
            ParameterDelta { name, indices: indices.map(|indices| indices.to_device(device)), values }
        });
        Ok(WeightDelta { parameters: parameters.collect() })
    }

    /// Swaps its values with those in the weights: once for the fine-tuned network, once more for the base model, bit for
    /// bit.
    pub fn exchange(&mut self, network: &Network) {
        no_grad(|| {
            for parameter in &mut self.parameters {
                let flat = network.parameters.get(&parameter.name).view(-1);
                let before = match &parameter.indices {
                    Some(indices) => flat.index_select(0, indices),
                    None => flat.copy(),
                };
                match &parameter.indices {
                    Some(indices) => {
                        let _ = flat.shallow_clone().index_copy_(0, indices, &parameter.values);
                    }
                    None => flat.shallow_clone().copy_(&parameter.values),
                }
                parameter.values = before;
            }
        });
    }
}

/// A run's checkpoints: the best one, then the others from the newest on.
fn checkpoints(run: &Path) -> Result<Vec<PathBuf>> {
    let best = best(run);
    let others = list(&run.join("checkpoints"))?.into_iter().map(|listed| listed.path);
    let others: Vec<PathBuf> = others.filter(|path| Some(path) != best.as_ref()).collect();
    Ok(best.into_iter().chain(others).collect())
}
