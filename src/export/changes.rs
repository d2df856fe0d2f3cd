//! A checkpoint as what it changes in its base model.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::Usage;
use crate::model::{Fingerprint, ModelFiles};
use crate::protocol::Eval;
use crate::runs::checkpoint::{BaseIdentity, SlotEntry, Stored};
use crate::train::checkpoint;

/// What a run changes.
pub struct Changes {
    /// What is to be known of them.
    pub facts: Facts,
    /// Parameters with new values in some places, in the model's order.
    pub sparse: Vec<Sparse>,
    /// Parameters that are new as a whole: what was trained in full, and what the base model lacks.
    pub full: Vec<Full>,
}

/// What is to be known of changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The run.
    pub run: String,
    /// The preset it was made with.
    pub preset: String,
    /// Optimizer steps taken.
    pub step: u64,
    /// The evaluation at that step, if it was the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<Eval>,
    /// Names of the classes; none where a number is predicted or text is written.
    pub labels: Vec<String>,
    /// The model they belong to.
    pub base: BaseIdentity,
    /// Version of finesift.
    pub version: String,
}

/// A parameter with new values in some places.
pub struct Sparse {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Ascending flat row-major indices, int64 `[k]`.
    pub indices: Tensor,
    /// The values there, not their differences from the base: fp32 `[k]`.
    pub values: Tensor,
}

/// A parameter that is new as a whole.
pub struct Full {
    /// Its name.
    pub name: String,
    /// Its values in its shape: fp32.
    pub values: Tensor,
}

impl Facts {
    /// Outputs of the head.
    pub fn outputs(&self) -> i64 {
        self.labels.len().max(1) as i64
    }

    /// Whether a folder has the model they belong to.
    ///
    /// # Errors
    /// [`Usage`] if it has not.
    pub fn check_base(&self, folder: &Path) -> Result<()> {
        let found = Fingerprint::of(folder)?;
        let what = match (found.weights == self.base.weights, found.config == self.base.config) {
            (true, true) => return Ok(()),
            (true, false) => "its config.json is another",
            _ => "its weights are others",
        };
        bail!(Usage(format!(
            "{}: not the model these changes were made to, {}: {what}",
            folder.display(),
            self.base.model
        )))
    }
}

impl Changes {
    /// Those of a checkpoint to the base model in a folder.
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
        let kept = checkpoint::read(stored, &files.layout.parameters).map_err(|error| anyhow!(Usage(error)))?;
        let (mut sparse, mut full, mut start) = (Vec::new(), Vec::new(), 0);
        for (slot, selected) in manifest.slots.iter().zip(kept.selected) {
            let values = kept.state.master.narrow(0, start, slot.trained);
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
            // Components selected in a parameter that is itself new: it is new as a whole.
            if let Some(place) = sparse.iter().position(|sparse| sparse.name == name) {
                let Sparse { indices, values: chosen, .. } = sparse.remove(place);
                let _ = values.view(-1).index_copy_(0, &indices, &chosen);
            }
            full.push(Full { name, values });
        }
        Ok(Changes { facts, sparse, full })
    }
}

/// Classes without names, as transformers calls them, of a checkpoint from before names were noted; none where its head has
/// one output.
fn numbered(slots: &[SlotEntry]) -> Vec<String> {
    /// What a manifest claims is checked against the model only later.
    const MOST: i64 = 10_000;
    let head = slots.iter().find(|slot| ["classifier.weight", "classifier.out_proj.weight"].contains(&&*slot.name));
    let outputs = head.and_then(|head| head.shape.first()).filter(|outputs| (2..=MOST).contains(*outputs));
    outputs.map_or_else(Vec::new, |outputs| (0..*outputs).map(|number| format!("LABEL_{number}")).collect())
}
