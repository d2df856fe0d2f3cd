//! Reads the tensors of a checkpoint. A checksum shows that a file is complete, not that it makes sense, so its contents are
//! checked against the model before use.

use std::fmt;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::model::ParameterSpec;
use crate::runs::checkpoint::{FORMAT_RESELECTED, STATE, SlotEntry, StoredCheckpoint};
use crate::sift::{SavedRetired, State};

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
    /// Of each sparse slot the components that have left its selection; empty if components were never selected again.
    pub retired: Vec<SavedRetired>,
}

/// The components of a parameter that differ from the base model.
pub struct ChangedComponents {
    /// Ascending flat indices: int64 `[n]`; `None` if all are trained.
    pub indices: Option<Tensor>,
    /// Their values: fp32 `[n]`.
    pub values: Tensor,
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
        let VectorSizes { sparse, total, targets, retired } = sizes;
        let limit = (8 * sparse + 16 * total + 8 * targets + 12 * retired) as u64 + HEADER_ALLOWANCE;
        if stored.manifest.files.iter().any(|file| file.name == STATE && file.bytes > limit) {
            return Err(damaged(Fault(format!("larger than the {limit} bytes that the state of this model can take"))));
        }
        let bytes = stored.read(STATE).map_err(|error| DamagedCheckpoint(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(Fault(error.to_string())))?;
        parse(stored, &tensors, sizes).map_err(damaged)
    }

    /// What differs from the base model in each slot: the components that are trained, and those that were trained before.
    pub fn changed(&self, slots: &[SlotEntry]) -> Vec<ChangedComponents> {
        let mut start = 0;
        let changed = slots.iter().zip(&self.selected).enumerate().map(|(number, (slot, selected))| {
            let values = self.state.master.narrow(0, start, slot.trained);
            start += slot.trained;
            match (selected, self.retired.get(number)) {
                (Some(selected), Some(retired)) => {
                    let (indices, order) = Tensor::cat(&[selected, &retired.indices], 0).sort(0, false);
                    let values = Tensor::cat(&[&values, &retired.values], 0).index_select(0, &order);
                    ChangedComponents { indices: Some(indices), values }
                }
                (selected, _) => ChangedComponents { indices: selected.as_ref().map(Tensor::shallow_clone), values },
            }
        });
        changed.collect()
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
    /// Components that have left the selection.
    retired: i64,
}

impl VectorSizes {
    /// Checks the slots against the model.
    fn check(slots: &[SlotEntry], specs: &[ParameterSpec]) -> Result<VectorSizes, Fault> {
        let (mut sparse, mut total, mut retired) = (0, 0, 0);
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
            retired += slot.retired;
        }
        if slots.len() > specs.len() {
            return Err(Fault(format!("{} parameters are trained, but the model has {}", slots.len(), specs.len())));
        }
        let targets = slots.iter().filter(|slot| !slot.dense).count() as i64;
        Ok(VectorSizes { sparse, total, targets, retired })
    }
}

fn parse(stored: &StoredCheckpoint, tensors: &SafeTensors, sizes: VectorSizes) -> Result<SavedState, Fault> {
    let (slots, VectorSizes { sparse, total, targets, .. }) = (&stored.manifest.slots, sizes);
    let reselected = stored.manifest.format == FORMAT_RESELECTED;
    let vector = |name: &str| tensor(tensors, name, &[Dtype::F32], &[total]);
    let state = State {
        master: vector("master")?,
        first_moment: vector("first_moment")?,
        second_moment: vector("second_moment")?,
        updates: stored.manifest.updates,
        births: if reselected { Some(births(tensors, total, stored.manifest.updates)?) } else { None },
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
    let retired = if reselected { retired(tensors, slots, &selected, sizes.retired)? } else { Vec::new() };
    Ok(SavedState { selected, state, coverage, retired })
}

/// Updates before each component was selected.
fn births(tensors: &SafeTensors, total: i64, updates: i64) -> Result<Tensor, Fault> {
    let births = tensor(tensors, "births", &[Dtype::I32], &[total])?;
    if total > 0 && (births.min().int64_value(&[]) < 0 || births.max().int64_value(&[]) > updates) {
        return Err(Fault("a component was selected after the latest update".into()));
    }
    Ok(births)
}

/// The components that have left the selection of each sparse slot.
fn retired(
    tensors: &SafeTensors,
    slots: &[SlotEntry],
    selected: &[Option<Tensor>],
    total: i64,
) -> Result<Vec<SavedRetired>, Fault> {
    let indices = tensor(tensors, "retired_indices", &[Dtype::I64], &[total])?;
    let values = tensor(tensors, "retired_values", &[Dtype::F32], &[total])?;
    if values.isfinite().all().int64_value(&[]) == 0 {
        return Err(Fault("its values are not finite".into()));
    }
    let mut start = 0;
    let slots = slots.iter().zip(selected).filter_map(|(slot, selected)| Some((slot, selected.as_ref()?)));
    let of_slot = slots.map(|(slot, selected)| {
        let part = |vector: &Tensor| vector.narrow(0, start, slot.retired);
        let retired = SavedRetired { indices: part(&indices), values: part(&values) };
        start += slot.retired;
        // Ascending together: none of them is trained, and none is there twice.
        let all = Tensor::cat(&[selected, &retired.indices], 0).sort(0, false).0;
        check_ascending(&all, slot.shape.iter().product())
            .map_err(|error| Fault(format!("{}: of those that left the selection, {error}", slot.name)))?;
        Ok(retired)
    });
    of_slot.collect()
}

/// Checks that a slot fits its parameter, and returns the number of components of that parameter.
fn check_slot(slot: &SlotEntry, specs: &[ParameterSpec]) -> Result<i64, Fault> {
    let spec = specs.iter().find(|spec| spec.name == slot.name);
    let spec = spec.ok_or_else(|| Fault(format!("the model has no parameter {}", slot.name)))?;
    if spec.shape != slot.shape {
        return Err(Fault(format!("{} has shape {:?}, but {:?} in the model", slot.name, slot.shape, spec.shape)));
    }
    let components = spec.shape.iter().product();
    let left = 0..=if slot.dense { 0 } else { components };
    if !(0..=components).contains(&slot.trained) || !left.contains(&slot.retired) {
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
