//! The state of all trained components: one flat fp32 vector each of master values, gradients and moments, each parameter a
//! range of it, so that an update is one kernel, or a handful of vector operations, whatever the number of layers.

mod reselect;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use tch::{Device, Kind, Tensor, no_grad};

use super::adamw::{AdamW, UpdateGate};
use super::fused::{self, Fused, SlotGradient};
use super::retired::Retired;
use super::selected::Selected;
use super::state::{Slot, State};
use crate::kernels::cuda::Processor;
pub use reselect::SavedRetired;

/// A parameter to train.
pub struct TrainableParameter {
    /// The parameter's name in the checkpoint.
    pub name: String,
    /// The model's own tensor, in the parameter's shape and any float dtype.
    pub weights: Tensor,
    /// The trained components; `None` if all are trained.
    pub selected: Option<Selected>,
}

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
    /// Sum of the micro-batches' gradients: `[total]`.
    gradient: Tensor,
    /// Pre-trained values of the sparse components: `[sparse]`, in the weights' dtype, which loses nothing.
    pretrained: Tensor,
    /// Of each sparse slot the components that have left its selection; empty while none has.
    retired: Vec<Retired>,
    /// Where the kernels run; or why tensor operations take their place.
    processor: Result<Processor, String>,
    fused: Option<Fused>,
}

impl Values {
    /// The state of these parameters before the first step. Gradients are summed in the type `gradient`: fp32, or where a step
    /// has one micro-batch, the type they come in.
    /// `kernels` says where [those](super::kernels) run, or why tensor operations take their place.
    pub fn new(parameters: &[TrainableParameter], gradient: Kind, kernels: Result<Processor, String>) -> Values {
        let device = parameters.first().map_or(Device::Cpu, |parameter| parameter.weights.device());
        Values::on(device, parameters, gradient, kernels, |_| false)
    }

    /// The same on this device, with parameters `off` it by name: their weights are written only by [`Values::write_weights`].
    pub fn on(
        device: Device,
        parameters: &[TrainableParameter],
        gradient: Kind,
        kernels: Result<Processor, String>,
        off: impl Fn(&str) -> bool,
    ) -> Values {
        no_grad(|| {
            let kind = parameters.first().map_or(Kind::Float, |parameter| parameter.weights.kind());
            let (mut slots, mut masters, mut all_weights) = (Vec::new(), Vec::new(), Vec::new());
            let (mut start, mut end_of_sparse) = (0, 0);
            let (sparse, dense): (Vec<_>, Vec<_>) =
                parameters.iter().partition(|parameter| parameter.selected.is_some());
            for TrainableParameter { name, weights, selected } in sparse.into_iter().chain(dense) {
                let selected = selected.as_ref().map(|selected| selected.to_device(device));
                let values = match &selected {
                    Some(selected) => gathered(selected, weights),
                    None => weights.flatten(0, -1).copy(),
                };
                let range = start..start + values.size1().unwrap_or(0);
                start = range.end;
                if selected.is_some() {
                    end_of_sparse = range.end;
                }
                masters.push(values.to_device(device).to_kind(Kind::Float));
                all_weights.push(weights.shallow_clone());
                slots.push(Slot { name: name.clone(), shape: weights.size(), selected, range });
            }
            let master = match &masters[..] {
                [] => Tensor::zeros([0], (Kind::Float, device)),
                masters => Tensor::cat(masters, 0),
            };
            let pretrained = master.narrow(0, 0, end_of_sparse).to_dtype(kind, false, true);
            let gradient = master.zeros_like().to_kind(gradient);
            let (first_moment, second_moment) = (master.zeros_like(), master.zeros_like());
            let state = State { master, first_moment, second_moment, updates: 0, births: None };
            let mut values = Values {
                offloaded: slots.iter().map(|slot: &Slot| off(&slot.name)).collect(),
                slots,
                weights: all_weights,
                gradient,
                state,
                pretrained,
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
            let kinds = [&self.gradient, &self.pretrained].map(Tensor::kind);
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
        self.pretrained.size1().unwrap_or(0)
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

    /// Bytes of the indices, and of all other vectors. Components that have left the selection are in host memory and not counted.
    pub fn bytes(&self) -> (u64, u64) {
        let bytes = |tensor: &Tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64;
        let vectors =
            [&self.state.master, &self.state.first_moment, &self.state.second_moment, &self.gradient, &self.pretrained];
        let indices = self.slots.iter().filter_map(|slot| slot.selected.as_ref()).map(Selected::bytes).sum();
        (indices, vectors.into_iter().chain(&self.state.births).map(bytes).sum())
    }

    /// Relative update of each sparse slot, ‖w − w₀‖ / ‖w₀‖ with pre-trained values w₀, in one read-out from the device. Infinite
    /// or NaN where w₀ is zero.
    pub fn updates(&self) -> Vec<f64> {
        no_grad(|| {
            let sizes: Vec<i64> = self.slots.iter().filter(|slot| slot.selected.is_some()).map(Slot::trained).collect();
            if sizes.is_empty() {
                return Vec::new();
            }
            // Slot by slot, so that there is never a second vector of all.
            let master = self.state.master.narrow(0, 0, self.sparse()).split_with_sizes(&sizes[..], 0);
            let pretrained = self.pretrained.split_with_sizes(&sizes[..], 0);
            let update: Vec<Tensor> =
                master.iter().zip(&pretrained).map(|(now, before)| norm(&(now - before))).collect();
            let size: Vec<Tensor> = pretrained.iter().map(norm).collect();
            let share = Tensor::stack(&update, 0).to_kind(Kind::Double) / Tensor::stack(&size, 0).to_kind(Kind::Double);
            Vec::try_from(share).unwrap_or_default()
        })
    }

    /// Zeroes the gradient, before a step.
    pub fn zero_gradient(&mut self) {
        let _ = self.gradient.zero_();
    }

    /// Adds a micro-batch's gradients of some slots, each of another one.
    pub fn accumulate(&mut self, gradients: &[(usize, SlotGradient)]) {
        no_grad(|| match &self.fused {
            Some(fused) => fused.accumulate(&self.slots, &self.gradient, gradients),
            None => gradients.iter().for_each(|(slot, gradient)| self.add(&self.slots[*slot], gradient)),
        });
    }

    fn add(&self, slot: &Slot, gradient: &SlotGradient) {
        let of_whole = |whole: &Tensor| match &slot.selected {
            Some(selected) => selected.gather(whole),
            None => whole.flatten(0, -1),
        };
        let trained = match gradient {
            SlotGradient::Whole(whole) => of_whole(whole),
            SlotGradient::Trained(trained) => trained.flatten(0, -1),
            SlotGradient::Output(dy) => of_whole(&fused::bias_gradient(dy)),
        };
        let mut sum = self.gradient.narrow(0, slot.range.start, slot.trained());
        let _ = sum.g_add_(&trained.to_kind(sum.kind()));
    }

    /// The squared norms of the trained components and of all components of gradients in the shapes of their parameters, by slot:
    /// fp32 `[gradients, 2]` on the device.
    pub fn squares(&self, gradients: &[(usize, &Tensor)]) -> Tensor {
        let square = |tensor: &Tensor| tensor.to_kind(Kind::Float).square().sum(Kind::Float);
        let squares = |&(slot, gradient): &(usize, &Tensor)| {
            let trained = self.slots[slot].selected.as_ref().map(|selected| selected.gather(gradient));
            Tensor::stack(&[square(trained.as_ref().unwrap_or(gradient)), square(gradient)], 0)
        };
        no_grad(|| match &self.fused {
            Some(fused) => fused.squares(gradients),
            None => Tensor::stack(&gradients.iter().map(squares).collect::<Vec<_>>(), 0),
        })
    }

    /// Sum of the micro-batches' gradients since it was zeroed: `[total]`.
    pub fn gradient(&self) -> Tensor {
        self.gradient.shallow_clone()
    }

    /// L2 norm of the accumulated gradient: fp32 scalar on the device.
    pub fn gradient_norm(&self) -> Tensor {
        norm(&self.gradient)
    }

    /// Takes an optimizer step with the accumulated gradient, and writes the weights.
    pub fn update(&mut self, adamw: &AdamW, learning_rate: f64, gate: &UpdateGate) {
        no_grad(|| {
            self.state.updates += 1;
            if let Some(fused) = &self.fused {
                return fused.update(adamw, &self.state, [&self.gradient, &self.pretrained], gate, learning_rate);
            }
            adamw.decay(&self.slots, &mut self.state.master, &self.pretrained, &gate.apply, learning_rate);
            adamw.update(&mut self.state, &self.gradient, gate, learning_rate);
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

/// L2 norm in fp32, whatever the dtype.
fn norm(vector: &Tensor) -> Tensor {
    vector.norm_scalaropt_dtype(2, Kind::Float)
}
