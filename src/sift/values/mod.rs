//! The state of all trained components: one flat fp32 vector each of master values and moments, each parameter a
//! range of it, so that an update is one kernel, or a handful of vector operations, whatever the number of layers.

mod pretrained;
mod reselect;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use tch::{Device, Kind, Tensor, no_grad};

use super::adamw::{AdamW, SparseDecay, UpdateGate};
use super::fused::Fused;
use super::retired::Retired;
use super::selected::Selected;
use super::state::{Slot, State, TrainableParameter};
use crate::kernels::cuda::Processor;
use pretrained::Pretrained;
pub use reselect::SavedRetired;

/// The trained components: their values, their places in the weights, and their optimizer state.
///
/// Master values and moments are fp32 whatever the weights' dtype: in bf16 most updates of fine-tuning are lost to rounding.
/// Sparse slots come first, in the model's order, then dense ones.
pub struct Values {
    slots: Vec<Slot>,
    /// The parameter of each slot: the model's own tensor.
    weights: Vec<Tensor>,
    /// Of each slot, whether its parameter is off the device and has its values written into copies ([`Values::overlay`]).
    offloaded: Vec<bool>,
    state: State,
    pretrained: Pretrained,
    /// What the optimizer does in each step with the pre-trained values, at most.
    decay: SparseDecay,
    /// Of each sparse slot the components that have left its selection; empty while none has.
    retired: Vec<Retired>,
    /// Where the kernels run; or why tensor operations take their place.
    processor: Result<Processor, String>,
    fused: Option<Fused>,
}

impl Values {
    /// The state of these parameters before the first step, for this decay. `kernels` says where [those](super::kernels) run, or why
    /// tensor operations take their place.
    pub fn new(parameters: &[TrainableParameter], kernels: Result<Processor, String>, decay: SparseDecay) -> Values {
        let device = parameters.first().map_or(Device::Cpu, |parameter| parameter.weights.device());
        Values::on(device, parameters, kernels, decay, |_| false)
    }

    /// The same on this device, with parameters `off` it by name: their weights are written only by [`Values::write_weights`].
    pub fn on(
        device: Device,
        parameters: &[TrainableParameter],
        kernels: Result<Processor, String>,
        decay: SparseDecay,
        off: impl Fn(&str) -> bool,
    ) -> Values {
        no_grad(|| {
            let kind = parameters.first().map_or(Kind::Float, |parameter| parameter.weights.kind());
            let slots = Slot::in_order(parameters, device);
            let ordered = Slot::order(parameters);
            let gathered = |(slot, parameter): (&Slot, &&TrainableParameter)| {
                let values = match &slot.selected {
                    Some(selected) => gathered(selected, &parameter.weights),
                    None => parameter.weights.flatten(0, -1).copy(),
                };
                values.to_device(device).to_kind(Kind::Float)
            };
            let masters: Vec<Tensor> = slots.iter().zip(&ordered).map(gathered).collect();
            let all_weights = ordered.iter().map(|parameter| parameter.weights.shallow_clone()).collect();
            let sparse = slots.iter().filter(|slot| slot.selected.is_some());
            let end_of_sparse = sparse.map(|slot| slot.range.end).max().unwrap_or(0);
            let master = match &masters[..] {
                [] => Tensor::zeros([0], (Kind::Float, device)),
                masters => Tensor::cat(masters, 0),
            };
            let pretrained = Pretrained::zeros(end_of_sparse, kind, device, decay);
            for slot in slots.iter().filter(|slot| slot.selected.is_some()) {
                let values = master.narrow(0, slot.range.start, slot.trained()).to_kind(kind);
                pretrained.set(&slot.range, &values);
            }
            let (first_moment, second_moment) = (master.zeros_like(), master.zeros_like());
            let state = State { master, first_moment, second_moment, updates: 0, births: None };
            let mut values = Values {
                offloaded: slots.iter().map(|slot: &Slot| off(&slot.name)).collect(),
                slots,
                weights: all_weights,
                state,
                pretrained,
                decay,
                retired: Vec::new(),
                processor: kernels,
                fused: None,
            };
            values.fuse();
            values
        })
    }

    /// Prepares the kernels for the slots as they are.
    fn fuse(&mut self) {
        if let Ok(processor) = self.processor {
            let kinds = [self.pretrained.values().kind(); 2];
            let weights: Vec<Option<&Tensor>> =
                self.weights.iter().zip(&self.offloaded).map(|(weights, off)| Some(weights).filter(|_| !off)).collect();
            let device = self.state.master.device();
            self.fused = Fused::new((processor, device), &self.slots, &weights, kinds);
        }
    }

    /// Why tensor operations take the place of the kernels; `None` where they do not.
    pub fn without_kernels(&self) -> Option<&str> {
        match (&self.processor, &self.fused) {
            (Err(reason), _) => Some(reason),
            (Ok(_), None) if !self.slots.is_empty() => Some("parameters of a type or layout that they do not take"),
            _ => None,
        }
    }

    /// The trained parameters, sparse ones first.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Trained components of sparse parameters.
    pub fn sparse(&self) -> i64 {
        self.pretrained.values().size1().unwrap_or(0)
    }

    /// Trained components of all parameters.
    pub fn total(&self) -> i64 {
        self.state.master.size1().unwrap_or(0)
    }

    /// Master values and optimizer state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Restores a saved state: tensors of the same lengths, on any device. Writes the weights.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn restore(&mut self, saved: &State) {
        no_grad(|| {
            self.state.master.copy_(&saved.master);
            self.state.first_moment.copy_(&saved.first_moment);
            self.state.second_moment.copy_(&saved.second_moment);
        });
        self.state.updates = saved.updates;
        self.state.births = saved.births.as_ref().map(|births| births.to_device(self.state.master.device()));
        self.write_weights();
    }

    /// Bytes of the indices, and of all other vectors. What is in host memory is not counted, as are components that have left the
    /// selection.
    pub fn bytes(&self) -> (u64, u64) {
        let bytes = |tensor: &Tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64;
        let vectors = [&self.state.master, &self.state.first_moment, &self.state.second_moment];
        let indices = self.slots.iter().filter_map(|slot| slot.selected.as_ref()).map(Selected::bytes).sum();
        let vectors: u64 = vectors.into_iter().chain(&self.state.births).map(bytes).sum();
        (indices, vectors + self.pretrained.device_bytes())
    }

    /// Squared norms of each sparse slot's update, ‖w − w₀‖², and of its pre-trained values, ‖w₀‖², in one read-out from the device.
    pub fn update_squares(&self) -> [Vec<f64>; 2] {
        no_grad(|| {
            // Slot by slot, so that there is never a second vector of all.
            let sparse = self.slots.iter().filter(|slot| slot.selected.is_some());
            let norms = |slot: &Slot| {
                let now = self.state.master.narrow(0, slot.range.start, slot.trained());
                let before = self.pretrained.range(&slot.range);
                (norm(&(now - &before)), norm(&before))
            };
            let (update, size): (Vec<Tensor>, Vec<Tensor>) = sparse.map(norms).unzip();
            if update.is_empty() {
                return [Vec::new(), Vec::new()];
            }
            let both = Tensor::stack(&[Tensor::stack(&update, 0), Tensor::stack(&size, 0)], 0);
            let both = both.to_kind(Kind::Double).square().to_device(Device::Cpu);
            [0, 1].map(|which| Vec::try_from(both.get(which)).unwrap_or_default())
        })
    }

    /// Relative update of each sparse slot, ‖w − w₀‖ / ‖w₀‖ with pre-trained values w₀. Infinite or NaN where w₀ is zero.
    pub fn updates(&self) -> Vec<f64> {
        let [update, size] = self.update_squares();
        relative_updates(&update, &size)
    }

    /// Takes an optimizer step with this gradient, `[total]`, and writes the weights.
    pub fn update(&mut self, gradient: &Tensor, adamw: &AdamW, learning_rate: f64, gate: &UpdateGate) {
        no_grad(|| {
            debug_assert!(adamw.sparse_decay == self.decay || self.decay != SparseDecay::None);
            self.state.updates += 1;
            let pretrained = self.pretrained.values();
            if let Some(fused) = &self.fused {
                return fused.update(adamw, &self.state, [gradient, pretrained], gate, learning_rate);
            }
            adamw.decay(&self.slots, &mut self.state.master, pretrained, &gate.apply, learning_rate);
            adamw.update(&mut self.state, gradient, gate, learning_rate);
            self.write(|off| !off);
        });
    }

    /// Discounts the latest updates, which an [`UpdateGate`] did not apply.
    pub fn discount(&mut self, updates: i64) {
        self.state.updates -= updates;
    }

    /// Writes the master values into all weights, wherever they are, rounded to their dtype.
    fn write_weights(&self) {
        self.write(|_| true);
    }

    /// Writes the master values into the weights of slots that are off the device, or not.
    fn write(&self, which: impl Fn(bool) -> bool) {
        let slots = self.slots.iter().zip(&self.weights).zip(&self.offloaded);
        for ((slot, weights), _) in slots.filter(|(_, off)| which(**off)) {
            CurrentValues::of(slot, &self.state.master).write(weights);
        }
    }

    /// The values of parameters that are off the device, as they are at any later time until another selection, by name.
    pub fn overlay(&self) -> HashMap<String, CurrentValues> {
        let slots = self.slots.iter().zip(&self.offloaded).filter(|(_, off)| **off);
        slots.map(|(slot, _)| (slot.name.clone(), CurrentValues::of(slot, &self.state.master))).collect()
    }
}

/// The master values of a slot, and where they belong.
pub struct CurrentValues {
    selected: Option<Selected>,
    /// A part of the flat vector.
    master: Tensor,
}

impl CurrentValues {
    fn of(slot: &Slot, master: &Tensor) -> CurrentValues {
        CurrentValues { selected: slot.selected.clone(), master: master.narrow(0, slot.range.start, slot.trained()) }
    }

    /// Writes them into weights in the shape of the slot's parameter, rounded to their dtype.
    pub fn write(&self, weights: &Tensor) {
        no_grad(|| {
            let values = self.master.to_kind(weights.kind());
            match &self.selected {
                Some(selected) => {
                    selected.to_device(weights.device()).write(weights, &values.to_device(weights.device()));
                }
                None => weights.shallow_clone().copy_(&values.view_as(weights)),
            }
        });
    }
}

/// The selected components of weights, wherever they are.
fn gathered(selected: &Selected, weights: &Tensor) -> Tensor {
    selected.to_device(weights.device()).gather(weights)
}

/// Relative updates from what [`Values::update_squares`] gives.
pub fn relative_updates(update: &[f64], size: &[f64]) -> Vec<f64> {
    update.iter().zip(size).map(|(update, size)| (update / size).sqrt()).collect()
}

/// L2 norm in fp32, whatever the dtype.
fn norm(vector: &Tensor) -> Tensor {
    vector.norm_scalaropt_dtype(2, Kind::Float)
}
