//! The state of everything trained: one flat fp32 vector each of masters, gradients and moments, every parameter a range
//! of it, so that an update is a handful of vector operations whatever the number of layers.

use std::ops::Range;

use tch::{Device, Kind, Tensor, no_grad};

use super::{AdamW, Role, UpdateGate};

/// A parameter to train.
pub struct TrainedParameter {
    /// The parameter's name in the checkpoint.
    pub name: String,
    /// Its weights, in its shape.
    pub weights: Tensor,
    /// Ascending flat indices of the components to train, int64 `[k]`; `None` for a dense parameter.
    pub selected: Option<Tensor>,
}

/// A trained parameter's place in the flat vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The parameter's name in the checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// [`Role::Sparse`] or [`Role::Dense`].
    pub role: Role,
    /// Its range of the flat vectors.
    pub range: Range<i64>,
}

impl Slot {
    /// Components the parameter has.
    pub fn components(&self) -> i64 {
        self.shape.iter().product()
    }

    /// Components of it that are trained.
    pub fn trained(&self) -> i64 {
        self.range.end - self.range.start
    }

    /// Biases and norms are not decayed, as everywhere in the field.
    pub(super) fn decays(&self) -> bool {
        self.shape.len() > 1
    }
}

/// The trained components: what they are, where they are in the weights, and their optimizer state.
///
/// Masters and moments are fp32 whatever the weights' type, since in bf16 most updates of a fine-tuning are lost to rounding. Sparse
/// slots come first, in the model's order, then dense ones.
pub struct Values {
    slots: Vec<Slot>,
    /// Flat row-major index into its parameter of each sparse component: int32 `[sparse]`, int64 where one needs it.
    indices: Tensor,
    state: State,
    /// Sum of the micro-batches' gradients: `[total]`.
    gradient: Tensor,
    /// The sparse components as they were pre-trained: `[sparse]`, in the weights' type, which is all they ever had.
    pretrained: Tensor,
}

/// What a checkpoint must hold of [`Values`] besides the indices: fp32 `[total]` each.
pub struct State {
    /// The trained values at full precision.
    pub master: Tensor,
    /// Running mean of the gradient.
    pub first_moment: Tensor,
    /// Running mean of its square.
    pub second_moment: Tensor,
    /// Updates made.
    pub updates: i64,
}

impl Values {
    /// The initial state of these parameters, with gradients accumulated in the type `gradient`.
    pub fn new(parameters: &[TrainedParameter], gradient: Kind) -> Values {
        no_grad(|| {
            let first = parameters.first().map(|parameter| &parameter.weights);
            let (device, kind) = first.map_or((Device::Cpu, Kind::Float), |weights| (weights.device(), weights.kind()));
            let (mut slots, mut masters, mut indices) = (Vec::new(), Vec::new(), Vec::new());
            let mut start = 0;
            let (sparse, dense): (Vec<_>, Vec<_>) =
                parameters.iter().partition(|parameter| parameter.selected.is_some());
            for TrainedParameter { name, weights, selected } in sparse.into_iter().chain(dense) {
                let flat = weights.flatten(0, -1);
                let (values, role) = match selected {
                    Some(selected) => {
                        indices.push(selected.to_device(device));
                        (flat.index_select(0, &selected.to_device(device)), Role::Sparse)
                    }
                    None => (flat.copy(), Role::Dense),
                };
                let range = start..start + values.size1().unwrap_or(0);
                start = range.end;
                masters.push(values.to_kind(Kind::Float));
                slots.push(Slot { name: name.clone(), shape: weights.size(), role, range });
            }
            let flat = |kind, parts: &[Tensor]| match parts {
                [] => Tensor::zeros([0], (kind, device)),
                parts => Tensor::cat(parts, 0).to_kind(kind),
            };
            let widest = slots.iter().map(Slot::components).max().unwrap_or(0);
            let indices = flat(if widest <= i64::from(i32::MAX) { Kind::Int } else { Kind::Int64 }, &indices);
            let master = flat(Kind::Float, &masters);
            let pretrained = master.narrow(0, 0, indices.size1().unwrap_or(0)).to_dtype(kind, false, true);
            let gradient = master.zeros_like().to_kind(gradient);
            let (first_moment, second_moment) = (master.zeros_like(), master.zeros_like());
            let state = State { master, first_moment, second_moment, updates: 0 };
            Values { slots, indices, gradient, state, pretrained }
        })
    }

    /// The trained parameters, sparse ones first.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Components trained in sparse parameters.
    pub fn sparse(&self) -> i64 {
        self.indices.size1().unwrap_or(0)
    }

    /// Components trained in all.
    pub fn total(&self) -> i64 {
        self.state.master.size1().unwrap_or(0)
    }

    /// All sparse slots' indices one after the other: int32 or int64 `[sparse]`.
    pub fn indices(&self) -> &Tensor {
        &self.indices
    }

    /// Masters and moments.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Puts a kept state in place of this one: tensors of the same lengths, from any device.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn restore(&mut self, kept: &State) {
        no_grad(|| {
            self.state.master.copy_(&kept.master);
            self.state.first_moment.copy_(&kept.first_moment);
            self.state.second_moment.copy_(&kept.second_moment);
        });
        self.state.updates = kept.updates;
    }

    /// A sparse slot's indices into its parameter: int32 or int64 `[k]`.
    pub fn selected(&self, slot: &Slot) -> Tensor {
        self.indices.narrow(0, slot.range.start, slot.trained())
    }

    /// Bytes of the indices, and of the other vectors together.
    pub fn bytes(&self) -> (u64, u64) {
        let bytes = |tensor: &Tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64;
        let vectors =
            [&self.state.master, &self.state.first_moment, &self.state.second_moment, &self.gradient, &self.pretrained];
        (bytes(&self.indices), vectors.into_iter().map(bytes).sum())
    }

    /// How far each sparse slot's components are from their pre-trained values, relative to these: ‖w − w₀‖ / ‖w₀‖, in
    /// one read-out from the device. Infinite or NaN where all of these are zero.
    pub fn updates(&self) -> Vec<f64> {
        no_grad(|| {
            let sizes: Vec<i64> =
                self.slots.iter().filter(|slot| slot.role == Role::Sparse).map(Slot::trained).collect();
            if sizes.is_empty() {
                return Vec::new();
            }
            // Slot by slot, so that at no time there is a second vector of all.
            let master = self.state.master.narrow(0, 0, self.sparse()).split_with_sizes(&sizes[..], 0);
            let pretrained = self.pretrained.split_with_sizes(&sizes[..], 0);
            let way: Vec<Tensor> = master.iter().zip(&pretrained).map(|(now, before)| norm(&(now - before))).collect();
            let size: Vec<Tensor> = pretrained.iter().map(norm).collect();
            let share = Tensor::stack(&way, 0).to_kind(Kind::Double) / Tensor::stack(&size, 0).to_kind(Kind::Double);
            Vec::try_from(share).unwrap_or_default()
        })
    }

    /// Forgets the gradient of the step before.
    pub fn zero_gradient(&mut self) {
        let _ = self.gradient.zero_();
    }

    /// Adds a micro-batch's gradient of a slot: of its trained components, in their order.
    pub fn accumulate(&mut self, slot: usize, gradient: &Tensor) {
        let slot = &self.slots[slot];
        no_grad(|| {
            let mut place = self.gradient.narrow(0, slot.range.start, slot.trained());
            let _ = place.g_add_(&gradient.flatten(0, -1).to_kind(place.kind()));
        });
    }

    /// L2 norm of the accumulated gradient: fp32 scalar on the device.
    pub fn gradient_norm(&self) -> Tensor {
        norm(&self.gradient)
    }

    /// Moves the masters by the accumulated gradient.
    pub fn update(&mut self, adamw: &AdamW, learning_rate: f64, steering: &UpdateGate) {
        no_grad(|| {
            adamw.decay(&self.slots, &mut self.state.master, &self.pretrained, &steering.taken, learning_rate);
            adamw.update(&mut self.state, &self.gradient, steering, learning_rate);
        });
    }

    /// Counts so many of the latest updates as not made, because [`UpdateGate`] had them left out.
    pub fn discount(&mut self, updates: i64) {
        self.state.updates -= updates;
    }

    /// Writes a slot's masters into its parameter, rounded to the parameter's type.
    pub fn write_into(&self, slot: &Slot, parameter: &Tensor) {
        no_grad(|| {
            let values = self.state.master.narrow(0, slot.range.start, slot.trained()).to_kind(parameter.kind());
            match slot.role {
                Role::Sparse => {
                    let indices = self.selected(slot).to_kind(Kind::Int64);
                    let _ = parameter.view(-1).index_copy_(0, &indices, &values);
                }
                _ => parameter.shallow_clone().copy_(&values.view_as(parameter)),
            }
        });
    }
}

/// L2 norm in fp32, whatever the type.
fn norm(vector: &Tensor) -> Tensor {
    vector.norm_scalaropt_dtype(2, Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::super::SparseDecay;
    use super::*;

    /// A bf16 weight of which every other component is trained, and its gradient.
    fn trained(gradient: Kind) -> (Values, Tensor) {
        tch::manual_seed(3);
        let weights = Tensor::randn([40, 50], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
        let selected = Tensor::arange_start_step(0, 2000, 2, (Kind::Int64, Device::Cpu));
        let gradient_of_it = Tensor::randn([1000], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
        let parameter = TrainedParameter { name: "w.weight".into(), weights, selected: Some(selected) };
        (Values::new(&[parameter], gradient), gradient_of_it)
    }

    #[test]
    fn narrow_types_hold_what_came_in_them() {
        let adamw = AdamW {
            betas: (0.9, 0.999),
            eps: 1e-8,
            sparse_decay: SparseDecay::TowardPretrained(0.1),
            dense_decay: 0.0,
        };
        let masters = [Kind::Float, Kind::BFloat16].map(|kind| {
            let (mut values, gradient) = trained(kind);
            let (_, vectors) = values.bytes();
            // Three of fp32, the gradient, and the pre-trained values in bf16.
            assert_eq!(vectors, 1000 * (3 * 4 + kind.elt_size_in_bytes() as u64 + 2));
            for _ in 0..3 {
                values.zero_gradient();
                values.accumulate(0, &gradient);
                let steering = UpdateGate { scale: Tensor::from(0.7f32), taken: Tensor::from(true) };
                values.update(&adamw, 1e-2, &steering);
            }
            (values.state().master.copy(), values.gradient_norm().double_value(&[]), values.updates())
        });
        assert_eq!(masters[0].0, masters[1].0);
        assert_eq!((masters[0].1, &masters[0].2), (masters[1].1, &masters[1].2));
        assert!(masters[0].2[0] > 0.01, "{:?}", masters[0].2);
    }
}
