//! A checkpoint as the changes that it makes to its base model.

use std::path::Path;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::adapters::read_state;
use super::saved_state::ChangedComponents;
use crate::Usage;
use crate::model::{Fingerprint, Head, LoraConfig, ModelFiles};
use crate::protocol::{Eval, HeadRows, TrainingMethod};
use crate::runs::checkpoint::{BaseIdentity, SlotEntry, StoredCheckpoint};

/// What a run changes in its base model.
pub struct Changes {
    pub info: DeltaInfo,
    /// How the run trained its model.
    pub method: TrainingMethod,
    /// The adapters of a LoRA run. Their parameters are among the dense ones.
    pub adapters: Option<LoraConfig>,
    /// Parameters with some components changed, in the model's order.
    pub sparse: Vec<SparseChange>,
    /// Parameters replaced as a whole: those trained densely, and those of the head that do not start from
    /// the base model's values.
    pub dense: Vec<DenseChange>,
}

/// Where changes come from and what they apply to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeltaInfo {
    /// Name of the run.
    pub run: String,
    /// The preset as TOML.
    pub preset: String,
    /// Optimizer steps taken.
    pub step: u64,
    /// The evaluation at that step, if it was the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval: Option<Eval>,
    /// Names of the classes; empty for regression and language models.
    pub labels: Vec<String>,
    /// The number that the data have instead of each name, if they have numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label_numbers: Vec<String>,
    /// Where the rows of the classification head come from.
    #[serde(default, skip_serializing_if = "HeadRows::is_as_stored")]
    pub head: HeadRows,
    pub base: BaseIdentity,
    /// Version of finesift.
    pub version: String,
}

/// A parameter with some components changed.
pub struct SparseChange {
    /// Name of the parameter.
    pub name: String,
    pub shape: Vec<i64>,
    /// Ascending flat row-major indices, int64 `[k]`.
    pub indices: Tensor,
    /// New values, not differences from the base: fp32 `[k]`.
    pub values: Tensor,
}

/// A parameter replaced as a whole.
pub struct DenseChange {
    /// Name of the parameter.
    pub name: String,
    /// New values in the parameter's shape: fp32.
    pub values: Tensor,
}

impl DeltaInfo {
    /// The classification head to load from the base model.
    pub fn head(&self) -> Head {
        Head { outputs: self.labels.len().max(1) as i64, rows: self.head.clone() }
    }

    /// Checks that a folder has the base model.
    ///
    /// # Errors
    /// [`Usage`] if it has another one.
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
    pub fn of(stored: &StoredCheckpoint, base: &Path) -> Result<Changes> {
        let manifest = &stored.manifest;
        let info = DeltaInfo {
            run: manifest.run.clone(),
            preset: manifest.preset.clone(),
            step: manifest.step,
            eval: manifest.best.clone().filter(|best| best.step == manifest.step),
            labels: if manifest.labels.is_empty() { numbered(&manifest.slots) } else { manifest.labels.clone() },
            label_numbers: manifest.label_numbers.clone(),
            head: manifest.head.clone(),
            base: manifest.base.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        info.check_base(base)?;
        let files = ModelFiles::open(base, info.head())?;
        let (saved, adapters) =
            read_state(stored, &files.config, info.head().outputs).map_err(|error| Usage(error.to_string()))?;
        let (mut sparse, mut dense) = (Vec::new(), Vec::new());
        for (slot, ChangedComponents { indices, values }) in manifest.slots.iter().zip(saved.changed(&manifest.slots)) {
            let (name, shape) = (slot.name.clone(), slot.shape.clone());
            match indices {
                Some(indices) => sparse.push(SparseChange { name, shape, indices, values }),
                None => dense.push(DenseChange { name, values: values.reshape(&slot.shape) }),
            }
        }
        for (number, values) in files.initial_changes(manifest.seed) {
            let name = files.layout.parameters[number].name.clone();
            if dense.iter().any(|dense: &DenseChange| dense.name == name) {
                continue;
            }
            // A parameter that starts from other values is replaced as a whole, its selected components included.
            if let Some(place) = sparse.iter().position(|sparse| sparse.name == name) {
                let SparseChange { indices, values: chosen, .. } = sparse.remove(place);
                let _ = values.view(-1).index_copy_(0, &indices, &chosen);
            }
            dense.push(DenseChange { name, values });
        }
        Ok(Changes { info, method: manifest.method, adapters, sparse, dense })
    }
}

/// Class names as transformers numbers them, for checkpoints written before manifests had names; empty for one output.
fn numbered(slots: &[SlotEntry]) -> Vec<String> {
    /// A manifest is checked against the model only later.
    const MOST: i64 = 10_000;
    let head = slots.iter().find(|slot| ["classifier.weight", "classifier.out_proj.weight"].contains(&&*slot.name));
    let outputs = head.and_then(|head| head.shape.first()).filter(|outputs| (2..=MOST).contains(*outputs));
    outputs.map_or_else(Vec::new, |outputs| (0..*outputs).map(|number| format!("LABEL_{number}")).collect())
}
