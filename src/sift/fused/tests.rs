//! The kernels against tensor operations, over shapes, types, structures and numbers that are not finite.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::device::{on_test_device, test_device};
use crate::sift::proof::random as numbers;
use crate::sift::select::random;
use crate::sift::{
    Blocks, FlatGradient, Grid, Selected, SparseDecay, TrainableParameter, Values, check_kernels, kernels,
};

#[test]
fn kernels_prove_themselves() {
    check_kernels(test_device()).unwrap();
}

/// A parameter, by what its numbers are drawn from.
#[derive(Clone, Debug)]
struct Drawn {
    shape: Vec<i64>,
    structure: u8,
    /// Share of the components, rows, columns or blocks that are selected: at least one, at most all.
    share: f64,
    seed: i64,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let matrix = (1..9i64, 1..9i64).prop_map(|(rows, columns)| vec![4 * rows, 3 * columns]);
    let long = Just(vec![33, 131]);
    let bias = (1..90i64).prop_map(|width| vec![width]);
    let shape = prop_oneof![4 => matrix, 1 => long, 2 => bias];
    (shape, 0..6u8, prop_oneof![Just(0.0), Just(1.0), 0.0..1.0], any::<u32>())
        .prop_map(|(shape, structure, share, seed)| Drawn { shape, structure, share, seed: seed.into() })
}

impl Drawn {
    fn choose(&self, of: i64, seed: u64) -> Tensor {
        random(of, ((self.share * of as f64) as i64).clamp(1, of), self.seed as u64 ^ seed)
    }

    fn selected(&self, seed: u64) -> Option<Selected> {
        let choose = |of: i64| self.choose(of, seed);
        let &[rows, columns] = &self.shape[..] else {
            return (self.structure > 0).then(|| Selected::entries(&choose(self.shape[0]), &self.shape));
        };
        let shape = [rows, columns];
        Some(match self.structure {
            0 => return None,
            1 => Selected::entries(&choose(rows * columns), &self.shape),
            2 => Selected::Grid(Grid::of_columns(shape, &choose(columns))),
            3 => Selected::Grid(Grid::of_rows(shape, &choose(rows))),
            4 => Selected::Grid(Grid::of_both(shape, &choose(rows), &choose(columns))),
            _ if shape == [33, 131] => Selected::Entries(choose(rows * columns)),
            _ => Selected::Blocks(Blocks::new(shape, [4, 3], &choose(rows * columns / 12))),
        })
    }

    fn parameter(&self, name: usize, kind: Kind) -> TrainableParameter {
        let weights = numbers(&self.shape, self.seed as u64, test_device()).to_kind(kind);
        TrainableParameter { name: name.to_string(), weights, selected: self.selected(0) }
    }
}

/// One training, with kernels or without.
struct Side {
    weights: Vec<Tensor>,
    values: Values,
    gradient: FlatGradient,
}

impl Side {
    fn new(processor: &Result<Processor, String>, drawn: &[Drawn], [weights, gradient]: [Kind; 2]) -> Side {
        let parameters: Vec<TrainableParameter> =
            drawn.iter().enumerate().map(|(number, drawn)| drawn.parameter(number, weights)).collect();
        let values = Values::new(&parameters, processor.clone(), SparseDecay::TowardPretrained(0.1));
        let gradient = FlatGradient::new(values.slots().to_vec(), gradient, test_device(), processor);
        Side { weights: parameters.into_iter().map(|parameter| parameter.weights).collect(), values, gradient }
    }

    /// Random gradients of all slots, some of whose numbers are not finite; and some in other forms.
    fn gradients(&self, seed: i64, kind: Kind, special: Option<f64>) -> Vec<(usize, SlotGradient)> {
        let of = |(number, slot): (usize, &Slot)| {
            let random = |shape: &[i64]| numbers(shape, (1000 * seed) as u64 + number as u64, test_device());
            let gradient = match slot.shape[..] {
                [width] if number % 2 == 0 => SlotGradient::Output(random(&[50 * (seed % 12), width]).to_kind(kind)),
                [rows, columns] if number % 3 == 1 => {
                    SlotGradient::Whole(random(&[columns, rows]).to_kind(kind).transpose(0, 1))
                }
                _ if number % 4 == 3 => SlotGradient::Trained(random(&[slot.trained()])),
                _ => {
                    let whole = random(&slot.shape).to_kind(kind);
                    if let Some(special) = special {
                        let _ = whole.view(-1).get(0).fill_(special);
                    }
                    SlotGradient::Whole(whole)
                }
            };
            (number, gradient)
        };
        self.values.slots().iter().enumerate().map(of).collect()
    }
}

/// Whether two tensors are not finite in the same places, and elsewhere the same but for rounding.
fn close(a: &Tensor, b: &Tensor, tolerance: f64) -> bool {
    let finite = a.isfinite().logical_and(&b.isfinite());
    let (x, y) = (a.masked_fill(&finite.logical_not(), 0.0), b.masked_fill(&finite.logical_not(), 0.0));
    let off = ((x - &y).abs() / (y.abs() + 1.0)).to_kind(Kind::Double);
    a.isfinite().equal(&b.isfinite()) && (off.numel() == 0 || off.max().double_value(&[]) <= tolerance)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn kernels_give_what_tensor_operations_give(
        drawn in prop::collection::vec(drawn(), 1..60),
        kinds in prop_oneof![
            Just([Kind::Float, Kind::Float]),
            Just([Kind::BFloat16, Kind::Float]),
            Just([Kind::BFloat16, Kind::BFloat16]),
        ],
        micro_batches in 1..3i64,
        (sparse, dense) in (prop_oneof![Just(None), Just(Some(0.3))], prop_oneof![Just(0.0), Just(0.2)]),
        betas in prop_oneof![Just((0.9, 0.999)), Just((0.3, 0.4))],
        reselected in any::<bool>(),
        applied in prop::array::uniform2(prop_oneof![3 => Just(true), 1 => Just(false)]),
        special in prop_oneof![4 => Just(None), 1 => Just(Some(f64::NAN)), 1 => Just(Some(f64::NEG_INFINITY))],
        chosen in any::<Index>(),
    ) {
        let processors = [kernels(test_device()), Err("compared with".to_owned())];
        let mut sides = processors.each_ref().map(|processor| Side::new(processor, &drawn, kinds));
        prop_assert_eq!(sides[0].values.without_kernels(), None);
        let sparse_decay = sparse.map_or(SparseDecay::None, SparseDecay::TowardPretrained);
        let adamw = AdamW { betas, eps: 1e-8, sparse_decay, dense_decay: dense };
        // libtorch's interpolation rounds once where the kernels round twice; the bias correction of components that were selected
        // later is an exponential.
        let tolerance = if reselected { 1e-5 } else { 1e-6 };
        for (step, applied) in applied.into_iter().enumerate() {
            for (number, side) in sides.iter_mut().enumerate() {
                if reselected && step == 1 {
                    let selected: Vec<Selected> = drawn.iter().filter_map(|drawn| drawn.selected(7)).collect();
                    side.values.reselect(&selected);
                    let slots = side.values.slots().to_vec();
                    let processor = &processors[number];
                    side.gradient = FlatGradient::new(slots, kinds[1], test_device(), processor);
                }
                side.gradient.zero();
            }
            for micro in 0..micro_batches {
                let seed = chosen.index(1000) as i64 + micro;
                let gradients = sides[0].gradients(seed, kinds[0], special);
                let whole: Vec<(usize, &Tensor)> = gradients.iter().filter_map(|(slot, gradient)| match gradient {
                    SlotGradient::Whole(whole) => Some((*slot, whole)),
                    _ => None,
                }).collect();
                if !whole.is_empty() {
                    let [a, b] = sides.each_ref().map(|side| side.gradient.squares(&whole));
                    prop_assert!(close(&a, &b, 1e-5), "{a} {b}");
                }
                sides.iter_mut().for_each(|side| side.gradient.accumulate(&gradients));
            }
            let [a, b] = sides.each_ref().map(|side| side.gradient.sum().to_kind(Kind::Float));
            // The sums of biases are in another order.
            prop_assert!(close(&a, &b, if kinds[1] == Kind::Float { 1e-5 } else { 2e-2 }), "gradients");
            // From here on both have the same.
            let same = sides[1].gradient.sum().copy();
            sides[0].gradient.sum().shallow_clone().copy_(&same);
            let gate = UpdateGate {
                scale: on_test_device(Tensor::from(0.7f32)),
                apply: on_test_device(Tensor::from(applied)),
            };
            for side in &mut sides {
                side.values.update(side.gradient.sum(), &adamw, 1e-2, &gate);
            }
            let states = sides.each_ref().map(|side| {
                let State { master, first_moment, second_moment, .. } = side.values.state();
                [master, first_moment, second_moment].map(Tensor::shallow_clone)
            });
            for (a, b) in states[0].iter().zip(&states[1]) {
                prop_assert!(close(a, b, tolerance), "state, step {step}");
            }
            for (a, b) in sides[0].weights.iter().zip(&sides[1].weights) {
                let tolerance = if kinds[0] == Kind::Float { tolerance } else { 1e-2 };
                prop_assert!(close(&a.to_kind(Kind::Float), &b.to_kind(Kind::Float), tolerance), "weights, step {step}");
            }
        }
    }
}

#[test]
fn vectors_of_many_blocks_and_indices_of_64_bits_are_taken() {
    let shape = [1 << 11, 1 << 9];
    let parameter = |wide: bool| {
        let weights = Tensor::zeros(shape, (Kind::Float, test_device()));
        let indices = random(1 << 20, 100_001, 5);
        let selected = if wide { Selected::Entries(indices) } else { Selected::entries(&indices, &shape) };
        TrainableParameter { name: "w".into(), weights, selected: Some(selected) }
    };
    let whole = Tensor::arange(1 << 20, (Kind::Float, test_device())).view(shape);
    let gradients = [false, true].map(|wide| {
        let slots = Slot::in_order(&[parameter(wide)], test_device());
        let mut gradient = FlatGradient::new(slots, Kind::Float, test_device(), &kernels(test_device()));
        gradient.accumulate(&[(0, SlotGradient::Whole(whole.shallow_clone()))]);
        gradient.sum().copy()
    });
    let expected = on_test_device(random(1 << 20, 100_001, 5)).to_kind(Kind::Float);
    assert!(gradients.iter().all(|gradient| gradient.equal(&expected)));
}

#[test]
fn types_that_kernels_do_not_take_leave_it_to_tensor_operations() {
    let weights = Tensor::zeros([4, 4], (Kind::Double, test_device()));
    let parameter = TrainableParameter { name: "w".into(), weights, selected: None };
    let values = Values::new(&[parameter], kernels(test_device()), SparseDecay::None);
    assert!(values.without_kernels().is_some_and(|reason| reason.contains("of a type")));
}
