//! The largest eigenvalue of the loss's Hessian, with Hessian-vector products of finite differences.

use anyhow::Result;
use tch::{Kind, Tensor};

use super::batches::FixedBatches;
use super::lobpcg::{IterationLimits, dot, largest_eigenpair};
use super::outcome::Sharpness;
use crate::analysis::perturb::{Perturbation, noise};
use crate::model::Network;
use crate::model::backward::GradTargets;

/// Length of the first step of the finite differences, as a share of the norm of the weights.
const STEP: f64 = 2.5e-4;

/// Products in all, as a multiple of those of an iteration: beyond it no shorter step is tried.
const LIMIT: usize = 2;

/// The step is small enough if half of it changes the eigenvalue by less than this share.
const AGREEMENT: f64 = 0.01;

/// How to compute a sharpness.
#[derive(Clone, Copy, Debug)]
pub struct SharpnessOptions {
    /// When an iteration ends.
    pub limits: IterationLimits,
    /// Seed of the first vector.
    pub seed: u64,
}

/// The largest eigenvalue of the Hessian of the mean loss over these parameters, or over some of their components, by
/// [`largest_eigenpair`].
///
/// Hv = (g(w + εv) − g(w − εv)) / 2ε, in which g is the gradient from backpropagation and v a unit vector: two gradients a product. ε
/// starts at 0.025 % of ‖w‖ and is halved until half of it changes the eigenvalue by less than 1 %. In memory: the vectors of the
/// iteration, of as many components as are differentiated, and the copy of their weights.
///
/// # Errors
/// Those of `observe`, which is called before each product.
pub fn largest_eigenvalue(
    network: &Network,
    batches: &FixedBatches,
    perturbation: Perturbation,
    options: SharpnessOptions,
    mut observe: impl FnMut() -> Result<()>,
) -> Result<Sharpness> {
    let mut hessian = Hessian::new(network, batches, perturbation);
    let components = hessian.perturbation.components();
    let mut vector = noise(&Tensor::zeros([components], (Kind::Float, network.parameters.device())), options.seed);
    let mut used = 0;
    loop {
        let times = |vector: &Tensor| {
            observe()?;
            Ok(hessian.times(vector))
        };
        let pair = largest_eigenpair(times, &vector, options.limits)?;
        let step = hessian.step;
        hessian.step /= 2.0;
        observe()?;
        let halved = dot(&pair.vector, &hessian.times(&pair.vector));
        used += pair.products + 1;
        let agrees = (halved - pair.value).abs() <= AGREEMENT * pair.value.abs();
        if agrees || used >= LIMIT * options.limits.products {
            return Ok(Sharpness {
                eigenvalue: pair.value,
                residual: pair.residual,
                products: used,
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
