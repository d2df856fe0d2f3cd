//! The state of all trained components: one flat fp32 vector each of master values, gradients and moments, each parameter a
//! range of it, so that an update is a handful of vector operations whatever the number of layers.

mod reselect;
#[cfg(test)]
mod tests;

use tch::{Device, Kind, Tensor, no_grad};

use super::adamw::{AdamW, UpdateGate};
use super::retired::Retired;
use super::selected::Selected;
use super::state::{Slot, State};
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
    state: State,
    /// Sum of the micro-batches' gradients: `[total]`.
    gradient: Tensor,
    /// Pre-trained values of the sparse components: `[sparse]`, in the weights' dtype, which loses nothing.
    pretrained: Tensor,
    /// Of each sparse slot the components that have left its selection; empty while none has.
    retired: Vec<Retired>,
}

impl Values {
    /// The state of these parameters before the first step. Gradients are summed in the type `gradient`: fp32, or where a step
    /// has one micro-batch, the type they come in.
    pub fn new(parameters: &[TrainableParameter], gradient: Kind) -> Values {
        no_grad(|| {
            let first = parameters.first().map(|parameter| &parameter.weights);
            let (device, kind) = first.map_or((Device::Cpu, Kind::Float), |first| (first.device(), first.kind()));
            let (mut slots, mut masters) = (Vec::new(), Vec::new());
            let (mut start, mut end_of_sparse) = (0, 0);
            let (sparse, dense): (Vec<_>, Vec<_>) =
                parameters.iter().partition(|parameter| parameter.selected.is_some());
            for TrainableParameter { name, weights, selected } in sparse.into_iter().chain(dense) {
                let selected = selected.as_ref().map(|selected| selected.to_device(device));
                let values = match &selected {
                    Some(selected) => selected.gather(weights),
                    None => weights.flatten(0, -1).copy(),
                };
                let range = start..start + values.size1().unwrap_or(0);
                start = range.end;
                if selected.is_some() {
                    end_of_sparse = range.end;
                }
                masters.push(values.to_kind(Kind::Float));
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
            Values { slots, gradient, state, pretrained, retired: Vec::new() }
        })
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

    /// Restores a saved state: tensors of the same lengths, on any device.
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

    /// Adds a micro-batch's gradient of a slot's trained components, in their order.
    pub fn accumulate(&mut self, slot: usize, gradient: &Tensor) {
        let slot = &self.slots[slot];
        no_grad(|| {
            let mut sum = self.gradient.narrow(0, slot.range.start, slot.trained());
            let _ = sum.g_add_(&gradient.flatten(0, -1).to_kind(sum.kind()));
        });
    }

    /// L2 norm of the accumulated gradient: fp32 scalar on the device.
    pub fn gradient_norm(&self) -> Tensor {
        norm(&self.gradient)
    }

    /// Takes an optimizer step with the accumulated gradient.
    pub fn update(&mut self, adamw: &AdamW, learning_rate: f64, gate: &UpdateGate) {
        no_grad(|| {
            adamw.decay(&self.slots, &mut self.state.master, &self.pretrained, &gate.apply, learning_rate);
            adamw.update(&mut self.state, &self.gradient, gate, learning_rate);
        });
    }

    /// Discounts the latest updates, which an [`UpdateGate`] did not apply.
    pub fn discount(&mut self, updates: i64) {
        self.state.updates -= updates;
    }

    /// Writes a slot's master values into its parameter, rounded to the parameter's dtype.
    pub fn write_into(&self, slot: &Slot, parameter: &Tensor) {
        no_grad(|| {
            let values = self.state.master.narrow(0, slot.range.start, slot.trained()).to_kind(parameter.kind());
            match &slot.selected {
                Some(selected) => selected.write(parameter, &values),
                None => parameter.shallow_clone().copy_(&values.view_as(parameter)),
            }
        });
    }
}

/// L2 norm in fp32, whatever the dtype.
fn norm(vector: &Tensor) -> Tensor {
    vector.norm_scalaropt_dtype(2, Kind::Float)
}
