//! A checkpoint: the selection and its state, complete on disk or not there at all. The base model is not part of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::protocol::Eval;
use crate::sift::{Role, Values};

/// Changes when older programs could not read it.
const FORMAT: u32 = 1;

/// `checkpoint.json`: what the tensors are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u32,
    /// Version of finesift.
    pub version: String,
    /// The run.
    pub run: String,
    /// The model as the preset names it.
    pub model: String,
    /// Optimizer steps taken.
    pub step: u64,
    /// Seconds of work.
    pub elapsed: f64,
    /// The best evaluation so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Eval>,
    /// What is trained, in the order of the flat vectors.
    pub slots: Vec<SlotEntry>,
}

/// A parameter's place in the flat vectors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotEntry {
    /// Its name in the model's checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Whether all of it is trained.
    pub dense: bool,
    /// Components trained.
    pub trained: i64,
}

/// What a manifest says besides the slots.
pub struct Facts<'a> {
    /// The run.
    pub run: &'a str,
    /// The model as the preset names it.
    pub model: &'a str,
    /// Optimizer steps taken.
    pub step: u64,
    /// Seconds of work.
    pub elapsed: f64,
    /// The best evaluation so far.
    pub best: Option<&'a Eval>,
}

/// Writes a checkpoint into a new folder, in place of one that is there: first beside it, then, when all is on disk, under
/// its name. Returns its size in bytes.
///
/// # Errors
/// A disk that cannot be written. What was there before is there still.
pub fn write(folder: &Path, values: &Values, facts: &Facts) -> Result<u64> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let (new, old) = (parent.join(format!(".{name}.new")), parent.join(format!(".{name}.old")));
    let failed = || format!("{}: cannot write the checkpoint", folder.display());
    fs::create_dir_all(parent).with_context(failed)?;
    remove(&new).with_context(failed)?;
    fs::create_dir(&new).with_context(failed)?;
    let written = fill(&new, values, facts).with_context(failed);
    let bytes = match written {
        Ok(bytes) => bytes,
        Err(error) => {
            let _ = remove(&new);
            return Err(error);
        }
    };
    if folder.exists() {
        remove(&old).with_context(failed)?;
        fs::rename(folder, &old).with_context(failed)?;
    }
    fs::rename(&new, folder).with_context(failed)?;
    sync(parent).with_context(failed)?;
    remove(&old).with_context(failed)?;
    Ok(bytes)
}

/// Removes all but the newest checkpoints of a folder of them.
pub fn prune(checkpoints: &Path, keep: usize) -> Result<()> {
    let mut folders: Vec<PathBuf> = fs::read_dir(checkpoints)
        .with_context(|| format!("{}: cannot read", checkpoints.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-")))
        .collect();
    // Step numbers have leading zeros, so names are in their order.
    folders.sort();
    let surplus = folders.len().saturating_sub(keep);
    for folder in &folders[..surplus] {
        remove(folder).with_context(|| format!("{}: cannot remove an old checkpoint", folder.display()))?;
    }
    Ok(())
}

fn fill(folder: &Path, values: &Values, facts: &Facts) -> Result<u64> {
    let state = values.state();
    let kept = [
        ("indices", values.indices()),
        ("master", &state.master),
        ("first_moment", &state.first_moment),
        ("second_moment", &state.second_moment),
    ];
    let tensors: Vec<(&str, OnHost)> = kept.into_iter().map(|(name, tensor)| (name, OnHost::of(tensor))).collect();
    let views = tensors.iter().map(|(name, tensor)| Ok((*name, tensor.view()?))).collect::<Result<Vec<_>>>()?;
    let state_file = folder.join("state.safetensors");
    serialize_to_file(views, None, &state_file)?;

    let slots = values.slots().iter().map(|slot| SlotEntry {
        name: slot.name.clone(),
        shape: slot.shape.clone(),
        dense: slot.role == Role::Dense,
        trained: slot.trained(),
    });
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        run: facts.run.into(),
        model: facts.model.into(),
        step: facts.step,
        elapsed: facts.elapsed,
        best: facts.best.cloned(),
        slots: slots.collect(),
    };
    let manifest_file = folder.join("checkpoint.json");
    fs::write(&manifest_file, serde_json::to_vec_pretty(&manifest)?)?;
    let mut bytes = 0;
    for file in [&state_file, &manifest_file] {
        sync(file)?;
        bytes += fs::metadata(file)?.len();
    }
    sync(folder)?;
    Ok(bytes)
}

/// A one-dimensional tensor's bytes.
struct OnHost {
    tensor: Tensor,
    dtype: Dtype,
}

impl OnHost {
    fn of(tensor: &Tensor) -> OnHost {
        let dtype = match tensor.kind() {
            Kind::Int => Dtype::I32,
            Kind::Int64 => Dtype::I64,
            _ => Dtype::F32,
        };
        OnHost { tensor: tensor.to_device(Device::Cpu).contiguous(), dtype }
    }

    fn view(&self) -> Result<TensorView<'_>> {
        let bytes = self.tensor.numel() * self.tensor.kind().elt_size_in_bytes();
        // SAFETY: a contiguous CPU tensor is that many bytes from its data pointer on, and the borrow keeps it alive.
        let data = unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast::<u8>(), bytes) };
        Ok(TensorView::new(self.dtype, vec![self.tensor.numel()], data)?)
    }
}

fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    fn values() -> Values {
        let weights = Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([2, 3]);
        Values::new(&[
            ("a.weight".into(), weights, Some(Tensor::from_slice(&[1i64, 4]))),
            ("b".into(), Tensor::from_slice(&[7f32]), None),
        ])
    }

    fn facts(step: u64) -> Facts<'static> {
        Facts { run: "r", model: "m", step, elapsed: 1.5, best: None }
    }

    #[test]
    fn a_checkpoint_holds_the_selection_and_its_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints/step-00000003");
        let bytes = write(&path, &values(), &facts(3)).unwrap();
        write(&path, &values(), &facts(4)).unwrap();
        let manifest: Manifest = serde_json::from_slice(&fs::read(path.join("checkpoint.json")).unwrap()).unwrap();
        assert_eq!((manifest.step, manifest.slots.len(), manifest.slots[0].trained), (4, 2, 2));
        let state = fs::read(path.join("state.safetensors")).unwrap();
        assert_eq!(bytes, state.len() as u64 + path.join("checkpoint.json").metadata().unwrap().len());
        let state = SafeTensors::deserialize(&state).unwrap();
        assert_eq!(state.tensor("indices").unwrap().data(), [1i32, 4].map(i32::to_le_bytes).concat());
        assert_eq!(state.tensor("master").unwrap().data(), [1f32, 4.0, 7.0].map(f32::to_le_bytes).concat());
        // Nothing is left beside it.
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for step in [9, 10, 100] {
            write(&folder.path().join(format!("step-{step:08}")), &values(), &facts(step)).unwrap();
        }
        prune(folder.path(), 2).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["step-00000010", "step-00000100"]);
    }
}
