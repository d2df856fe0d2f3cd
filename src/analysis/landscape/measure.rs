//! Measures a landscape: the loss at every point, one set of weights after the other.

use anyhow::Result;
use tch::{Kind, Tensor, no_grad};

use super::batches::FixedBatches;
use super::derivative::{self, derivative};
use super::direction::Direction;
use super::grid::line;
use super::lobpcg::IterationLimits;
use super::options::{HessianScope, LandscapeOptions};
use super::outcome::{Around, Increment, Landscape, Sharpness, Slice, SlopeCheck, Weights};
use super::sharpness::{SharpnessOptions, largest_eigenvalue};
use super::subject::{Subject, TrainedWeights, matrices};
use crate::analysis::perturb::Perturbation;
use crate::model::backward::GradTargets;
use crate::model::{Head, LoadOptions, Network, mixed};
use crate::protocol::Progress;

/// Where the derivative's first step ends: this share of a random direction.
const SLOPE_STEP: f64 = 0.05;

/// Called at every point; an error of it ends the analysis.
pub type Observer<'a> = &'a dyn Fn(Progress) -> Result<()>;

/// Measures the landscape of a subject. Pre-trained, trained and random weights come one after the other: besides one network
/// only a copy of the weights that are moved is in memory, and of the directions those that are small.
///
/// # Errors
/// Those of `observe`.
pub fn measure(subject: Subject, options: &LandscapeOptions, observe: Observer) -> Result<Landscape> {
    let Subject { network, training, held_out, targets, trained, head } = subject;
    let hessian = match (options.hessian, &trained) {
        (HessianScope::None, _) => Vec::new(),
        (HessianScope::Selected, Some(trained)) => trained.selected(),
        (HessianScope::Selected | HessianScope::Targets, _) => targets.into_iter().map(|name| (name, None)).collect(),
    };
    let scene = Scene { training: &training, hessian: &hessian, options, observe };
    let steps = line(-options.span, options.span, options.points, &[0.0]);

    let mut weights = vec![scene.around(&network, Weights::PreTrained, &steps)?];
    let (increment, slice) = match &trained {
        None => (None, scene.random_slice(&network)?),
        Some(trained) => {
            let mut along = AlongIncrement::new(&network, trained);
            let increment = scene.increment(&network, &mut along, &held_out)?;
            let slice = scene.increment_slice(&network, &mut along)?;
            along.perturbation.set_along(&[(1.0, &along.increment)]);
            weights.push(scene.around(&network, Weights::Trained(trained.step), &steps)?);
            (Some(increment), slice)
        }
    };
    let twin = random_twin(network, head, options.seed)?;
    weights.push(scene.around(&twin, Weights::Random, &steps)?);
    Ok(Landscape { steps, weights, increment, slice })
}

/// What stays the same for all weights.
struct Scene<'a> {
    training: &'a FixedBatches,
    /// Parameters whose Hessian is looked at, or components of theirs.
    hessian: &'a [(String, Option<Tensor>)],
    options: &'a LandscapeOptions,
    observe: Observer<'a>,
}

/// The parameters that a run trained, and the way from their initial to their trained values.
struct AlongIncrement {
    perturbation: Perturbation,
    increment: Direction,
}

impl AlongIncrement {
    fn new(network: &Network, trained: &TrainedWeights) -> AlongIncrement {
        let parameters = trained.parameters.iter();
        let moved = parameters.clone().map(|one| (one.name.clone(), one.indices.as_ref().map(Tensor::shallow_clone)));
        let perturbation = Perturbation::new(network, moved);
        let values: Vec<Tensor> = parameters.map(|one| one.values.shallow_clone()).collect();
        AlongIncrement { increment: Direction::toward(&perturbation, &values), perturbation }
    }
}

impl Scene<'_> {
    fn around(&self, network: &Network, weights: Weights, steps: &[f64]) -> Result<Around> {
        let names = matrices(network);
        let mut perturbation = Perturbation::new(network, names.iter().map(|name| (name.clone(), None)));
        let loss = self.training.loss(network);
        let mut meter =
            self.meter(format!("{}: random directions", weights.name()), steps.len() * self.options.directions);
        let mut lines = Vec::with_capacity(self.options.directions);
        for number in 0..self.options.directions {
            let direction = self.direction(&perturbation, number);
            let mut losses = Vec::with_capacity(steps.len());
            for &step in steps {
                meter.tick()?;
                perturbation.set_along(&[(step, &direction)]);
                losses.push(self.training.loss(network));
            }
            lines.push(losses);
        }
        let slope = self.slope(network, &mut perturbation, weights)?;
        drop(perturbation);
        let sharpness = self.sharpness(network, weights)?;
        Ok(Around { weights, loss, lines, slope, sharpness })
    }

    /// A random direction, by its number. The same noise for all weights, scaled to each.
    fn direction(&self, perturbation: &Perturbation, number: usize) -> Direction {
        Direction::filter_normalised(perturbation, mixed(self.options.seed, number as u64))
    }

    /// The derivative along the first random direction, from losses and from the gradient.
    fn slope(&self, network: &Network, perturbation: &mut Perturbation, weights: Weights) -> Result<SlopeCheck> {
        let direction = self.direction(perturbation, 0);
        let mut meter = self.meter(format!("{}: self-check of the gradient", weights.name()), 2 * derivative::STEPS);
        let loss_at = |step: f64| {
            meter.tick()?;
            perturbation.set_along(&[(step, &direction)]);
            Ok::<f64, anyhow::Error>(self.training.loss(network))
        };
        let differences = derivative(loss_at, SLOPE_STEP)?;
        perturbation.restore();
        let parameters = perturbation.parameters();
        let targets = GradTargets::new(&network.parameters, parameters.iter().map(|one| one.name.as_str()));
        let mut autograd = 0.0;
        self.training.gradients(network, &targets, |slot, gradient| {
            let product = gradient.to_kind(Kind::Float) * direction.part(slot, &parameters[slot]);
            autograd += product.sum(Kind::Double).double_value(&[]);
        });
        Ok(SlopeCheck { differences, autograd })
    }

    fn sharpness(&self, network: &Network, weights: Weights) -> Result<Option<Sharpness>> {
        if self.hessian.is_empty() {
            return Ok(None);
        }
        let parameters = self.hessian.iter();
        let perturbation = Perturbation::new(
            network,
            parameters.map(|(name, indices)| (name.clone(), indices.as_ref().map(Tensor::shallow_clone))),
        );
        let LandscapeOptions { iterations, tolerance, seed, .. } = *self.options;
        let mut meter = self.meter(format!("{}: Hessian-vector products", weights.name()), iterations);
        let options = SharpnessOptions { limits: IterationLimits { products: iterations, tolerance }, seed };
        largest_eigenvalue(network, self.training, perturbation, options, || meter.tick()).map(Some)
    }

    /// The losses at W0 + α (W − W0).
    fn increment(&self, network: &Network, along: &mut AlongIncrement, held_out: &FixedBatches) -> Result<Increment> {
        let (from, to) = INCREMENT;
        let steps = line(from, to, self.options.points, &[0.0, 1.0]);
        let mut meter = self.meter("trained increment".into(), steps.len());
        let (mut training, mut of_held_out) = (Vec::new(), Vec::new());
        for &step in &steps {
            meter.tick()?;
            along.perturbation.set_along(&[(step, &along.increment)]);
            training.push(self.training.loss(network));
            of_held_out.push(held_out.loss(network));
        }
        along.perturbation.restore();
        let norm = along.increment.norm(&along.perturbation);
        Ok(Increment {
            steps,
            training,
            held_out: of_held_out,
            norm,
            components: along.perturbation.components() as u64,
        })
    }

    /// The plane of the increment and a random direction in the trained components, whose rows are as long as the increment's.
    fn increment_slice(&self, network: &Network, along: &mut AlongIncrement) -> Result<Slice> {
        let (from, to) = INCREMENT;
        let half = (to - from) / 2.0;
        let (xs, ys) = (line(from, to, self.options.grid, &[]), line(-half, half, self.options.grid, &[]));
        let random = Direction::as_long_as(&along.perturbation, &along.increment, self.options.seed);
        let slice = self.slice(network, &mut along.perturbation, [&along.increment, &random], xs, ys)?;
        along.perturbation.restore();
        Ok(slice)
    }

    /// The plane of the first two random directions.
    fn random_slice(&self, network: &Network) -> Result<Slice> {
        let mut perturbation = Perturbation::new(network, matrices(network).into_iter().map(|name| (name, None)));
        let axis = line(-self.options.span, self.options.span, self.options.grid, &[]);
        let (first, second) = (self.direction(&perturbation, 0), self.direction(&perturbation, 1));
        self.slice(network, &mut perturbation, [&first, &second], axis.clone(), axis)
    }

    fn slice(
        &self,
        network: &Network,
        perturbation: &mut Perturbation,
        [first, second]: [&Direction; 2],
        xs: Vec<f64>,
        ys: Vec<f64>,
    ) -> Result<Slice> {
        let mut meter = self.meter("2-D slice".into(), xs.len() * ys.len());
        let mut losses = Vec::with_capacity(xs.len() * ys.len());
        for &y in &ys {
            for &x in &xs {
                meter.tick()?;
                perturbation.set_along(&[(x, first), (y, second)]);
                losses.push(self.training.loss(network));
            }
        }
        Ok(Slice { xs, ys, losses })
    }

    fn meter(&self, task: String, total: usize) -> Meter<'_> {
        Meter { task, done: 0, total: total as u64, observe: self.observe }
    }
}

/// Where along the trained increment the loss is measured: from before W0 to beyond W, in multiples of W − W0.
const INCREMENT: (f64, f64) = (-0.5, 2.0);

/// Counts the points of a task.
struct Meter<'a> {
    task: String,
    done: u64,
    total: u64,
    observe: Observer<'a>,
}

impl Meter<'_> {
    /// Before each point.
    fn tick(&mut self) -> Result<()> {
        // An iteration may need more points than expected.
        self.total = self.total.max(self.done + 1);
        (self.observe)(Progress {
            task: self.task.clone(),
            done: self.done,
            total: self.total,
            unit: "points".into(),
        })?;
        self.done += 1;
        Ok(())
    }
}

/// A network of the same shape before any training, initialised as transformers does, with the classifier of this one. This one is
/// dropped first.
fn random_twin(network: Network, head: Head, seed: u64) -> Result<Network> {
    let classifier = network.parameters.specs().iter().filter(|spec| spec.is_classifier());
    let classifier: Vec<_> =
        classifier.map(|spec| (spec.name.clone(), network.parameters.get(&spec.name).copy())).collect();
    let options = LoadOptions { head, dtype: Kind::Float, device: network.parameters.device(), offload: None, seed };
    let config = network.config.clone();
    drop(network);
    let twin = Network::random(config, &options)?;
    no_grad(|| classifier.iter().for_each(|(name, values)| twin.parameters.get(name).copy_(values)));
    Ok(twin)
}
