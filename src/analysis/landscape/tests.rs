//! Gradients, Hessians and perturbations of a tiny BERT against autograd and dense matrices.

use std::path::Path;

use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::*;
use crate::analysis::perturb::Perturbation;
use crate::data::{Encoded, Label, Tokenized};
use crate::eval::DeviceBatch;
use crate::model::{ForwardPass, Head, LoadOptions, LossTargets, Network};

const QUERY: &str = "bert.encoder.layer.0.attention.self.query.weight";

fn network(kind: Kind) -> Network {
    // Threads cost more than they give at this size.
    tch::set_num_threads(1);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/tiny-bert");
    let options = LoadOptions { head: Head::as_stored(3), dtype: kind, device: Device::Cpu, offload: None, seed: 1 };
    Network::open(&folder, &options, &|_| {}).unwrap().0
}

fn examples(count: u32) -> Tokenized {
    let example = |row: u32| {
        let length = 4 + row as usize % 7;
        let ids = (0..length as u32).map(|token| 5 + (row * 31 + token * 17) % 80).collect();
        Encoded { ids, type_ids: vec![0; length], label: Label::Class(row % 3) }
    };
    Tokenized::Labelled((0..count).map(example).collect())
}

fn batches(count: u32) -> FixedBatches {
    let batching = Batching { examples: 1000, batch: 4, pad_id: 0, seed: 1, checkpointing: false };
    FixedBatches::draw(&examples(count), batching, Device::Cpu)
}

fn weights(network: &Network) -> Vec<Tensor> {
    network.parameters.specs().iter().map(|spec| network.parameters.get(&spec.name).copy()).collect()
}

fn limits(products: usize, tolerance: f64) -> IterationLimits {
    IterationLimits { products, tolerance }
}

/// The Hessian of the mean loss over components of parameters: each row by central differences of autograd's gradient, all in
/// double precision. (Attention has no second derivative in libtorch.)
fn dense_hessian(examples: &Tokenized, parts: &[(&str, Vec<i64>)]) -> Tensor {
    const STEP: f64 = 1e-4;
    let network = network(Kind::Double);
    let parameters: Vec<Tensor> =
        parts.iter().map(|(name, _)| network.parameters.get(name).set_requires_grad(true)).collect();
    let inputs: Vec<&Tensor> = parameters.iter().collect();
    let rows: Vec<usize> = (0..examples.lengths().len()).collect();
    let batch = DeviceBatch::new(&examples.collate(&rows, 0), Device::Cpu);
    let LossTargets::Classes(classes) = &batch.targets else { panic!("no classes") };
    let chain = network.segments(&batch.inputs);
    let gradient = || {
        let mut pass = ForwardPass::inference();
        let logits =
            (0..chain.count()).fold(Tensor::new(), |hidden, segment| chain.forward(segment, &hidden, &mut pass));
        let loss = logits.cross_entropy_loss::<Tensor>(classes, None, Reduction::Mean, -100, 0.0);
        let gradients = Tensor::run_backward(&[&loss], &inputs, false, false);
        let selected = |(gradient, (_, indices)): (&Tensor, &(&str, Vec<i64>))| {
            gradient.flatten(0, -1).index_select(0, &Tensor::from_slice(indices))
        };
        Tensor::cat(&gradients.iter().zip(parts).map(selected).collect::<Vec<_>>(), 0)
    };
    let mut rows = Vec::new();
    for (parameter, (_, indices)) in parameters.iter().zip(parts) {
        for &index in indices {
            let at = |step: f64| {
                no_grad(|| drop(parameter.view(-1).get(index).g_add_scalar_(step)));
                gradient()
            };
            let (up, down) = (at(STEP), at(-2.0 * STEP));
            let _ = at(STEP);
            rows.push((up - down) / (2.0 * STEP));
        }
    }
    Tensor::stack(&rows, 0)
}

/// The eigenvalues of a symmetric matrix, ascending.
fn eigenvalues(matrix: &Tensor) -> Vec<f64> {
    Vec::try_from(matrix.linalg_eigvalsh("L")).unwrap()
}

#[test]
fn the_largest_eigenvalue_is_that_of_the_dense_hessian() {
    let examples = examples(24);
    let every = |step: usize, count: i64| (0..count).step_by(step).collect::<Vec<i64>>();
    let width = network(Kind::Float).parameters.get(QUERY).size()[1];
    for parts in [
        vec![("classifier.weight", every(1, 3 * width)), ("classifier.bias", every(1, 3))],
        vec![(QUERY, every(41, width * width))],
        vec![
            (QUERY, every(61, width * width)),
            ("bert.encoder.layer.1.output.dense.weight", every(71, width * width)),
            ("bert.embeddings.LayerNorm.weight", every(2, width)),
        ],
    ] {
        let dense = eigenvalues(&dense_hessian(&examples, &parts));
        let largest = dense[dense.len() - 1];
        let network = network(Kind::Float);
        let before = weights(&network);
        let moved = parts.iter().map(|(name, indices)| ((*name).to_owned(), Some(Tensor::from_slice(indices))));
        let perturbation = Perturbation::new(&network, moved);
        let options = SharpnessOptions { limits: limits(40, 1e-4), seed: 3 };
        let found = largest_eigenvalue(&network, &batches(24), perturbation, options, || Ok(())).unwrap();
        assert!((found.eigenvalue - largest).abs() <= 0.01 * largest.abs(), "{found:?}, dense {largest}");
        assert!(found.converged, "{found:?}");
        assert_eq!(before, weights(&network));
        assert!(network.parameters.specs().iter().all(|spec| !network.parameters.get(&spec.name).requires_grad()));
    }
}

#[test]
fn an_iteration_finds_the_largest_of_known_eigenvalues() {
    // Q diag(values) Qᵀ for a random orthogonal Q.
    const SIZE: i64 = 300;
    // libtorch's generator is shared with the tests beside this one.
    let mut generator = ChaCha8Rng::seed_from_u64(5);
    let mut random = |shape: &[i64]| {
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|_: i64| generator.random_range(-1.0..1.0)).collect();
        Tensor::from_slice(&numbers).view(shape)
    };
    let (q, _) = Tensor::linalg_qr(&random(&[SIZE, SIZE]), "reduced");
    let zeros = Tensor::zeros([SIZE - 3], (Kind::Double, Device::Cpu));
    let bulk = Tensor::linspace(-0.5, 0.5, SIZE - 3, (Kind::Double, Device::Cpu));
    for (values, rest, largest) in [
        ([5.0, 3.0, -1.0], &zeros, 5.0),
        // Power iteration goes to the negative one, or to and fro between both.
        ([2.0, 1.0, -4.0], &bulk, 2.0),
        ([2.0, 1.0, -2.0], &bulk, 2.0),
        ([-3.0, -2.0, -1.0], &bulk, 0.5),
    ] {
        let diagonal = Tensor::cat(&[Tensor::from_slice(&values), rest.shallow_clone()], 0);
        let matrix = q.matmul(&diagonal.diag(0)).matmul(&q.tr()).to_kind(Kind::Float);
        let first = random(&[SIZE]).to_kind(Kind::Float);
        let products = std::cell::Cell::new(0);
        let times = |v: &Tensor| {
            products.set(products.get() + 1);
            Ok(matrix.mv(v))
        };
        let pair = largest_eigenpair(times, &first, limits(300, 1e-5)).unwrap();
        assert!(pair.converged && (pair.value - largest).abs() < 0.01 * largest, "{} of {largest}", pair.value);
        assert!((pair.vector.norm().double_value(&[]) - 1.0).abs() < 1e-5);
        assert_eq!(pair.products, products.get());
        let short = largest_eigenpair(|v| Ok(matrix.mv(v)), &first, limits(2, 1e-7)).unwrap();
        assert!(!short.converged && short.products == 2);
        for pair in [&pair, &short] {
            // The matrix has an eigenvalue within the residual.
            let distances = (&diagonal - pair.value).abs().min().double_value(&[]);
            assert!(distances <= pair.residual + 1e-5, "{distances} and {}", pair.residual);
        }
    }
}

#[test]
fn an_iteration_ends_with_nothing_to_search_or_an_error() {
    let first = Tensor::from_slice(&[1.0f32, 2.0]);
    let flat = largest_eigenpair(|v| Ok(v.zeros_like()), &first, limits(9, 1e-3)).unwrap();
    assert!(flat.converged && flat.value == 0.0 && flat.products == 1);
    let scaled = largest_eigenpair(|v| Ok(v * 3.0), &first, limits(9, 0.0)).unwrap();
    assert!(scaled.converged && (scaled.value - 3.0).abs() < 1e-6 && scaled.products == 1);
    let cancelled = largest_eigenpair(|_| anyhow::bail!("cancelled"), &first, limits(9, 0.0));
    assert_eq!(cancelled.err().unwrap().to_string(), "cancelled");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_filter_normalised_row_is_as_long_as_the_weights(seed: u64) {
        let network = network(Kind::Float);
        let perturbation = Perturbation::new(&network, [(QUERY.to_owned(), None)]);
        let parameter = &perturbation.parameters()[0];
        let direction = Direction::filter_normalised(&perturbation, seed);
        let rows = |tensor: &Tensor| Vec::<f64>::try_from(tensor.square().sum_dim_intlist(Some(&[1i64][..]), false, Kind::Double).sqrt()).unwrap();
        let (got, expected) = (rows(&direction.part(0, parameter)), rows(&parameter.base()));
        for (got, expected) in got.iter().zip(&expected) {
            prop_assert!((got - expected).abs() <= 1e-5 * expected, "{got} {expected}");
        }
        // Drawn again it is the same.
        let again = Direction::filter_normalised_within(&perturbation, seed, 0);
        prop_assert_eq!(again.part(0, parameter), direction.part(0, parameter));
        // The rows of selected components are those of the matrix.
        let width = parameter.shape[1];
        let indices = [1, 5, width, width + 3, width + 4, 3 * width];
        let some = Perturbation::new(&network, [(QUERY.to_owned(), Some(Tensor::from_slice(&indices)))]);
        let increment = Direction::toward(&some, &[some.parameters()[0].base() + Tensor::from_slice(&[3.0f32, 4.0, 1.0, 2.0, 2.0, 7.0])]);
        let part = Direction::as_long_as(&some, &increment, seed).part(0, &some.parameters()[0]).square();
        let square = |range: std::ops::Range<i64>| part.narrow(0, range.start, range.end - range.start).sum(Kind::Double).double_value(&[]);
        for (range, expected) in [(0..2, 25.0), (2..5, 9.0), (5..6, 49.0)] {
            prop_assert!((square(range) - expected).abs() < 1e-3);
        }
    }
}

#[test]
fn noise_moves_only_what_it_should_and_is_undone_bit_for_bit() {
    for kind in [Kind::Float, Kind::BFloat16] {
        let network = network(kind);
        let before = weights(&network);
        let indices = Tensor::from_slice(&[0i64, 3, 17, 40]);
        let mut perturbation = Perturbation::new(
            &network,
            [(QUERY.to_owned(), Some(indices.copy())), ("classifier.bias".to_owned(), None)],
        );
        assert_eq!(perturbation.components(), 7);
        perturbation.add_noise(0.5, 8);
        let moved: Vec<(String, i64)> = network
            .parameters
            .specs()
            .iter()
            .zip(&before)
            .map(|(spec, before)| {
                (
                    spec.name.clone(),
                    network.parameters.get(&spec.name).not_equal_tensor(before).sum(Kind::Int64).int64_value(&[]),
                )
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(moved, [(QUERY.to_owned(), 4), ("classifier.bias".to_owned(), 3)]);
        let noisy = weights(&network);
        perturbation.add_noise(0.5, 8);
        assert_eq!(noisy, weights(&network));
        perturbation.restore();
        assert_eq!(before, weights(&network));
        perturbation.add_noise(0.5, 9);
        drop(perturbation);
        assert_eq!(before, weights(&network));
    }
}

fn subject(trained: bool) -> Subject {
    let network = network(Kind::Float);
    let indices = Tensor::from_slice(&[2i64, 9, 30]);
    let sparse = TrainedParameter {
        name: QUERY.into(),
        indices: Some(indices),
        values: Tensor::from_slice(&[0.5f32, -0.5, 0.1]),
    };
    let bias = network.parameters.get("classifier.bias") + 0.25;
    let dense = TrainedParameter { name: "classifier.bias".into(), indices: None, values: bias };
    Subject {
        network,
        training: batches(12),
        held_out: batches(9),
        targets: vec![QUERY.into()],
        trained: trained.then(|| TrainedWeights { step: 7, parameters: vec![sparse, dense] }),
        head: Head::as_stored(3),
    }
}

fn small() -> LandscapeOptions {
    LandscapeOptions { directions: 2, points: 5, grid: 3, iterations: 40, ..LandscapeOptions::default() }
}

#[test]
fn finite_differences_agree_with_autograd_and_weights_are_left_as_they_were() {
    for trained in [false, true] {
        let subject = subject(trained);
        let parameters = subject.network.parameters.specs().iter();
        let live: Vec<Tensor> = parameters.map(|spec| subject.network.parameters.get(&spec.name)).collect();
        let before = weights(&subject.network);
        let landscape = measure(subject, &small(), &|_| Ok(())).unwrap();
        // The measurement has dropped the network, but its memory lives on here.
        assert_eq!(before, live);
        let names: Vec<String> = landscape.weights.iter().map(|around| around.weights.name()).collect();
        let expected: &[&str] = if trained {
            &["pre-trained", "trained (step 7)", "random initialisation"]
        } else {
            &["pre-trained", "random initialisation"]
        };
        assert_eq!(names, expected);
        for around in &landscape.weights {
            assert!(around.slope.difference() < 0.01, "{around:?}");
            // Where nothing is moved, the loss is that of the weights.
            assert!(around.lines.iter().all(|line| line[2] == around.loss && line.len() == 5));
            assert!(around.sharpness.as_ref().unwrap().eigenvalue.is_finite());
        }
        assert_eq!(landscape.slice.losses.len(), 9);
        let Some(increment) = landscape.increment else { continue };
        assert_eq!(increment.steps, [-0.5, 0.0, 0.125, 0.75, 1.0, 1.375, 2.0]);
        assert_eq!(increment.training[1], landscape.weights[0].loss);
        assert!((increment.training[4] - landscape.weights[1].loss).abs() < 1e-6);
        assert_eq!(increment.components, 6);
    }
}

#[test]
fn a_cancelled_measurement_leaves_the_weights_as_they_were() {
    let points = std::cell::Cell::new(0);
    let count = |_| {
        points.set(points.get() + 1);
        Ok(())
    };
    measure(subject(true), &small(), &count).unwrap();
    for end in (1..points.get()).step_by(31) {
        let subject = subject(true);
        let parameters = subject.network.parameters.specs().iter();
        let live: Vec<Tensor> = parameters.map(|spec| subject.network.parameters.get(&spec.name)).collect();
        let before = weights(&subject.network);
        points.set(0);
        let cancel = |progress: crate::protocol::Progress| {
            assert!(progress.done < progress.total);
            points.set(points.get() + 1);
            if points.get() < end { Ok(()) } else { anyhow::bail!("cancelled") }
        };
        assert_eq!(measure(subject, &small(), &cancel).err().unwrap().to_string(), "cancelled");
        assert_eq!((before, points.get()), (live, end));
    }
}
