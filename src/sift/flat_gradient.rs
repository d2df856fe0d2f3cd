//! The gradient of all trained components: one flat vector, each parameter a range of it.

use tch::{Device, Kind, Tensor, no_grad};

use super::fused::{self, Fused, SlotGradient};
use super::state::Slot;
use crate::kernels::cuda::Processor;

/// The sum of the micro-batches' gradients.
pub struct FlatGradient {
    slots: Vec<Slot>,
    /// `[total]`
    sum: Tensor,
    /// `None` where tensor operations take the place of the kernels.
    fused: Option<Fused>,
}

impl FlatGradient {
    /// Of these slots, whose ranges cover the vector. Gradients are summed in the type `kind`: fp32, or where a step has one micro-batch, the
    /// type they come in. `kernels` says where [those](super::kernels) run.
    pub fn new(slots: Vec<Slot>, kind: Kind, device: Device, kernels: &Result<Processor, String>) -> FlatGradient {
        let total = slots.last().map_or(0, |slot| slot.range.end);
        let sum = Tensor::zeros([total], (kind, device));
        let weights: Vec<Option<&Tensor>> = slots.iter().map(|_| None).collect();
        let fused =
            kernels.as_ref().ok().and_then(|processor| Fused::new((*processor, device), &slots, &weights, [kind; 2]));
        FlatGradient { slots, sum, fused }
    }

    /// The trained parameters, sparse ones first.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The vector since it was zeroed: `[total]`.
    pub fn sum(&self) -> &Tensor {
        &self.sum
    }

    /// Zeroes the vector, before a step.
    pub fn zero(&mut self) {
        let _ = self.sum.zero_();
    }

    /// Adds a micro-batch's gradients of some slots, each of another one.
    pub fn accumulate(&mut self, gradients: &[(usize, SlotGradient)]) {
        no_grad(|| match &self.fused {
            Some(fused) => fused.accumulate(&self.slots, &self.sum, gradients),
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
        let mut sum = self.sum.narrow(0, slot.range.start, slot.trained());
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

    /// L2 norm: fp32 scalar on the device.
    pub fn norm(&self) -> Tensor {
        self.sum.norm_scalaropt_dtype(2, Kind::Float)
    }
}
