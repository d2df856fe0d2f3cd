//! Selects the components a run trains: the rules name the parameters, and the first gradients rank their components.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use crate::data::Batch;
use crate::eval::DeviceBatch;
use crate::model::backward::{self, BackwardOptions, GradTargets, Gradient, mixed};
use crate::model::{Network, ParameterSpec};
use crate::preset::Select;
use crate::sift::{Coverage, GradientMass, Role, Rules, TrainableParameter, budget, sampled, select};

/// How to select.
pub struct SelectionOptions<'a> {
    pub rules: &'a Rules,
    pub select: Select,
    /// Seed of a random selection.
    pub seed: u64,
    /// The backward pass of the selecting gradient: as in the steps that follow.
    pub backward: BackwardOptions,
}

/// The result of a selection.
pub struct Selection {
    /// Sparse parameters, then dense ones, each in the model's order.
    pub parameters: Vec<TrainableParameter>,
    /// The share of the selecting gradient that is covered; `None` for a selection without a gradient.
    pub mass: Option<GradientMass>,
}

/// Selects what to train. `batches` are the micro-batches whose gradient ranks the components.
///
/// # Errors
/// A gradient that is not finite.
pub fn select_components(network: &Network, options: &SelectionOptions, batches: &[Batch]) -> Result<Selection> {
    let parameters = &network.parameters;
    let of_role = |role| move |spec: &&ParameterSpec| options.rules.role(&spec.name) == role;
    let targets: Vec<&ParameterSpec> = parameters.specs().iter().filter(of_role(Role::Sparse)).collect();
    let k = |spec: &ParameterSpec| budget(spec.shape.iter().product(), options.rules.rate);
    let (indices, mass) = match options.select {
        Select::Gradient if !targets.is_empty() => by_gradient(network, options, &targets, batches)?,
        Select::Magnitude => {
            let largest = targets.iter().map(|spec| select::largest(&parameters.get(&spec.name), k(spec)));
            (largest.collect(), None)
        }
        _ => {
            let seeds = (0..).map(|number| mixed(options.seed, number));
            let random = targets
                .iter()
                .zip(seeds)
                .map(|(spec, seed)| select::random(spec.shape.iter().product(), k(spec), seed));
            (random.collect::<Vec<_>>(), None)
        }
    };
    let parameter = |spec: &ParameterSpec, selected| TrainableParameter {
        name: spec.name.clone(),
        weights: parameters.get(&spec.name),
        selected,
    };
    let sparse = targets.iter().zip(indices).map(|(spec, indices)| parameter(spec, Some(indices)));
    let dense = parameters.specs().iter().filter(of_role(Role::Dense)).map(|spec| parameter(spec, None));
    Ok(Selection { parameters: sparse.chain(dense).collect(), mass })
}

/// The components with the largest gradient over all batches, and the share of the gradient that they cover.
fn by_gradient(
    network: &Network,
    options: &SelectionOptions,
    targets: &[&ParameterSpec],
    batches: &[Batch],
) -> Result<(Vec<Tensor>, Option<GradientMass>)> {
    let names = || targets.iter().map(|spec| spec.name.as_str());
    let grad_targets = GradTargets::new(&network.parameters, names());
    let total: usize = batches.iter().map(|batch| batch.labels.count()).sum();
    let mut ranking = Ranking::new(targets.len(), options.rules.rate);
    for (micro, batch) in batches.iter().enumerate() {
        let last = micro + 1 == batches.len();
        let batch = DeviceBatch::new(batch, network.parameters.device());
        let backward = BackwardOptions { seed: mixed(options.backward.seed, micro as u64), ..options.backward };
        let (chain, objective) =
            (network.segments(&batch.inputs), network.objective(&batch.targets, 1.0 / total as f64));
        let mut take = |slot: usize, gradient: Tensor| match last {
            true => ranking.select(slot, gradient),
            false => ranking.add(slot, gradient),
        };
        let _ = backward::gradients(&*chain, &grad_targets, backward, &objective, &mut |gradients| {
            for gradient in gradients {
                match gradient {
                    Gradient::Linear { slots, x, dy } => {
                        if let Some(slot) = slots.weight {
                            take(slot, sampled::dense_gradient(&x, &dy));
                        }
                        if let Some(slot) = slots.bias {
                            take(slot, dy.sum_dim_intlist(Some(&[0i64][..]), false, Kind::Float));
                        }
                    }
                    Gradient::Leaf { slot, gradient } => take(slot, gradient),
                }
            }
        });
    }
    let mass = ranking.coverage.read();
    if mass.as_ref().is_none_or(|mass| !mass.overall.is_finite()) {
        let narrow = targets.iter().any(|spec| network.parameters.get(&spec.name).kind() != Kind::Float);
        let remedy = if narrow { "set model.dtype = \"f32\"" } else { "check the model's weights" };
        bail!("the gradient of the first batch is not finite, so it cannot select components; {remedy}");
    }
    Ok((ranking.indices.into_iter().flatten().collect(), mass))
}

/// Ranks the components of each target by their summed gradient.
struct Ranking {
    rate: f64,
    /// Sums over the batches so far. With a single batch no gradient is kept.
    sums: Vec<Option<Tensor>>,
    indices: Vec<Option<Tensor>>,
    coverage: Coverage,
}

impl Ranking {
    fn new(targets: usize, rate: f64) -> Ranking {
        let none = || (0..targets).map(|_| None).collect();
        Ranking { rate, sums: none(), indices: none(), coverage: Coverage::new(targets) }
    }

    fn add(&mut self, target: usize, gradient: Tensor) {
        self.sums[target] = Some(self.sum(target, gradient));
    }

    /// Adds the last gradient and selects.
    fn select(&mut self, target: usize, gradient: Tensor) {
        let sum = self.sum(target, gradient);
        let selected = select::largest(&sum, budget(sum.numel() as i64, self.rate));
        self.coverage.measure(target, &sum, &sum.flatten(0, -1).index_select(0, &selected));
        self.indices[target] = Some(selected);
    }

    fn sum(&mut self, target: usize, gradient: Tensor) -> Tensor {
        let gradient = gradient.to_kind(Kind::Float);
        match self.sums[target].take() {
            Some(sum) => sum + gradient,
            None => gradient,
        }
    }
}
