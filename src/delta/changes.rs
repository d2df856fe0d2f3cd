//! The changes of a checkpoint to its base model.

use std::path::Path;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::saved_state::SavedState;
use crate::Usage;
use crate::model::{Fingerprint, ModelFiles};
use crate::protocol::Eval;
use crate::runs::checkpoint::{BaseIdentity, SlotEntry, Stored};

/// The parameters that a checkpoint changes.
pub struct Changes {
    pub facts: Facts,
    /// Parameters that change in some components, in the model's order.
    pub sparse: Vec<Sparse>,
    /// Parameters that change in all components: dense ones, and those that the base checkpoint lacks.
    pub full: Vec<Full>,
}

/// The origin of changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub run: String,
    /// The run's preset, as TOML.
    pub preset: String,
    /// Optimizer steps taken.
    pub step: u64,
    /// The evaluation at that step, if it was the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<Eval>,
    /// Names of the classes; empty for a regression or a language model.
    pub labels: Vec<String>,
    /// The base model.
    pub base: BaseIdentity,
    /// Version of finesift.
    pub version: String,
}

/// A parameter that changes in some components.
pub struct Sparse {
    pub name: String,
    pub shape: Vec<i64>,
    /// Ascending flat row-major indices, int64 `[k]`.
    pub indices: Tensor,
    /// The new values, not differences from the base: fp32 `[k]`.
    pub values: Tensor,
}

/// A parameter that changes in all components.
pub struct Full {
    pub name: String,
    /// The new values in the parameter's shape: fp32.
    pub values: Tensor,
}

impl Facts {
    /// Outputs of the head.
    pub fn outputs(&self) -> i64 {
        self.labels.len().max(1) as i64
    }

    /// Checks that a folder has the base model.
    ///
    /// # Errors
    /// [`Usage`] if it has another model.
    pub fn check_base(&self, folder: &Path) -> Result<()> {
        let found = Fingerprint::of(folder)?;
        let what = match (found.weights == self.base.weights, found.config == self.base.config) {
            (true, true) => return Ok(()),
            (true, false) => "its config.json differs",
            _ => "its weights differ",
        };
        bail!(Usage(format!("{}: not {}, the base model of this delta: {what}", folder.display(), self.base.model)))
    }
}

impl Changes {
    /// The changes of a checkpoint to the base model in a folder.
    ///
    /// # Errors
    /// [`Usage`]: another base model, a damaged checkpoint.
    pub fn of(stored: &Stored, base: &Path) -> Result<Changes> {
        let manifest = &stored.manifest;
        let facts = Facts {
            run: manifest.run.clone(),
            preset: manifest.preset.clone(),
            step: manifest.step,
            eval: manifest.best.clone().filter(|best| best.step == manifest.step),
            labels: if manifest.labels.is_empty() { numbered(&manifest.slots) } else { manifest.labels.clone() },
            base: manifest.base.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        facts.check_base(base)?;
        let files = ModelFiles::open(base, facts.outputs())?;
        let saved = SavedState::read(stored, &files.layout.parameters).map_err(|error| Usage(error.to_string()))?;
        let (mut sparse, mut full, mut start) = (Vec::new(), Vec::new(), 0);
        for (slot, selected) in manifest.slots.iter().zip(saved.selected) {
            let values = saved.state.master.narrow(0, start, slot.trained);
            start += slot.trained;
            let (name, shape) = (slot.name.clone(), slot.shape.clone());
            match selected {
                Some(indices) => sparse.push(Sparse { name, shape, indices, values }),
                None => full.push(Full { name, values: values.reshape(&slot.shape) }),
            }
        }
        for (number, values) in files.newly_initialized(manifest.seed) {
            let name = files.layout.parameters[number].name.clone();
            if full.iter().any(|full| full.name == name) {
                continue;
            }
            // A newly initialised parameter changes in all components, also where only some are trained.
            if let Some(place) = sparse.iter().position(|sparse| sparse.name == name) {
                let Sparse { indices, values: chosen, .. } = sparse.remove(place);
                let _ = values.view(-1).index_copy_(0, &indices, &chosen);
            }
            full.push(Full { name, values });
        }
        Ok(Changes { facts, sparse, full })
    }
}

/// Labels as transformers names them by default, for an old checkpoint without label names; empty if the head has one
/// output.
fn numbered(slots: &[SlotEntry]) -> Vec<String> {
    /// The manifest is checked against the model later.
    const MOST: i64 = 10_000;
    let head = slots.iter().find(|slot| ["classifier.weight", "classifier.out_proj.weight"].contains(&&*slot.name));
    let outputs = head.and_then(|head| head.shape.first()).filter(|outputs| (2..=MOST).contains(*outputs));
    outputs.map_or_else(Vec::new, |outputs| (0..*outputs).map(|number| format!("LABEL_{number}")).collect())
}
