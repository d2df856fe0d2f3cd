//! AdamW (Loshchilov and Hutter, arXiv 1711.05101) on flat vectors, by PyTorch's formula.

use tch::{Kind, Tensor};

use super::state::{Slot, State};
use super::targets::Role;

/// Components that an update works on at a time: its temporaries take 16 MiB a vector, however many are trained.
const UPDATE_PART: i64 = 1 << 22;

/// Weight decay of selected components, which start from pre-trained values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SparseDecay {
    /// No decay, which is what the paper's runs come to.
    None,
    /// Values are pulled toward the pre-trained ones, by this rate times the learning rate in each step.
    TowardPretrained(f64),
}

/// What an update depends on and only the device knows, so that the host need not wait for it.
pub struct UpdateGate {
    /// Factor of the gradient, by clipping: fp32 scalar.
    pub scale: Tensor,
    /// Whether to apply the update: bool scalar. If not, no component and no moment changes.
    pub apply: Tensor,
}

/// The optimizer's hyper-parameters. Its state is [`State`].
#[derive(Clone, Debug)]
pub struct AdamW {
    /// Decay rates of the first and the second moment.
    pub betas: (f64, f64),
    /// Added to the denominator, outside the square root.
    pub eps: f64,
    /// Weight decay of sparse parameters.
    pub sparse_decay: SparseDecay,
    /// Weight decay of dense parameters, except biases and norms.
    pub dense_decay: f64,
}

impl AdamW {
    /// Decoupled weight decay, before an update that is applied.
    pub(super) fn decay(
        &self,
        slots: &[Slot],
        master: &mut Tensor,
        pretrained: &Tensor,
        apply: &Tensor,
        learning_rate: f64,
    ) {
        let share = |rate: f64| apply.to_kind(Kind::Float) * (learning_rate * rate);
        for slot in slots.iter().filter(|slot| slot.decays()) {
            let (start, length) = (slot.range.start, slot.trained());
            match (slot.role(), self.sparse_decay) {
                (Role::Sparse, SparseDecay::TowardPretrained(rate)) => {
                    let pretrained = pretrained.narrow(0, start, length).to_kind(Kind::Float);
                    let _ = master.narrow(0, start, length).lerp_tensor_(&pretrained, &share(rate));
                }
                (Role::Dense, _) if self.dense_decay != 0.0 => {
                    let _ = master.narrow(0, start, length).g_mul_(&(1.0 - share(self.dense_decay)));
                }
                _ => {}
            }
        }
    }

    /// The bias corrections of both moments after so many updates.
    pub(super) fn corrections(&self, updates: i64) -> (f64, f64) {
        let correction = |beta: f64| 1.0 - beta.powi(i32::try_from(updates).unwrap_or(i32::MAX));
        (correction(self.betas.0), correction(self.betas.1))
    }

    /// One bias-corrected step of Adam, which `state` has counted, on the scaled gradient: `master -= lr / c1 · m / (sqrt(v) / sqrt(c2) + eps)`.
    pub(super) fn update(&self, state: &mut State, gradient: &Tensor, gate: &UpdateGate, learning_rate: f64) {
        let (beta1, beta2) = self.betas;
        let (first, second) = self.corrections(state.updates);
        if let Some(births) = state.births.take() {
            self.update_by_age(state, &births, gradient, gate, learning_rate);
            state.births = Some(births);
            return;
        }
        let (skip, apply) = (gate.apply.logical_not(), gate.apply.to_kind(Kind::Float));
        let (weight, rate) = (&apply * (1.0 - beta1), &apply * (learning_rate / first));
        let decay = (&apply * beta2).masked_fill(&skip, 1.0);
        let parts = |vector: &Tensor| vector.split(UPDATE_PART, 0).into_iter();
        let State { master, first_moment, second_moment, .. } = state;
        let moments = parts(first_moment).zip(parts(second_moment));
        for ((mut master, gradient), (mut m, mut v)) in parts(master).zip(parts(gradient)).zip(moments) {
            // A gradient that is not finite would reach the moments even through a factor of zero.
            let gradient = (gradient.to_kind(Kind::Float) * &gate.scale).masked_fill_(&skip, 0.0);
            let _ = m.lerp_tensor_(&gradient, &weight);
            let _ = v.g_mul_(&decay);
            let _ = v.g_add_(&gradient.square().g_mul_scalar_(1.0 - beta2));
            let denominator = v.sqrt().g_div_scalar_(second.sqrt()).g_add_scalar_(self.eps);
            let _ = master.g_sub_(&m.divide(&denominator).g_mul_(&rate));
        }
    }

    /// The same step after components have entered the selection. The bias correction counts the updates of each component, as
    /// PyTorch counts those of each parameter: with the count of the whole run, whose correction is near 1, the zero moments of
    /// a new component would make its first updates three to six times the learning rate.
    fn update_by_age(
        &self,
        state: &mut State,
        births: &Tensor,
        gradient: &Tensor,
        gate: &UpdateGate,
        learning_rate: f64,
    ) {
        let (beta1, beta2) = self.betas;
        let (skip, apply) = (gate.apply.logical_not(), gate.apply.to_kind(Kind::Float));
        let (weight, rate) = (&apply * (1.0 - beta1), &apply * learning_rate);
        let decay = (&apply * beta2).masked_fill(&skip, 1.0);
        let parts = |vector: &Tensor| vector.split(UPDATE_PART, 0).into_iter();
        let updates = state.updates;
        let moments = parts(&state.first_moment).zip(parts(&state.second_moment));
        let values = parts(&state.master).zip(parts(gradient)).zip(parts(births));
        for (((mut master, gradient), births), (mut m, mut v)) in values.zip(moments) {
            let age = (births.neg() + updates).to_kind(Kind::Float);
            let correction = |beta: f64| (&age * beta.ln()).expm1().neg();
            let gradient = (gradient.to_kind(Kind::Float) * &gate.scale).masked_fill_(&skip, 0.0);
            let _ = m.lerp_tensor_(&gradient, &weight);
            let _ = v.g_mul_(&decay);
            let _ = v.g_add_(&gradient.square().g_mul_scalar_(1.0 - beta2));
            let denominator = (&v / correction(beta2)).sqrt().g_add_scalar_(self.eps);
            let _ = master.g_sub_(&(&m / correction(beta1)).divide(&denominator).g_mul_(&rate));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{on_test_device, random_tensor};

    fn gate(scale: f32, apply: bool) -> UpdateGate {
        UpdateGate { scale: on_test_device(Tensor::from(scale)), apply: on_test_device(Tensor::from(apply)) }
    }

    #[test]
    fn an_update_in_parts_is_the_update_as_a_whole() {
        let adamw = AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::None, dense_decay: 0.0 };
        let random = |seed| on_test_device(random_tensor(&[UPDATE_PART + 5], seed));
        let (master, gradients) = (random(5), [random(6), random(7)]);
        let moved = |start: i64, length: i64| {
            let part = |vector: &Tensor| vector.narrow(0, start, length).copy();
            let (first_moment, second_moment) = (part(&master).zeros_like(), part(&master).zeros_like());
            let mut state = State { master: part(&master), first_moment, second_moment, updates: 0, births: None };
            for gradient in &gradients {
                state.updates += 1;
                adamw.update(&mut state, &part(gradient), &gate(0.5, true), 1e-2);
            }
            state.master
        };
        let whole = moved(0, UPDATE_PART + 5);
        for (start, length) in [(0, 64), (UPDATE_PART - 64, 64), (UPDATE_PART, 5), (UPDATE_PART - 3, 8)] {
            let difference = (whole.narrow(0, start, length) - moved(start, length)).abs().max().double_value(&[]);
            assert!(difference < 1e-7, "{start}: {difference}");
        }
        // The first step moves by the learning rate, whatever the gradient.
        let first = Vec::<f32>::try_from(&whole.narrow(0, UPDATE_PART, 5) - &master.narrow(0, UPDATE_PART, 5)).unwrap();
        assert!(first.iter().all(|moved| moved.abs() <= 2.1e-2), "{first:?}");
    }
}
