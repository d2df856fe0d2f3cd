//! Which components a run trains: the rules meet the model's names, and the first gradients choose.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use crate::Usage;
use crate::data::Batch;
use crate::eval::DeviceBatch;
use crate::model::backward::{self, BackwardOptions, GradTargets, Gradient, mixed};
use crate::model::{Network, ParameterSpec};
use crate::preset::Select;
use crate::sift::{Coverage, GradientMass, Role, Rules, TrainableParameter, budget, sampled, select};
use crate::suggest;

/// What was chosen.
pub struct Selection {
    /// What to train, in the model's order.
    pub choices: Vec<TrainableParameter>,
    /// How much of the choosing gradient is covered, if a gradient chose.
    pub mass: Option<GradientMass>,
}

/// How to choose.
pub struct Chooser<'a> {
    /// Which parameters.
    pub rules: &'a Rules,
    /// By what.
    pub select: Select,
    /// Decides what chance chooses.
    pub seed: u64,
    /// How the gradient is had: as in the steps that follow.
    pub walk: BackwardOptions,
}

/// Whether every rule finds a parameter, and anything is trained at all.
///
/// # Errors
/// [`Usage`], naming the entry and what is nearest to it.
pub fn check(rules: &Rules, specs: &[ParameterSpec]) -> Result<()> {
    for (key, patterns) in [("sift.modules", &rules.modules), ("sift.dense", &rules.dense)] {
        let idle = patterns.iter().find(|pattern| !specs.iter().any(|spec| spec.name.contains(pattern.as_str())));
        if let Some(pattern) = idle {
            let nearest = suggest::nearest_of_all(pattern, &parts_of_names(specs)).join(", ");
            let number = specs.len();
            bail!(Usage(format!(
                "{key}: \"{pattern}\" is in none of the model's {number} parameter names; nearest are {nearest}"
            )));
        }
    }
    if specs.iter().all(|spec| rules.role(&spec.name) == Role::Frozen) {
        bail!(Usage("sift.modules, sift.dense: they choose no parameter, so there is nothing to train".into()));
    }
    Ok(())
}

/// Chooses what to train. `batches` are the micro-batches whose gradient chooses.
///
/// # Errors
/// A gradient that is not finite.
pub fn choose(network: &Network, chooser: &Chooser, batches: &[Batch]) -> Result<Selection> {
    let parameters = &network.parameters;
    let role = |spec: &&ParameterSpec| chooser.rules.role(&spec.name);
    let targets: Vec<&ParameterSpec> = parameters.specs().iter().filter(|spec| role(spec) == Role::Sparse).collect();
    let k = |spec: &ParameterSpec| budget(spec.shape.iter().product(), chooser.rules.rate);
    let (indices, mass) = match chooser.select {
        Select::Gradient if !targets.is_empty() => by_gradient(network, chooser, &targets, batches)?,
        Select::Magnitude => {
            let largest = targets.iter().map(|spec| select::largest(&parameters.get(&spec.name), k(spec)));
            (largest.collect(), None)
        }
        _ => {
            let seeds = (0..).map(|number| mixed(chooser.seed, number));
            let drawn = targets
                .iter()
                .zip(seeds)
                .map(|(spec, seed)| select::random(spec.shape.iter().product(), k(spec), seed));
            (drawn.collect::<Vec<_>>(), None)
        }
    };
    let trainable = |spec: &ParameterSpec, selected| TrainableParameter {
        name: spec.name.clone(),
        weights: parameters.get(&spec.name),
        selected,
    };
    let sparse = targets.iter().zip(indices).map(|(spec, indices)| trainable(spec, Some(indices)));
    let dense = parameters.specs().iter().filter(|spec| role(spec) == Role::Dense);
    let dense = dense.map(|spec| trainable(spec, None));
    Ok(Selection { choices: sparse.chain(dense).collect(), mass })
}

/// The components with the largest gradient of the batches together, and how much of it they are.
fn by_gradient(
    network: &Network,
    chooser: &Chooser,
    targets: &[&ParameterSpec],
    batches: &[Batch],
) -> Result<(Vec<Tensor>, Option<GradientMass>)> {
    let wanted = GradTargets::new(&network.parameters, targets.iter().map(|spec| spec.name.as_str()));
    let total: usize = batches.iter().map(|batch| batch.targets.count()).sum();
    let mut sums: Vec<Option<Tensor>> = targets.iter().map(|_| None).collect();
    let mut indices: Vec<Option<Tensor>> = targets.iter().map(|_| None).collect();
    let mut coverage = Coverage::new(targets.len());
    for (micro, batch) in batches.iter().enumerate() {
        let last = micro + 1 == batches.len();
        let loaded = DeviceBatch::new(batch, network.parameters.device());
        let walk = BackwardOptions { seed: mixed(chooser.walk.seed, micro as u64), ..chooser.walk };
        // With one batch each gradient is used and dropped; only several have to be kept and added up.
        let mut take = |number: usize, gradient: Tensor| {
            let gradient = gradient.to_kind(Kind::Float);
            let sum = match sums[number].take() {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            if last {
                let chosen = select::largest(&sum, budget(sum.numel() as i64, chooser.rules.rate));
                coverage.measure(number, &sum, &sum.flatten(0, -1).index_select(0, &chosen));
                indices[number] = Some(chosen);
            } else {
                sums[number] = Some(sum);
            }
        };
        let (chain, objective) =
            (network.segments(&loaded.inputs), network.objective(&loaded.targets, 1.0 / total as f64));
        let _ = backward::gradients(&*chain, &wanted, walk, &objective, &mut |gradients| {
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
    let mass = coverage.read();
    if mass.as_ref().is_none_or(|mass| !mass.overall.is_finite()) {
        bail!(
            "the gradient of the first batch is not finite, so it cannot choose components; is the model sound, and \
               model.dtype wide enough?"
        );
    }
    Ok((indices.into_iter().flatten().collect(), mass))
}

/// What a user may have meant: `query`, `self.query`, `attention.self.query`, of every name.
fn parts_of_names(specs: &[ParameterSpec]) -> Vec<String> {
    let mut parts = BTreeSet::new();
    for spec in specs {
        let module = spec.name.rsplit_once('.').map_or(spec.name.as_str(), |(module, _)| module);
        let after_number = module.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
        let mut rest = module[after_number..].trim_start_matches('.');
        while !rest.is_empty() {
            parts.insert(rest.to_owned());
            rest = rest.split_once('.').map_or("", |(_, rest)| rest);
        }
    }
    parts.into_iter().collect()
}
