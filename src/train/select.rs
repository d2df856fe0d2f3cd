//! Selects the components a run trains: the rules name the parameters, and the first gradients rank their components.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use crate::data::Batch;
use crate::eval::DeviceBatch;
use crate::model::backward::{self, BackwardOptions, GradTargets, Gradient, mixed};
use crate::model::{Network, ParameterSpec};
use crate::sift::select::{Criterion, GradientSum, select};
use crate::sift::{Coverage, GradientMass, Role, Rules, TrainableParameter, sampled};

/// How to select.
pub struct SelectionOptions<'a> {
    pub rules: &'a Rules,
    pub criterion: Criterion,
    /// Seed of a random selection.
    pub seed: u64,
    /// The backward pass of the selecting gradient: as in the steps that follow.
    pub backward: BackwardOptions,
}

/// The result of a selection.
pub struct Selection {
    /// Sparse parameters, then dense ones, each in the model's order.
    pub parameters: Vec<TrainableParameter>,
    /// The share of the first gradient that is covered; `None` without targets.
    pub mass: Option<GradientMass>,
}

/// Selects what to train. `batches` are the micro-batches whose gradient ranks the components, or for a criterion without a
/// gradient shows what the selection covers of it.
///
/// # Errors
/// A gradient that is not finite.
pub fn select_components(network: &Network, options: &SelectionOptions, batches: &[Batch]) -> Result<Selection> {
    let parameters = &network.parameters;
    let of_role = |role| move |spec: &&ParameterSpec| options.rules.role(&spec.name) == role;
    let targets: Vec<&ParameterSpec> = parameters.specs().iter().filter(of_role(Role::Sparse)).collect();
    let (indices, mass) =
        if targets.is_empty() { (Vec::new(), None) } else { rank(network, options, &targets, batches)? };
    let parameter = |spec: &ParameterSpec, selected| TrainableParameter {
        name: spec.name.clone(),
        weights: parameters.get(&spec.name),
        selected,
    };
    let sparse = targets.iter().zip(indices).map(|(spec, indices)| parameter(spec, Some(indices)));
    let dense = parameters.specs().iter().filter(of_role(Role::Dense)).map(|spec| parameter(spec, None));
    Ok(Selection { parameters: sparse.chain(dense).collect(), mass })
}

/// The selected components of each target, and the share of the gradient over all batches that they cover.
fn rank(
    network: &Network,
    options: &SelectionOptions,
    targets: &[&ParameterSpec],
    batches: &[Batch],
) -> Result<(Vec<Tensor>, Option<GradientMass>)> {
    let names = || targets.iter().map(|spec| spec.name.as_str());
    let grad_targets = GradTargets::new(&network.parameters, names());
    let total: usize = batches.iter().map(|batch| batch.labels.count()).sum();
    let mut ranking = Ranking::new(network, options, targets);
    for (micro, batch) in batches.iter().enumerate() {
        let last = micro + 1 == batches.len();
        let batch = DeviceBatch::new(batch, network.parameters.device());
        let backward = BackwardOptions { seed: mixed(options.backward.seed, micro as u64), ..options.backward };
        let (chain, objective) =
            (network.segments(&batch.inputs), network.objective(&batch.targets, 1.0 / total as f64));
        let mut take = |slot: usize, gradient: Tensor| match last {
            true => ranking.select(slot, &gradient),
            false => ranking.add(slot, &gradient),
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

/// Ranks the components of each target by their gradients over all batches.
struct Ranking<'a> {
    network: &'a Network,
    options: &'a SelectionOptions<'a>,
    targets: &'a [&'a ParameterSpec],
    /// What the criterion keeps of the batches so far. With a single batch no gradient is kept.
    sums: Vec<GradientSum>,
    indices: Vec<Option<Tensor>>,
    coverage: Coverage,
}

impl<'a> Ranking<'a> {
    fn new(network: &'a Network, options: &'a SelectionOptions, targets: &'a [&'a ParameterSpec]) -> Ranking<'a> {
        let sums = targets.iter().map(|_| GradientSum::default()).collect();
        let indices = targets.iter().map(|_| None).collect();
        Ranking { network, options, targets, sums, indices, coverage: Coverage::new(targets.len()) }
    }

    fn add(&mut self, target: usize, gradient: &Tensor) {
        self.sums[target].add(self.options.criterion, gradient);
    }

    /// Adds the last gradient and selects.
    fn select(&mut self, target: usize, gradient: &Tensor) {
        let SelectionOptions { rules, criterion, seed, .. } = *self.options;
        self.add(target, gradient);
        let sum = std::mem::take(&mut self.sums[target]);
        let weights = self.network.parameters.get(&self.targets[target].name);
        let seed = mixed(seed, target as u64);
        let selected = select(criterion, rules.structure, rules.rate, &weights, &sum, seed);
        let gradient = sum.gradient(criterion);
        let covered = gradient.flatten(0, -1).index_select(0, &selected.to_device(gradient.device()));
        self.coverage.measure(target, &gradient, &covered);
        self.indices[target] = Some(selected);
    }
}
