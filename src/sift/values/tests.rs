//! Optimizer steps and selections against plain numbers.

use super::super::{FlatGradient, SlotGradient, SparseDecay, kernels};
use super::*;
use crate::device::{on_test_device, random_tensor, test_device};

/// A bf16 weight with every other component trained, and its gradient.
fn trained() -> (Values, Tensor) {
    with_decay(SparseDecay::TowardPretrained(0.1))
}

fn with_decay(decay: SparseDecay) -> (Values, Tensor) {
    let weights = on_test_device(random_tensor(&[40, 50], 3)).to_kind(Kind::BFloat16);
    let selected = Tensor::arange_start_step(0, 2000, 2, (Kind::Int64, test_device()));
    let gradient_of_it = on_test_device(random_tensor(&[1000], 4)).to_kind(Kind::BFloat16);
    let parameter = TrainableParameter {
        name: "w.weight".into(),
        weights,
        selected: Some(Selected::entries(&selected, &[40, 50])),
    };
    (Values::new(&[parameter], kernels(test_device()), decay), gradient_of_it)
}

fn entries(indices: &Tensor) -> Selected {
    Selected::entries(indices, &[40, 50])
}

/// Of an update that is applied.
fn gate(scale: f32) -> UpdateGate {
    UpdateGate { scale: on_test_device(Tensor::from(scale)), apply: on_test_device(Tensor::from(true)) }
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
    let weights = on_test_device(random_tensor(&[6, 10], 8));
    let start: Vec<f32> = Vec::try_from(weights.flatten(0, -1)).unwrap();
    let plain = |weight: f32| Plain { weight: weight.into(), pretrained: weight.into(), m: 0.0, v: 0.0, age: 0 };
    let mut expected: Vec<Plain> = start.into_iter().map(plain).collect();
    let adamw =
        AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::TowardPretrained(decay), dense_decay: 0.0 };
    let chosen = |round: u64| on_test_device(crate::sift::select::random(count, kept + (round % 3) as i64, round));
    let mut selected = chosen(0);
    let parameter = TrainableParameter {
        name: "w.weight".into(),
        weights: weights.shallow_clone(),
        selected: Some(Selected::entries(&selected, &[6, 10])),
    };
    let mut values = Values::new(&[parameter], kernels(test_device()), adamw.sparse_decay);
    for round in 0..7 {
        if round > 0 {
            let before: Vec<i64> = Vec::try_from(&selected).unwrap();
            selected = chosen(round);
            let now: Vec<i64> = Vec::try_from(&selected).unwrap();
            let stay = values.reselect(&[entries(&selected)]);
            assert_eq!(stay, [now.iter().filter(|index| before.contains(index)).count() as i64]);
            for &index in now.iter().filter(|index| !before.contains(index)) {
                let Plain { weight, pretrained, .. } = expected[index as usize];
                expected[index as usize] = Plain { weight, pretrained, m: 0.0, v: 0.0, age: 0 };
            }
            // Selecting the same once more changes nothing.
            let state = |values: &Values| {
                let State { master, first_moment, second_moment, births, .. } = values.state();
                Tensor::cat(&[master, first_moment, second_moment, &births.as_ref().unwrap().to_kind(Kind::Float)], 0)
            };
            let once = state(&values);
            assert_eq!(values.reselect(&[entries(&selected)]), [now.len() as i64]);
            assert!(state(&values).equal(&once));
        }
        for update in 0..3 {
            let gradient = on_test_device(random_tensor(&[count], 100 + 3 * round + update));
            values.update(&gradient.index_select(0, &selected), &adamw, rate, &gate(1.0));
            for index in Vec::<i64>::try_from(&selected).unwrap() {
                expected[index as usize].step(gradient.double_value(&[index]), rate, decay);
            }
        }
        let now: Vec<f32> = Vec::try_from(weights.flatten(0, -1)).unwrap();
        for (index, (now, expected)) in now.iter().zip(&expected).enumerate() {
            assert!((f64::from(*now) - expected.weight).abs() < 1e-5, "{round}, {index}: {now} {}", expected.weight);
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
    let (mut values, _) = trained();
    let master = values.state().master.get(5).double_value(&[]) + 1e-4;
    let _ = values.state.master.get(5).fill_(master);
    let odd = Tensor::arange_start_step(1, 2000, 2, (Kind::Int64, test_device()));
    assert_eq!(values.reselect(&[entries(&odd)]), [0]);
    assert_eq!(values.retired()[0].indices.numel(), 1000);
    assert_eq!(values.reselect(&[entries(&on_test_device(Tensor::from_slice(&[10i64, 11])))]), [1]);
    // 10 is the component of index 5 in the first selection.
    assert!((values.state().master.get(0).double_value(&[]) - master).abs() < 1e-7);
    assert_eq!((values.sparse(), values.retired()[0].indices.numel()), (2, 1998));
    // A budget over all targets may leave nothing of one.
    let none = Tensor::zeros([0], (Kind::Int64, test_device()));
    assert_eq!(values.reselect(&[entries(&none)]), [0]);
    assert_eq!((values.sparse(), values.updates().len(), values.retired()[0].indices.numel()), (0, 1, 2000));
}

#[test]
fn pretrained_values_that_no_step_needs_are_the_same_in_host_memory() {
    // A decay of nothing needs them too.
    let sides = [SparseDecay::None, SparseDecay::TowardPretrained(0.0)].map(|sparse_decay| {
        let adamw = AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay, dense_decay: 0.0 };
        let (mut values, gradient) = with_decay(sparse_decay);
        let bytes = values.bytes().1;
        let mut found = Vec::new();
        for round in 0..4 {
            values.update(&gradient.to_kind(Kind::Float), &adamw, 1e-2, &gate(1.0));
            found.push(values.updates()[0].to_bits());
            let shifted = Tensor::arange_start_step(round % 2, 2000, 2, (Kind::Int64, test_device()));
            let _ = values.reselect(&[entries(&shifted)]);
            found.push(values.updates()[0].to_bits());
        }
        let retired = values.retired()[0].values.to_device(Device::Cpu);
        (found, bytes, values.state().master.to_device(Device::Cpu), retired)
    });
    let [without, with] = &sides;
    assert_eq!(without.0, with.0);
    assert!(without.2.equal(&with.2) && without.3.equal(&with.3));
    let on_device = if test_device().is_cuda() { 0 } else { 1000 * 2 };
    assert_eq!((without.1, with.1), (1000 * 12 + on_device, 1000 * (12 + 2)));
}

#[test]
fn a_gradient_vector_in_bf16_loses_nothing_of_bf16_gradients() {
    let adamw =
        AdamW { betas: (0.9, 0.999), eps: 1e-8, sparse_decay: SparseDecay::TowardPretrained(0.1), dense_decay: 0.0 };
    let masters = [Kind::Float, Kind::BFloat16].map(|kind| {
        let (mut values, gradient) = trained();
        let mut flat = FlatGradient::new(values.slots().to_vec(), kind, test_device(), &kernels(test_device()));
        let (_, vectors) = values.bytes();
        // Three of fp32, and the pre-trained values in bf16.
        assert_eq!(vectors, 1000 * (3 * 4 + 2));
        for _ in 0..3 {
            flat.zero();
            flat.accumulate(&[(0, SlotGradient::Trained(gradient.shallow_clone()))]);
            values.update(flat.sum(), &adamw, 1e-2, &gate(0.7));
        }
        (values.state().master.copy(), flat.norm().double_value(&[]), values.updates())
    });
    assert_eq!(masters[0].0, masters[1].0);
    assert_eq!((masters[0].1, &masters[0].2), (masters[1].1, &masters[1].2));
    assert!(masters[0].2[0] > 0.01, "{:?}", masters[0].2);
}
