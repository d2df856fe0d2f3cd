//! The state of all trained components: one flat fp32 vector each of master values, gradients and moments, each parameter a
//! range of it, so that an update is a handful of vector operations whatever the number of layers.

use tch::{Device, Kind, Tensor, no_grad};

use super::adamw::{AdamW, UpdateGate};
use super::retired::{Located, Retired};
use super::selected::Selected;
use super::state::{Slot, State};

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

/// A saved slot's components that have left its selection.
pub struct SavedRetired {
    /// Ascending flat row-major indices: int64 `[n]`.
    pub indices: Tensor,
    /// Their values: fp32 `[n]`.
    pub values: Tensor,
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

    /// Restores the components of each sparse slot that have left its selection, and writes their values into the weights, which
    /// are still the pre-trained ones there.
    pub fn restore_retired(&mut self, saved: &[SavedRetired], weights: impl Fn(&str) -> Tensor) {
        no_grad(|| {
            let restored = self.slots.iter().zip(saved).map(|(slot, SavedRetired { indices, values })| {
                let weights = weights(&slot.name).view(-1);
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
    pub fn reselect(&mut self, selections: &[Selected], weights: impl Fn(&str) -> Tensor) -> Vec<i64> {
        assert_eq!(selections.len(), self.slots.iter().filter(|slot| slot.selected.is_some()).count());
        no_grad(|| {
            let (device, kind) = (self.state.master.device(), self.pretrained.kind());
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
            let pretrained = zeros(sparse, kind);
            let (mut start, mut kept) = (0, Vec::with_capacity(selections.len()));
            for ((slot, selection), retired) in self.slots.iter_mut().zip(selections).zip(&mut self.retired) {
                let selection = selection.to_device(device);
                let selected = selection.indices();
                let old_range = |vector: &Tensor| vector.narrow(0, slot.range.start, slot.range.end - slot.range.start);
                let old_indices = slot.indices();
                let range = start..start + selected.numel() as i64;
                let new_range = |vector: &Tensor| vector.narrow(0, range.start, range.end - range.start);
                let stay = Located::of(&selected, &old_indices);
                let host = selected.to_device(Device::Cpu);
                let back = Located::of(&host, &retired.indices);

                let now = selection.gather(&weights(&slot.name)).to_device(Device::Cpu);
                let value = back.or(&retired.values, &now.to_kind(Kind::Float)).to_device(device);
                new_range(&new[0]).copy_(&value);
                for (old, new) in old.iter().zip(&new) {
                    new_range(new).copy_(&stay.or(&old_range(old), &new_range(new)));
                }
                let before = back.or(&retired.pretrained, &now).to_device(device);
                new_range(&pretrained).copy_(&stay.or(&old_range(&self.pretrained), &before));

                let leaving = Located::of(&old_indices, &selected).found.logical_not().nonzero().flatten(0, -1);
                let left = |vector: &Tensor| vector.index_select(0, &leaving).to_device(Device::Cpu);
                let leaving = Retired {
                    indices: left(&old_indices),
                    values: left(&old_range(master)),
                    pretrained: left(&old_range(&self.pretrained)),
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
            self.gradient = total(self.gradient.kind());
            self.state = State { master, first_moment, second_moment, updates, births: Some(births) };
            self.pretrained = pretrained;
            kept
        })
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

#[cfg(test)]
mod tests {
    use super::super::SparseDecay;
    use super::*;

    /// A bf16 weight with every other component trained, and its gradient.
    fn trained(gradient: Kind) -> (Values, Tensor) {
        tch::manual_seed(3);
        let weights = Tensor::randn([40, 50], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
        let selected = Tensor::arange_start_step(0, 2000, 2, (Kind::Int64, Device::Cpu));
        let gradient_of_it = Tensor::randn([1000], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
        let parameter = TrainableParameter {
            name: "w.weight".into(),
            weights,
            selected: Some(Selected::entries(&selected, &[40, 50])),
        };
        (Values::new(&[parameter], gradient), gradient_of_it)
    }

    fn entries(indices: &Tensor) -> Selected {
        Selected::entries(indices, &[40, 50])
    }

    /// A component as plain numbers.
    #[derive(Clone, Copy)]
    struct Plain {
        weight: f64,
        pretrained: f64,
        m: f64,
        v: f64,
        age: i32,
    }

    impl Plain {
        /// AdamW as in PyTorch's documentation, with decay toward the pre-trained value.
        fn step(&mut self, gradient: f64, learning_rate: f64, decay: f64) {
            self.weight += learning_rate * decay * (self.pretrained - self.weight);
            self.age += 1;
            self.m = 0.9 * self.m + 0.1 * gradient;
            self.v = 0.999 * self.v + 0.001 * gradient * gradient;
            let (m, v) = (self.m / (1.0 - 0.9f64.powi(self.age)), self.v / (1.0 - 0.999f64.powi(self.age)));
            self.weight -= learning_rate * m / (v.sqrt() + 1e-8);
        }
    }

    #[test]
    fn components_that_are_selected_again_train_as_parameters_of_their_own() {
        let (count, kept, rate, decay) = (60i64, 14i64, 1e-2, 0.2);
        tch::manual_seed(8);
        let weights = Tensor::randn([6, 10], (Kind::Float, Device::Cpu));
        let start: Vec<f32> = Vec::try_from(weights.flatten(0, -1)).unwrap();
        let plain = |weight: f32| Plain { weight: weight.into(), pretrained: weight.into(), m: 0.0, v: 0.0, age: 0 };
        let mut expected: Vec<Plain> = start.into_iter().map(plain).collect();
        let adamw = AdamW {
            betas: (0.9, 0.999),
            eps: 1e-8,
            sparse_decay: SparseDecay::TowardPretrained(decay),
            dense_decay: 0.0,
        };
        let chosen = |round: u64| super::super::select::random(count, kept + (round % 3) as i64, round);
        let mut selected = chosen(0);
        let parameter = TrainableParameter {
            name: "w.weight".into(),
            weights: weights.shallow_clone(),
            selected: Some(Selected::entries(&selected, &[6, 10])),
        };
        let mut values = Values::new(&[parameter], Kind::Float);
        for round in 0..7 {
            if round > 0 {
                let before: Vec<i64> = Vec::try_from(&selected).unwrap();
                selected = chosen(round);
                let now: Vec<i64> = Vec::try_from(&selected).unwrap();
                let stay = values.reselect(&[entries(&selected)], |_| weights.shallow_clone());
                assert_eq!(stay, [now.iter().filter(|index| before.contains(index)).count() as i64]);
                for &index in now.iter().filter(|index| !before.contains(index)) {
                    let Plain { weight, pretrained, .. } = expected[index as usize];
                    expected[index as usize] = Plain { weight, pretrained, m: 0.0, v: 0.0, age: 0 };
                }
                // Selecting the same once more changes nothing.
                let state = |values: &Values| {
                    let State { master, first_moment, second_moment, births, .. } = values.state();
                    Tensor::cat(
                        &[master, first_moment, second_moment, &births.as_ref().unwrap().to_kind(Kind::Float)],
                        0,
                    )
                };
                let once = state(&values);
                assert_eq!(values.reselect(&[entries(&selected)], |_| weights.shallow_clone()), [now.len() as i64]);
                assert!(state(&values).equal(&once));
            }
            for _ in 0..3 {
                let gradient = Tensor::randn([count], (Kind::Float, Device::Cpu));
                values.zero_gradient();
                values.accumulate(0, &gradient.index_select(0, &selected));
                values.update(&adamw, rate, &UpdateGate { scale: Tensor::from(1f32), apply: Tensor::from(true) });
                values.write_into(&values.slots()[0], &weights);
                for index in Vec::<i64>::try_from(&selected).unwrap() {
                    expected[index as usize].step(gradient.double_value(&[index]), rate, decay);
                }
            }
            let now: Vec<f32> = Vec::try_from(weights.flatten(0, -1)).unwrap();
            for (index, (now, expected)) in now.iter().zip(&expected).enumerate() {
                assert!(
                    (f64::from(*now) - expected.weight).abs() < 1e-5,
                    "{round}, {index}: {now} {}",
                    expected.weight
                );
            }
            for retired in values.retired() {
                let there = weights.view(-1).index_select(0, &retired.indices);
                assert!(there.equal(&retired.values), "round {round}: those that left keep their values");
            }
        }
        assert!(values.retired()[0].indices.numel() > 10);
    }

    #[test]
    fn a_component_that_comes_back_has_its_master_value() {
        let (mut values, _) = trained(Kind::Float);
        let weights = Tensor::randn([40, 50], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
        let master = values.state().master.get(5).double_value(&[]) + 1e-4;
        let _ = values.state.master.get(5).fill_(master);
        let odd = Tensor::arange_start_step(1, 2000, 2, (Kind::Int64, Device::Cpu));
        assert_eq!(values.reselect(&[entries(&odd)], |_| weights.shallow_clone()), [0]);
        assert_eq!(values.retired()[0].indices.numel(), 1000);
        assert_eq!(values.reselect(&[entries(&Tensor::from_slice(&[10i64, 11]))], |_| weights.shallow_clone()), [1]);
        // 10 is the component of index 5 in the first selection.
        assert!((values.state().master.get(0).double_value(&[]) - master).abs() < 1e-7);
        assert_eq!((values.sparse(), values.retired()[0].indices.numel()), (2, 1998));
        // A budget over all targets may leave nothing of one.
        let none = Tensor::zeros([0], (Kind::Int64, Device::Cpu));
        assert_eq!(values.reselect(&[entries(&none)], |_| weights.shallow_clone()), [0]);
        assert_eq!((values.sparse(), values.updates().len(), values.retired()[0].indices.numel()), (0, 1, 2000));
    }

    #[test]
    fn a_gradient_vector_in_bf16_loses_nothing_of_bf16_gradients() {
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
                let gate = UpdateGate { scale: Tensor::from(0.7f32), apply: Tensor::from(true) };
                values.update(&adamw, 1e-2, &gate);
            }
            (values.state().master.copy(), values.gradient_norm().double_value(&[]), values.updates())
        });
        assert_eq!(masters[0].0, masters[1].0);
        assert_eq!((masters[0].1, &masters[0].2), (masters[1].1, &masters[1].2));
        assert!(masters[0].2[0] > 0.01, "{:?}", masters[0].2);
    }
}
