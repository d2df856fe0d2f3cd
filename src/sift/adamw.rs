//! AdamW (Loshchilov and Hutter) on flat vectors, with PyTorch's formula.

use tch::{Kind, Tensor};

use super::Role;
use super::values::{Slot, State};

/// Components that an update works on at a time: what it needs in between is 16 MiB a vector, whatever is trained.
pub const UPDATE_PART: i64 = 1 << 22;

/// What weight decay means for a component that starts from a pre-trained value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SparseDecay {
    /// Nothing: what the paper's runs amount to.
    None,
    /// Its increment shrinks: it is pulled to the pre-trained value, by this much per unit of learning rate.
    TowardPretrained(f64),
}

/// What steers an update and is known on the device alone, so that the host need not wait for it.
pub struct UpdateGate {
    /// Factor of the gradient, which is where clipping comes in: fp32 scalar.
    pub scale: Tensor,
    /// Whether the update is taken: bool scalar. One that is not changes no component.
    pub taken: Tensor,
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
    /// The decoupled decay, made before the update where that is `taken`.
    pub(super) fn decay(
        &self,
        slots: &[Slot],
        master: &mut Tensor,
        pretrained: &Tensor,
        taken: &Tensor,
        learning_rate: f64,
    ) {
        let share = |rate: f64| taken.to_kind(Kind::Float) * (learning_rate * rate);
        for slot in slots.iter().filter(|slot| slot.decays()) {
            let (start, length) = (slot.range.start, slot.trained());
            match (slot.role, self.sparse_decay) {
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

    /// One step of Adam upon the scaled gradient, bias-corrected: `master -= lr / c1 · m / (sqrt(v) / sqrt(c2) + eps)`.
    pub(super) fn update(&self, state: &mut State, gradient: &Tensor, steering: &UpdateGate, learning_rate: f64) {
        let (beta1, beta2) = self.betas;
        state.updates += 1;
        let correction = |beta: f64| 1.0 - beta.powi(i32::try_from(state.updates).unwrap_or(i32::MAX));
        let (first, second) = (correction(beta1), correction(beta2));
        let (left_out, taken) = (steering.taken.logical_not(), steering.taken.to_kind(Kind::Float));
        let (weight, rate) = (&taken * (1.0 - beta1), &taken * (learning_rate / first));
        let kept = (&taken * beta2).masked_fill(&left_out, 1.0);
        let parts = |vector: &Tensor| vector.split(UPDATE_PART, 0).into_iter();
        let State { master, first_moment, second_moment, .. } = state;
        let moments = parts(first_moment).zip(parts(second_moment));
        for ((mut master, gradient), (mut m, mut v)) in parts(master).zip(parts(gradient)).zip(moments) {
            // What is not finite would reach the moments through a factor of zero, too.
            let gradient = (gradient.to_kind(Kind::Float) * &steering.scale).masked_fill_(&left_out, 0.0);
            let _ = m.lerp_tensor_(&gradient, &weight);
            let _ = v.g_mul_(&kept);
            let _ = v.g_add_(&gradient.square().g_mul_scalar_(1.0 - beta2));
            let denominator = v.sqrt().g_div_scalar_(second.sqrt()).g_add_scalar_(self.eps);
            let _ = master.g_sub_(&m.divide(&denominator).g_mul_(&rate));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn steering(scale: f32, taken: bool) -> UpdateGate {
        UpdateGate { scale: Tensor::from(scale), taken: Tensor::from(taken) }
    }

    /// Where one part ends and the next begins every component moves as it would alone.
    #[test]
    fn an_update_in_parts_is_the_update() {
        let adamw = AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::None, dense_decay: 0.0 };
        tch::manual_seed(5);
        let random = |length: i64| Tensor::randn([length], (Kind::Float, Device::Cpu));
        let (master, gradients) = (random(UPDATE_PART + 5), [random(UPDATE_PART + 5), random(UPDATE_PART + 5)]);
        let moved = |start: i64, length: i64| {
            let part = |vector: &Tensor| vector.narrow(0, start, length).copy();
            let (first_moment, second_moment) = (part(&master).zeros_like(), part(&master).zeros_like());
            let mut state = State { master: part(&master), first_moment, second_moment, updates: 0 };
            for gradient in &gradients {
                adamw.update(&mut state, &part(gradient), &steering(0.5, true), 1e-2);
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
