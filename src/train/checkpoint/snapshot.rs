//! Copies a run's trained state.

use tch::{Device, Kind, Tensor};

use crate::distributed::DistributedError;
use crate::runs::checkpoint::{FORMAT, FORMAT_RESELECTED, Manifest, SlotEntry, TensorBytes};
use crate::sift::{Role, SavedRetired, Slot, State};
use crate::train::learner::{Learner, TrainedState};

/// A copy of everything trained, in host memory.
pub struct StateSnapshot {
    manifest: Manifest,
    tensors: Vec<(&'static str, Tensor)>,
}

impl StateSnapshot {
    /// The state of a run. Slots and number of updates are filled into the manifest.
    ///
    /// # Errors
    /// A rank that is gone: those among which weights are sharded take one together.
    pub fn of(learner: &Learner, manifest: Manifest) -> Result<StateSnapshot, DistributedError> {
        let TrainedState { state, retired } = learner.state()?;
        let State { master, first_moment, second_moment, updates, births } = state;
        let mut tensors = vec![
            ("indices", indices(learner)),
            ("master", master),
            ("first_moment", first_moment),
            ("second_moment", second_moment),
            ("coverage", learner.coverage().state()),
        ];
        let mut format = FORMAT;
        if let Some(births) = births {
            format = FORMAT_RESELECTED;
            let all =
                |part: fn(&SavedRetired) -> &Tensor| Tensor::cat(&retired.iter().map(part).collect::<Vec<_>>(), 0);
            tensors.push(("births", births));
            tensors.push(("retired_indices", all(|retired| &retired.indices)));
            tensors.push(("retired_values", all(|retired| &retired.values)));
        }
        let manifest = Manifest { format, updates, slots: slots(learner, &retired), ..manifest };
        Ok(StateSnapshot { manifest, tensors })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn tensors(&self) -> Vec<TensorBytes<'_>> {
        self.tensors
            .iter()
            .map(|(name, tensor)| TensorBytes {
                name,
                dtype: match tensor.kind() {
                    Kind::Int => "I32",
                    Kind::Int64 => "I64",
                    _ => "F32",
                },
                shape: tensor.size().iter().map(|&size| size as usize).collect(),
                bytes: bytes(tensor),
            })
            .collect()
    }
}

/// Flat row-major indices of the selected components of all slots: int32 `[sparse]`, or int64 where one needs it.
fn indices(learner: &Learner) -> Tensor {
    let widest = learner.slots().iter().map(Slot::components).max().unwrap_or(0);
    let kind = if widest <= i64::from(i32::MAX) { Kind::Int } else { Kind::Int64 };
    let all = Tensor::zeros([learner.sparse()], (kind, Device::Cpu));
    for slot in learner.slots().iter().filter(|slot| slot.role() == Role::Sparse) {
        all.narrow(0, slot.range.start, slot.trained()).copy_(&slot.indices());
    }
    all
}

fn slots(learner: &Learner, retired: &[SavedRetired]) -> Vec<SlotEntry> {
    let slots = learner.slots().iter().map(|slot| SlotEntry {
        name: slot.name.clone(),
        shape: slot.shape.clone(),
        dense: slot.role() == Role::Dense,
        trained: slot.trained(),
        retired: 0,
    });
    let mut slots: Vec<SlotEntry> = slots.collect();
    for (slot, retired) in slots.iter_mut().zip(retired) {
        slot.retired = retired.indices.numel() as i64;
    }
    slots
}

fn bytes(tensor: &Tensor) -> &[u8] {
    debug_assert!(tensor.device() == Device::Cpu && tensor.is_contiguous());
    let length = tensor.numel() * tensor.kind().elt_size_in_bytes();
    if length == 0 {
        // An empty tensor may have a null pointer.
        return &[];
    }
    // SAFETY: a contiguous CPU tensor is that many bytes from its data pointer on, and the borrow keeps it alive.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>(), length) }
}
