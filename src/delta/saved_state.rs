//! Reads the tensors of a checkpoint. A checksum shows that a file is complete, not that it makes sense, so its contents are
//! checked against the model before use.

use std::fmt;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::model::ParameterSpec;
use crate::runs::checkpoint::{STATE, SlotEntry, StoredCheckpoint};
use crate::sift::State;

/// Bytes allowed for a file's header.
const HEADER_ALLOWANCE: u64 = 1 << 20;

/// The trained state in a checkpoint.
pub struct SavedState {
    /// Ascending flat indices of the trained components of each slot, int64 `[k]`; `None` for a dense slot.
    pub selected: Vec<Option<Tensor>>,
    /// Master values and moments.
    pub state: State,
    /// Gradient mass measured so far, `[targets, 2]`.
    pub coverage: Tensor,
}

/// A checkpoint that cannot be used: its file and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedCheckpoint(pub String);

impl fmt::Display for DamagedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DamagedCheckpoint {}

impl SavedState {
    /// Reads the state of a model with these parameters and verifies every checksum.
    ///
    /// # Errors
    /// The file and what is wrong with it.
    pub fn read(stored: &StoredCheckpoint, specs: &[ParameterSpec]) -> Result<SavedState, DamagedCheckpoint> {
        let damaged = |fault: Fault| DamagedCheckpoint(format!("{}: {}", stored.path.join(STATE).display(), fault.0));
        let sizes = VectorSizes::check(&stored.manifest.slots, specs).map_err(damaged)?;
        // The size limit follows from the model, not from what the file claims: memory is allocated only after this check.
        let limit = (8 * sizes.sparse + 12 * sizes.total + 8 * sizes.targets) as u64 + HEADER_ALLOWANCE;
        if stored.manifest.files.iter().any(|file| file.name == STATE && file.bytes > limit) {
            return Err(damaged(Fault(format!("larger than the {limit} bytes that the state of this model can take"))));
        }
        let bytes = stored.read(STATE).map_err(|error| DamagedCheckpoint(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(Fault(error.to_string())))?;
        parse(stored, &tensors, sizes).map_err(damaged)
    }
}

/// What is wrong with the state file.
struct Fault(String);

/// Lengths of the flat vectors.
#[derive(Clone, Copy)]
struct VectorSizes {
    /// Trained components of the sparse slots.
    sparse: i64,
    /// Trained components of all slots.
    total: i64,
    /// Number of sparse slots.
    targets: i64,
}

impl VectorSizes {
    /// Checks the slots against the model.
    fn check(slots: &[SlotEntry], specs: &[ParameterSpec]) -> Result<VectorSizes, Fault> {
        let (mut sparse, mut total) = (0, 0);
        for slot in slots {
            let components = check_slot(slot, specs)?;
            if !slot.dense {
                // Sparse slots come first in the flat vectors.
                if sparse != total {
                    return Err(Fault(format!("the sparse parameter {} comes after a dense one", slot.name)));
                }
                sparse += slot.trained;
            } else if slot.trained != components {
                return Err(Fault(format!(
                    "{} is dense, but only {} of {components} components are trained",
                    slot.name, slot.trained
                )));
            }
            total += slot.trained;
        }
        if slots.len() > specs.len() {
            return Err(Fault(format!("{} parameters are trained, but the model has {}", slots.len(), specs.len())));
        }
        let targets = slots.iter().filter(|slot| !slot.dense).count() as i64;
        Ok(VectorSizes { sparse, total, targets })
    }
}

fn parse(stored: &StoredCheckpoint, tensors: &SafeTensors, sizes: VectorSizes) -> Result<SavedState, Fault> {
    let (slots, VectorSizes { sparse, total, targets }) = (&stored.manifest.slots, sizes);
    let vector = |name: &str| tensor(tensors, name, &[Dtype::F32], &[total]);
    let state = State {
        master: vector("master")?,
        first_moment: vector("first_moment")?,
        second_moment: vector("second_moment")?,
        updates: stored.manifest.updates,
    };
    if state.master.isfinite().all().int64_value(&[]) == 0 || state.updates < 0 {
        return Err(Fault("its values are not finite".into()));
    }
    let coverage = tensor(tensors, "coverage", &[Dtype::F32], &[targets, 2])?;
    let indices = tensor(tensors, "indices", &[Dtype::I32, Dtype::I64], &[sparse])?.to_kind(Kind::Int64);
    let (mut selected, mut start) = (Vec::with_capacity(slots.len()), 0);
    for slot in slots {
        if slot.dense {
            selected.push(None);
            continue;
        }
        let indices = indices.narrow(0, start, slot.trained);
        start += slot.trained;
        check_ascending(&indices, slot.shape.iter().product())
            .map_err(|error| Fault(format!("{}: {error}", slot.name)))?;
        selected.push(Some(indices));
    }
    Ok(SavedState { selected, state, coverage })
}

/// Checks that a slot fits its parameter, and returns the number of components of that parameter.
fn check_slot(slot: &SlotEntry, specs: &[ParameterSpec]) -> Result<i64, Fault> {
    let spec = specs.iter().find(|spec| spec.name == slot.name);
    let spec = spec.ok_or_else(|| Fault(format!("the model has no parameter {}", slot.name)))?;
    if spec.shape != slot.shape {
        return Err(Fault(format!("{} has shape {:?}, but {:?} in the model", slot.name, slot.shape, spec.shape)));
    }
    let components = spec.shape.iter().product();
    if !(0..=components).contains(&slot.trained) {
        return Err(Fault(format!("{}: {} of {components} components cannot be trained", slot.name, slot.trained)));
    }
    Ok(components)
}

/// Indices that are not ascending, or not below the number of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAscending {
    components: i64,
}

impl fmt::Display for NotAscending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its indices are not ascending numbers below {}", self.components)
    }
}

impl std::error::Error for NotAscending {}

/// Checks that these are ascending flat indices into a parameter with so many components.
pub fn check_ascending(indices: &Tensor, components: i64) -> Result<(), NotAscending> {
    let count = indices.size1().unwrap_or(0);
    if count == 0 {
        return Ok(());
    }
    let rises = (indices.narrow(0, 1, count - 1) - indices.narrow(0, 0, count - 1)).gt(0).all().int64_value(&[]) == 1;
    if !rises || indices.int64_value(&[0]) < 0 || indices.int64_value(&[count - 1]) >= components {
        return Err(NotAscending { components });
    }
    Ok(())
}

fn tensor(tensors: &SafeTensors, name: &str, types: &[Dtype], shape: &[i64]) -> Result<Tensor, Fault> {
    let view: TensorView = tensors.tensor(name).map_err(|error| Fault(format!("{name}: {error}")))?;
    let found: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    if found != shape || !types.contains(&view.dtype()) {
        return Err(Fault(format!("tensor {name} is {:?} {found:?}, expected {:?} {shape:?}", view.dtype(), types[0])));
    }
    let kind = match view.dtype() {
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        _ => Kind::Float,
    };
    Ok(Tensor::from_data_size(view.data(), shape, kind))
}
