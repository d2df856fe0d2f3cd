//! AdamW (Loshchilov and Hutter) on flat vectors, with PyTorch's formula.

use tch::Tensor;

use super::Role;
use super::values::{Slot, State};

/// What weight decay means for a component that starts from a pre-trained value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SparseDecay {
    /// Nothing: what the paper's runs amount to.
    None,
    /// Its increment shrinks: it is pulled to the pre-trained value, by this much per unit of learning rate.
    TowardPretrained(f64),
}

/// The optimizer's settings. The state it moves is [`State`].
#[derive(Clone, Debug)]
pub struct AdamW {
    /// Decay rates of the two moments.
    pub betas: (f64, f64),
    /// Added to the denominator, outside the root.
    pub eps: f64,
    /// Decay of sparse components.
    pub sparse_decay: SparseDecay,
    /// Decay of what is trained in full, biases and norms excepted.
    pub dense_decay: f64,
}

impl AdamW {
    /// The decoupled decay, made before the update.
    pub(super) fn decay(&self, slots: &[Slot], master: &mut Tensor, pretrained: &Tensor, learning_rate: f64) {
        for slot in slots.iter().filter(|slot| slot.decays()) {
            let (start, length) = (slot.range.start, slot.trained());
            match (slot.role, self.sparse_decay) {
                (Role::Sparse, SparseDecay::TowardPretrained(rate)) => {
                    let _ = master
                        .narrow(0, start, length)
                        .lerp_(&pretrained.narrow(0, start, length), learning_rate * rate);
                }
                (Role::Dense, _) if self.dense_decay != 0.0 => {
                    let _ = master.narrow(0, start, length).g_mul_scalar_(1.0 - learning_rate * self.dense_decay);
                }
                _ => {}
            }
        }
    }

    /// One step of Adam, bias-corrected: `master -= lr / c1 · m / (sqrt(v) / sqrt(c2) + eps)`.
    pub(super) fn update(&self, state: &mut State, gradient: &Tensor, learning_rate: f64) {
        let (beta1, beta2) = self.betas;
        state.updates += 1;
        let correction = |beta: f64| 1.0 - beta.powi(i32::try_from(state.updates).unwrap_or(i32::MAX));
        let (first, second) = (correction(beta1), correction(beta2));
        let _ = state.first_moment.lerp_(gradient, 1.0 - beta1);
        let _ = state.second_moment.g_mul_scalar_(beta2);
        let _ = state.second_moment.g_add_(&(gradient.square() * (1.0 - beta2)));
        let denominator = (state.second_moment.sqrt() / second.sqrt()).g_add_scalar_(self.eps);
        let _ = state.master.g_sub_(&((&state.first_moment / denominator) * (learning_rate / first)));
    }
}
