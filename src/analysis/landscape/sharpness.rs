//! The largest eigenvalue of the loss's Hessian, by power iteration with Hessian-vector products of finite differences.

use std::cell::Cell;

use anyhow::Result;
use tch::{Kind, Tensor};

use super::batches::FixedBatches;
use super::outcome::Sharpness;
use crate::analysis::perturb::{Perturbation, noise};
use crate::model::Network;
use crate::model::backward::GradTargets;

/// Length of the first step of the finite differences, as a share of the norm of the weights.
const STEP: f64 = 1e-3;

/// Products in all, as a multiple of the iterations: for both signs and for shorter steps.
const LIMIT: usize = 2;

/// The step is small enough if half of it changes the eigenvalue by less than this share.
const AGREEMENT: f64 = 0.01;

/// When the iteration ends.
#[derive(Clone, Copy, Debug)]
pub struct PowerIteration {
    /// Products with the matrix at most.
    pub iterations: usize,
    /// Relative change of the eigenvalue from one iteration to the next, below which it has converged.
    pub tolerance: f64,
    /// Seed of the first vector.
    pub seed: u64,
}

/// The result of a power iteration.
pub struct Eigenpair {
    /// The Rayleigh quotient v·Hv of the last unit vector v.
    pub value: f64,
    /// The last unit vector.
    pub vector: Tensor,
    /// ‖Hv − λv‖: within this distance of `value` the matrix has an eigenvalue.
    pub residual: f64,
    /// Products with the matrix.
    pub iterations: usize,
    /// Whether the value had converged.
    pub converged: bool,
}

/// The eigenvalue of largest magnitude of a symmetric matrix, known by its products with vectors, fp32 `[n]`, from a first
/// vector on.
///
/// # Errors
/// Those of `times`.
pub fn power_iteration(
    mut times: impl FnMut(&Tensor) -> Result<Tensor>,
    first: &Tensor,
    options: PowerIteration,
) -> Result<Eigenpair> {
    let mut pair =
        Eigenpair { value: f64::NAN, vector: unit(first), residual: f64::INFINITY, iterations: 0, converged: false };
    while pair.iterations < options.iterations && !pair.converged {
        let product = times(&pair.vector)?;
        let value = dot(&pair.vector, &product);
        pair.iterations += 1;
        pair.residual = norm(&(&product - &pair.vector * value));
        pair.converged = (value - pair.value).abs() <= options.tolerance * value.abs();
        pair.value = value;
        // The vector that belongs to the value is kept at the end.
        if !pair.converged && pair.iterations < options.iterations && norm(&product) > 0.0 {
            pair.vector = unit(&product);
        }
    }
    Ok(pair)
}

/// The largest eigenvalue of the Hessian of the mean loss over these parameters, or over some of their components.
///
/// Hv = (g(w + εv) − g(w − εv)) / 2ε, in which g is the gradient from backpropagation and v a unit vector: two gradients a product. ε
/// starts at a thousandth of ‖w‖ and is halved until half of it changes the eigenvalue by less than 1 %. Power iteration converges to
/// the eigenvalue of largest magnitude λ; if that is negative, a second iteration on H − λI gives the largest one. In memory: two vectors
/// of as many components as are differentiated, and the copy of their weights.
///
/// # Errors
/// Those of `observe`, which is called before each product.
pub fn largest_eigenvalue(
    network: &Network,
    batches: &FixedBatches,
    perturbation: Perturbation,
    options: PowerIteration,
    mut observe: impl FnMut() -> Result<()>,
) -> Result<Sharpness> {
    let mut hessian = Hessian::new(network, batches, perturbation);
    let components = hessian.perturbation.components();
    let mut vector = noise(&Tensor::zeros([components], (Kind::Float, network.parameters.device())), options.seed);
    let products = Cell::new(0);
    // Each iteration has its limit, and all of them together have one.
    let limited = || {
        let left = (LIMIT * options.iterations).saturating_sub(products.get());
        PowerIteration { iterations: left.min(options.iterations).max(1), ..options }
    };
    loop {
        let mut times = |vector: &Tensor| {
            observe()?;
            products.set(products.get() + 1);
            Ok(hessian.times(vector))
        };
        let (mut pair, mut most_negative) = (power_iteration(&mut times, &vector, limited())?, None);
        if pair.value < 0.0 {
            let negative = pair.value;
            let shifted = |vector: &Tensor| Ok(times(vector)? - vector * negative);
            // The eigenvector of the negative one has none of the other in it: start again.
            let largest = power_iteration(shifted, &vector, limited())?;
            (pair, most_negative) = (Eigenpair { value: largest.value + negative, ..largest }, Some(negative));
        }
        let step = hessian.step;
        hessian.step /= 2.0;
        observe()?;
        products.set(products.get() + 1);
        let halved = dot(&pair.vector, &hessian.times(&pair.vector));
        let agrees = (halved - pair.value).abs() <= AGREEMENT * pair.value.abs();
        if agrees || products.get() >= LIMIT * options.iterations {
            return Ok(Sharpness {
                eigenvalue: pair.value,
                most_negative,
                residual: pair.residual,
                products: products.get(),
                converged: pair.converged && agrees,
                step,
                halved,
                components: components as u64,
            });
        }
        vector = pair.vector;
    }
}

/// Products of the Hessian with vectors.
struct Hessian<'a> {
    network: &'a Network,
    batches: &'a FixedBatches,
    perturbation: Perturbation,
    targets: GradTargets,
    /// ε.
    step: f64,
}

impl Hessian<'_> {
    fn new<'a>(network: &'a Network, batches: &'a FixedBatches, perturbation: Perturbation) -> Hessian<'a> {
        let targets =
            GradTargets::new(&network.parameters, perturbation.parameters().iter().map(|one| one.name.as_str()));
        let square = |base: Tensor| base.square().sum(Kind::Double).double_value(&[]);
        let norm = perturbation.parameters().iter().map(|one| square(one.base())).sum::<f64>().sqrt();
        // Weights that are all zero, as new biases, have no length to take a share of.
        let step = if norm > 0.0 { STEP * norm } else { STEP };
        Hessian { network, batches, perturbation, targets, step }
    }

    /// Hv for a unit vector v, fp32 `[n]`. The weights are those of the base again afterwards.
    fn times(&mut self, vector: &Tensor) -> Tensor {
        let mut ends = vec![0];
        ends.extend(self.perturbation.parameters().iter().scan(0, |end, one| {
            *end += one.components();
            Some(*end)
        }));
        let part = |flat: &Tensor, number: usize| flat.narrow(0, ends[number], ends[number + 1] - ends[number]);
        let product = vector.zeros_like();
        for step in [self.step, -self.step] {
            self.perturbation.set(|number, _, base| part(vector, number).view_as(base) * step);
            let parameters = self.perturbation.parameters();
            self.batches.gradients(self.network, &self.targets, |slot, gradient| {
                let gradient = gradient.to_kind(Kind::Float).flatten(0, -1);
                let gradient = match &parameters[slot].indices {
                    Some(indices) => gradient.index_select(0, indices),
                    None => gradient,
                };
                let _ = part(&product, slot).g_add_(&(gradient / (2.0 * step)));
            });
        }
        self.perturbation.restore();
        product
    }
}

impl Drop for Hessian<'_> {
    fn drop(&mut self) {
        self.perturbation.require_no_gradient();
    }
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    (a * b).sum(Kind::Double).double_value(&[])
}

fn norm(vector: &Tensor) -> f64 {
    dot(vector, vector).sqrt()
}

fn unit(vector: &Tensor) -> Tensor {
    vector / norm(vector)
}
