//! What a checkpoint changes of a model's weights: put in and taken out again, since it is so little.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tch::{Kind, Tensor, no_grad};

use super::checkpoint::Manifest;
use crate::Usage;
use crate::model::Network;

/// The trained values of a checkpoint, or after [`Increment::exchange`] those they replaced.
pub struct Increment {
    parts: Vec<Part>,
}

struct Part {
    name: String,
    /// Flat indices into the parameter, int64; `None` for all of it.
    indices: Option<Tensor>,
    /// One for each, in the parameter's type.
    values: Tensor,
}

impl Increment {
    /// Reads a checkpoint of this network.
    ///
    /// # Errors
    /// [`Usage`]: a folder that is no checkpoint, is damaged, or is of another network.
    pub fn read(folder: &Path, network: &Network) -> Result<Increment> {
        let (file, state) = (folder.join("checkpoint.json"), folder.join("state.safetensors"));
        let text = fs::read(&file).map_err(|error| Usage(format!("{}: cannot read: {error}", file.display())))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
        let damaged = |what: &str| Usage(format!("{}: {what}; it is damaged or of another model", state.display()));
        let tensors = Tensor::read_safetensors(&state).with_context(|| format!("{}: cannot read", state.display()))?;
        let find = |name: &str| tensors.iter().find(|(found, _)| found == name).map(|(_, tensor)| tensor);
        let (Some(indices), Some(master)) = (find("indices"), find("master")) else {
            bail!(damaged("no indices or no master"));
        };
        let slots = || manifest.slots.iter();
        let sparse: i64 = slots().filter(|slot| !slot.dense).map(|slot| slot.trained.max(0)).sum();
        let all: i64 = slots().map(|slot| slot.trained.max(0)).sum();
        if slots().any(|slot| slot.trained < 0) || (sparse, all) != (indices.numel() as i64, master.numel() as i64) {
            bail!(damaged("the numbers of its values do not add up"));
        }
        let (mut parts, mut start) = (Vec::new(), 0);
        for slot in slots() {
            let Some(parameter) = network.parameters.find(&slot.name).filter(|p| p.size() == slot.shape) else {
                bail!(damaged(&format!("the model has no {} of shape {:?}", slot.name, slot.shape)));
            };
            let device = parameter.device();
            let part = |tensor: &Tensor| tensor.narrow(0, start, slot.trained);
            let indices = if slot.dense { None } else { Some(part(indices).to_kind(Kind::Int64)) };
            let least_and_most =
                indices.as_ref().filter(|indices| indices.numel() > 0).map(|indices| indices.aminmax(0, false));
            if let Some((least, most)) = least_and_most
                && (least.int64_value(&[]) < 0 || most.int64_value(&[]) >= parameter.numel() as i64)
            {
                bail!(damaged(&format!("an index is outside of {}", slot.name)));
            }
            if slot.dense && slot.trained != parameter.numel() as i64 {
                bail!(damaged(&format!("{} is not there whole", slot.name)));
            }
            parts.push(Part {
                name: slot.name.clone(),
                indices: indices.map(|indices| indices.to_device(device)),
                values: part(master).to_kind(parameter.kind()).to_device(device),
            });
            start += slot.trained;
        }
        Ok(Increment { parts })
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
