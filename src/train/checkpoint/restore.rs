//! A checkpoint becomes the state of a run again. A file's checksum tells that it is whole, not that it makes sense: what it
//! says is checked before it is used.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use crate::model::ParameterSpec;
use crate::runs::checkpoint::{STATE, SlotEntry, StoredCheckpoint};
use crate::sift::State;

/// Room for a file's header, in bytes.
const BESIDES: u64 = 1 << 20;

/// What was kept.
pub struct Kept {
    /// Of each slot the ascending flat indices of its trained components, int64; `None` where all are.
    pub selected: Vec<Option<Tensor>>,
    /// Masters and moments.
    pub state: State,
    /// Gradient mass measured so far, `[targets, 2]`.
    pub coverage: Tensor,
}

/// Reads a checkpoint of a model with these parameters, every byte checked.
///
/// # Errors
/// What is wrong with it, naming the file.
pub fn read(stored: &StoredCheckpoint, specs: &[ParameterSpec]) -> Result<Kept, String> {
    let wrong = |what: String| format!("{}: {what}", stored.path.join(STATE).display());
    let sizes = sizes(&stored.manifest.slots, specs).map_err(wrong)?;
    // What a file may claim must not decide how much memory is taken; the model does.
    let most = (8 * sizes.sparse + 12 * sizes.total + 8 * sizes.targets) as u64 + BESIDES;
    if stored.manifest.files.iter().any(|file| file.name == STATE && file.bytes > most) {
        return Err(wrong(format!("larger than the {most} bytes that it can hold of this model")));
    }
    let bytes = stored.read(STATE).map_err(|error| error.to_string())?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
    parse(stored, &tensors, sizes).map_err(wrong)
}

/// How long the vectors are.
#[derive(Clone, Copy)]
struct Sizes {
    /// Components trained in sparse slots.
    sparse: i64,
    /// Components trained in all.
    total: i64,
    /// Sparse slots.
    targets: i64,
}

/// Checks the slots against the model.
fn sizes(slots: &[SlotEntry], specs: &[ParameterSpec]) -> Result<Sizes, String> {
    let (mut sparse, mut total) = (0, 0);
    for slot in slots {
        let components = check(slot, specs)?;
        if !slot.dense {
            // Sparse slots come first in the flat vectors.
            if sparse != total {
                return Err(format!("{} comes after what is trained in full", slot.name));
            }
            sparse += slot.trained;
        } else if slot.trained != components {
            return Err(format!("{}: {} of {components} are not all", slot.name, slot.trained));
        }
        total += slot.trained;
    }
    if slots.len() > specs.len() {
        return Err(format!("{} parameters are trained, and the model has {}", slots.len(), specs.len()));
    }
    Ok(Sizes { sparse, total, targets: slots.iter().filter(|slot| !slot.dense).count() as i64 })
}

fn parse(stored: &StoredCheckpoint, tensors: &SafeTensors, sizes: Sizes) -> Result<Kept, String> {
    let (slots, Sizes { sparse, total, targets }) = (&stored.manifest.slots, sizes);
    let vector = |name: &str| tensor(tensors, name, &[Dtype::F32], &[total]);
    let state = State {
        master: vector("master")?,
        first_moment: vector("first_moment")?,
        second_moment: vector("second_moment")?,
        updates: stored.manifest.updates,
    };
    if state.master.isfinite().all().int64_value(&[]) == 0 || state.updates < 0 {
        return Err("its values are not finite".into());
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
        ascending(&indices, slot.shape.iter().product()).map_err(|error| format!("{}: {error}", slot.name))?;
        selected.push(Some(indices));
    }
    Ok(Kept { selected, state, coverage })
}

/// Whether a slot fits its parameter, and how many components that has.
fn check(slot: &SlotEntry, specs: &[ParameterSpec]) -> Result<i64, String> {
    let spec = specs.iter().find(|spec| spec.name == slot.name);
    let spec = spec.ok_or_else(|| format!("{} is no parameter of the model", slot.name))?;
    if spec.shape != slot.shape {
        return Err(format!("{} has shape {:?}, the model's is {:?}", slot.name, slot.shape, spec.shape));
    }
    let components = spec.shape.iter().product();
    if !(0..=components).contains(&slot.trained) {
        return Err(format!("{}: {} of {components} components cannot be trained", slot.name, slot.trained));
    }
    Ok(components)
}

/// Whether these are ascending flat indices into a parameter of so many components.
///
/// # Errors
/// That they are not, in words.
pub fn ascending(indices: &Tensor, components: i64) -> Result<(), String> {
    let count = indices.size1().unwrap_or(0);
    if count == 0 {
        return Ok(());
    }
    let rises = (indices.narrow(0, 1, count - 1) - indices.narrow(0, 0, count - 1)).gt(0).all().int64_value(&[]) == 1;
    if !rises || indices.int64_value(&[0]) < 0 || indices.int64_value(&[count - 1]) >= components {
        return Err(format!("its indices are not ascending numbers below {components}"));
    }
    Ok(())
}

fn tensor(tensors: &SafeTensors, name: &str, types: &[Dtype], shape: &[i64]) -> Result<Tensor, String> {
    let view: TensorView = tensors.tensor(name).map_err(|error| format!("{name}: {error}"))?;
    let found: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    if found != shape || !types.contains(&view.dtype()) {
        return Err(format!("tensor {name} is {:?} {found:?}, expected {:?} {shape:?}", view.dtype(), types[0]));
    }
    let kind = match view.dtype() {
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        _ => Kind::Float,
    };
    Ok(Tensor::from_data_size(view.data(), shape, kind))
}
