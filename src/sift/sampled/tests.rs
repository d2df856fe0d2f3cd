//! Sampled gradients against the same sums in double precision, with every instruction set of this machine.

use proptest::prelude::*;
use tch::{Kind, Tensor};

use super::super::select;
use super::column::CHUNK;
use super::{GradientSampler, SampledLayer, SamplingPlan, dense_gradient};
use crate::device::random_tensor;
use crate::kernels::InstructionSet;

/// A layer and the selected components of its weight.
#[derive(Clone, Debug)]
struct Case {
    tokens: i64,
    out: i64,
    width: i64,
    indices: Vec<i64>,
    seed: u64,
}

impl Case {
    fn random(tokens: i64, out: i64, width: i64, k: i64) -> Case {
        let indices = Vec::try_from(select::random(out * width, k, 3)).unwrap();
        Case { tokens, out, width, indices, seed: 1 }
    }

    fn operand(&self, width: i64, number: u64) -> Tensor {
        random_tensor(&[self.tokens, width], self.seed + number)
    }

    fn x(&self) -> Tensor {
        self.operand(self.width, 0)
    }

    fn dy(&self) -> Tensor {
        self.operand(self.out, 1)
    }

    fn plan(&self) -> SamplingPlan {
        SamplingPlan::new(&Tensor::from_slice(&self.indices), self.out, self.width)
    }

    /// Checks the gradients with each instruction set against double precision.
    fn check(&self, x: &Tensor, dy: &Tensor) {
        let (x64, dy64) = (x.to_kind(Kind::Double), dy.to_kind(Kind::Double));
        let at = |of: &Tensor| of.flatten(0, -1).index_select(0, &Tensor::from_slice(&self.indices));
        let expected = at(&dense_gradient(&x64, &dy64));
        // The error of a sum of products is relative to the sum of their magnitudes.
        let size = at(&dense_gradient(&x64.abs(), &dy64.abs())) + 1e-30;
        let plan = self.plan();
        for instructions in InstructionSet::available() {
            let got = GradientSampler::new(instructions).sample(x, &[SampledLayer { dy, plan: &plan }]).remove(0);
            assert_eq!((got.kind(), got.size()), (Kind::Float, vec![self.indices.len() as i64]));
            let error = ((got.to_kind(Kind::Double) - &expected) / &size).abs().max().double_value(&[]);
            assert!(error <= 2e-6, "{}: {error:e} of {self:?}", instructions.name());
        }
    }
}

fn layer<'a>(dy: &'a Tensor, plan: &'a SamplingPlan) -> SampledLayer<'a> {
    SampledLayer { dy, plan }
}

/// Any shape and rate, and rows with all or none of their components selected.
fn cases() -> impl Strategy<Value = Case> {
    let shape = (0i64..200, 1i64..70, 1i64..150, 1u64..1 << 40);
    shape.prop_flat_map(|(tokens, out, width, seed)| {
        let all = out * width;
        let indices = prop_oneof![
            (1..=all).prop_map(move |k| Vec::try_from(select::random(all, k, seed)).unwrap()),
            (0..all).prop_map(|index| vec![index]),
            Just((0..all).collect()),
            (0..out).prop_map(move |row| (row * width..(row + 1) * width).collect()),
            (0..width).prop_map(move |column| (0..out).map(|row| row * width + column).collect()),
        ];
        indices.prop_map(move |indices| Case { tokens, out, width, indices, seed })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sampled_components_are_those_of_the_dense_gradient(case in cases()) {
        case.check(&case.x(), &case.dy());
    }

    #[test]
    fn strides_and_dtypes_do_not_matter(case in cases(), kind in prop_oneof![Just(Kind::BFloat16), Just(Kind::Half)]) {
        // Every other column of a transposed matrix, and one row repeated for all tokens.
        let x = case.operand(2 * case.width, 0).tr().contiguous().tr().slice(1, 1, None::<i64>, 2);
        let dy = case.operand(case.out, 1).sum_dim_intlist(Some(&[0i64][..]), true, Kind::Float);
        let dy = dy.expand([case.tokens, case.out], false);
        case.check(&x, &dy);
        case.check(&x.to_kind(kind), &case.dy().to_kind(kind));
    }
}

#[test]
fn weights_of_many_tiles_and_batches_of_many_strips_are_right() {
    for (tokens, out, width, k) in [(1500, 40, 700, 9000), (64, 1, 3000, 3000), (65, 300, 1, 7), (641, 97, 1030, 400)] {
        let case = Case::random(tokens, out, width, k);
        case.check(&case.x(), &case.dy());
    }
}

#[test]
fn layers_that_share_an_input_get_the_gradients_each_gets_alone() {
    let case = Case::random(333, 50, 120, 700);
    let other = Case { seed: 9, ..Case::random(333, 31, 120, 2000) };
    let (x, plans) = (case.x(), [case.plan(), other.plan()]);
    let dys = [case.dy(), other.dy()];
    for instructions in InstructionSet::available() {
        let mut sampler = GradientSampler::new(instructions);
        let together = sampler.sample(&x, &[layer(&dys[0], &plans[0]), layer(&dys[1], &plans[1])]);
        for ((together, dy), plan) in together.iter().zip(&dys).zip(&plans) {
            assert_eq!(*together, sampler.sample(&x, &[layer(dy, plan)])[0]);
        }
    }
    assert!(GradientSampler::default().sample(&x, &[]).is_empty());
}

#[test]
fn the_number_of_threads_does_not_matter_to_the_last_bit() {
    for tokens in [1, 63, 200, 2000] {
        let case = Case::random(tokens, 90, 130, 1700);
        // Tensors cannot move between threads; numbers can.
        let numbers = |tensor: Tensor| Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
        let (x, dy, plan) = (numbers(case.x()), numbers(case.dy()), case.plan());
        let tensor = |numbers: &[f32]| Tensor::from_slice(numbers).reshape([tokens, -1]);
        for instructions in InstructionSet::available() {
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let sampled =
                    || GradientSampler::new(instructions).sample(&tensor(&x), &[layer(&tensor(&dy), &plan)]).remove(0);
                pool.install(|| numbers(sampled()))
            };
            let one = on(1);
            assert!([2, 3, 8, 20].into_iter().all(|threads| on(threads) == one), "{tokens}, {}", instructions.name());
        }
    }
}

#[test]
fn nan_in_an_operand_reaches_the_gradient() {
    let case = Case::random(2 * CHUNK as i64 + 5, 4, 20, 30);
    let (x, dy) = (case.x(), case.dy());
    let _ = dy.get(100).fill_(f64::NAN);
    let gradient = GradientSampler::default().sample(&x, &[layer(&dy, &case.plan())]).remove(0);
    assert_eq!(gradient.isnan().all().int64_value(&[]), 1);
}

#[test]
fn indices_that_do_not_ascend_or_are_out_of_range_are_refused() {
    for indices in [&[0i64, 12][..], &[-1, 2], &[3, 3], &[5, 4]] {
        let made = std::panic::catch_unwind(|| SamplingPlan::new(&Tensor::from_slice(indices), 3, 4));
        assert!(made.is_err(), "{indices:?}");
    }
}
