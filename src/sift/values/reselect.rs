//! Trains other components from now on: what stays keeps its state, what leaves keeps its values.

use tch::{Device, Kind, Tensor, no_grad};

use super::pretrained::Pretrained;
use super::{Values, gathered};
use crate::sift::retired::{Located, Retired};
use crate::sift::selected::Selected;
use crate::sift::state::State;

/// A saved slot's components that have left its selection.
pub struct SavedRetired {
    /// Ascending flat row-major indices: int64 `[n]`.
    pub indices: Tensor,
    /// Their values: fp32 `[n]`.
    pub values: Tensor,
}

impl Values {
    /// Restores the components of each sparse slot that have left its selection, and writes their values into the weights, which
    /// are still the pre-trained ones there.
    pub fn restore_retired(&mut self, saved: &[SavedRetired]) {
        no_grad(|| {
            let restored = self.weights.iter().zip(saved).map(|(weights, SavedRetired { indices, values })| {
                let weights = weights.view(-1);
                let indices = indices.to_device(weights.device());
                let pretrained = weights.index_select(0, &indices).to_device(Device::Cpu);
                let _ = weights.shallow_clone().index_copy_(
                    0,
                    &indices,
                    &values.to_device(weights.device()).to_kind(weights.kind()),
                );
                Retired { indices: indices.to_device(Device::Cpu), values: values.shallow_clone(), pretrained }
            });
            self.retired = restored.collect();
        });
    }

    /// Of each sparse slot the components that have left its selection; empty if none has.
    pub fn retired(&self) -> &[Retired] {
        &self.retired
    }

    /// Trains other components of the sparse slots from now on. Components of both selections keep master value, moments and age.
    /// Others start from their value in the weights, with moments of zero; those of an earlier selection from their master value.
    /// Components that leave keep their values. Returns how many stay of each slot.
    ///
    /// # Panics
    /// If there are not as many selections as sparse slots.
    pub fn reselect(&mut self, selections: &[Selected]) -> Vec<i64> {
        assert_eq!(selections.len(), self.slots.iter().filter(|slot| slot.selected.is_some()).count());
        no_grad(|| {
            // Weights off the device are as they were at the latest selection.
            self.write(|off| off);
            let (device, kind) = (self.state.master.device(), self.pretrained.values().kind());
            if self.retired.is_empty() {
                self.retired = selections.iter().map(|_| Retired::none(kind)).collect();
            }
            let sparse: i64 = selections.iter().map(Selected::components).sum();
            let (before, dense) = (self.sparse(), self.total() - self.sparse());
            let zeros = |length: i64, kind| Tensor::zeros([length], (kind, device));
            let total = |kind| zeros(sparse + dense, kind);
            let births = total(Kind::Int).fill_(self.state.updates);
            let old_births = self.state.births.take().unwrap_or_else(|| zeros(before + dense, Kind::Int));
            let State { master, first_moment, second_moment, updates, .. } = &self.state;
            let old = [master, first_moment, second_moment, &old_births];
            let new = [total(Kind::Float), total(Kind::Float), total(Kind::Float), births];
            for (old, new) in old.iter().zip(&new) {
                new.narrow(0, sparse, dense).copy_(&old.narrow(0, before, dense));
            }
            let pretrained = Pretrained::zeros(sparse, kind, device, self.decay);
            let (mut start, mut kept) = (0, Vec::with_capacity(selections.len()));
            let slots = self.slots.iter_mut().zip(&self.weights);
            for (((slot, weights), selection), retired) in slots.zip(selections).zip(&mut self.retired) {
                let selection = selection.to_device(device);
                let selected = selection.indices();
                let old_range = |vector: &Tensor| vector.narrow(0, slot.range.start, slot.range.end - slot.range.start);
                let old_indices = slot.indices();
                let range = start..start + selected.numel() as i64;
                let new_range = |vector: &Tensor| vector.narrow(0, range.start, range.end - range.start);
                let stay = Located::of(&selected, &old_indices);
                let host = selected.to_device(Device::Cpu);
                let back = Located::of(&host, &retired.indices);

                let now = gathered(&selection, weights).to_device(Device::Cpu);
                let value = back.or(&retired.values, &now.to_kind(Kind::Float)).to_device(device);
                new_range(&new[0]).copy_(&value);
                for (old, new) in old.iter().zip(&new) {
                    new_range(new).copy_(&stay.or(&old_range(old), &new_range(new)));
                }
                let before = back.or(&retired.pretrained, &now).to_device(device);
                let old_pretrained = self.pretrained.range(&slot.range);
                pretrained.set(&range, &stay.or(&old_pretrained, &before));

                let leaving = Located::of(&old_indices, &selected).found.logical_not().nonzero().flatten(0, -1);
                let left = |vector: &Tensor| vector.index_select(0, &leaving).to_device(Device::Cpu);
                let leaving = Retired {
                    indices: left(&old_indices),
                    values: left(&old_range(master)),
                    pretrained: left(&old_pretrained),
                };
                kept.push(old_indices.numel() as i64 - leaving.indices.numel() as i64);
                retired.exchange(&host, leaving);
                start = range.end;
                (slot.range, slot.selected) = (range, Some(selection));
            }
            for slot in self.slots.iter_mut().filter(|slot| slot.selected.is_none()) {
                let length = slot.trained();
                slot.range = start..start + length;
                start += length;
            }
            let updates = *updates;
            let [master, first_moment, second_moment, births] = new;
            self.state = State { master, first_moment, second_moment, updates, births: Some(births) };
            self.pretrained = pretrained;
            self.fuse();
            kept
        })
    }
}
