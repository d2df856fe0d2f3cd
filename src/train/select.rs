//! Selects the components a run trains: the rules name the parameters, and the first gradients rank their components.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tch::{Cuda, Device, Kind, Tensor};

use super::batch_part::BatchPart;
use crate::data::Batch;
use crate::distributed::{DistributedError, World};
use crate::eval::DeviceBatch;
use crate::model::backward::{self, BackwardOptions, GradTargets, Gradient};
use crate::model::{Network, ParameterSpec, mixed};
use crate::sift::select::{Budget, Criterion, GlobalBudget, GradientSum, Structure, add_to_global, select};
use crate::sift::{Coverage, GradientMass, Role, Rules, Selected, TrainableParameter, sampled};

/// Tokens whose gradient is computed in double precision at a time.
const WIDE_TOKENS: i64 = 128;

/// How to select.
pub struct SelectionOptions<'a> {
    pub rules: &'a Rules,
    pub criterion: Criterion,
    pub budget: Budget,
    /// Seed of a random selection.
    pub seed: u64,
    /// The backward pass of the selecting gradient: as in the steps that follow.
    pub backward: BackwardOptions,
    /// Structures whose gradient mass is measured for comparison.
    pub compared: &'a [Structure],
    /// The selection that is replaced, of each target; empty for none.
    pub replaced: &'a [Selected],
    /// The ranks whose gradients are added up.
    pub world: &'a World,
}

/// The result of a selection.
pub struct Selection {
    /// Sparse parameters, then dense ones, each in the model's order.
    pub parameters: Vec<TrainableParameter>,
    /// The gradient mass of each target in the selecting gradient.
    pub coverage: Coverage,
    /// The share of the selecting gradient that is covered; `None` without targets.
    pub mass: Option<GradientMass>,
    /// The share of the same gradient that the replaced selection covers.
    pub replaced: Option<GradientMass>,
    pub comparison: Comparison,
}

/// The gradient mass that other structures would cover.
#[derive(Default)]
pub struct Comparison {
    /// Of each compared structure, with the components that it selects; empty without targets.
    pub structures: Vec<(Structure, u64, GradientMass)>,
    /// The time that measuring took.
    pub time: Duration,
}

impl<'a> SelectionOptions<'a> {
    /// SIFT: the largest gradients of each target.
    pub fn gradient(rules: &'a Rules, backward: BackwardOptions) -> SelectionOptions<'a> {
        let (criterion, budget) = (Criterion::Gradient, Budget::PerTensor);
        SelectionOptions {
            rules,
            criterion,
            budget,
            seed: 0,
            backward,
            compared: &[],
            replaced: &[],
            world: &World::ALONE,
        }
    }
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
    let mut ranking = Ranking::new(network, options, &targets);
    if !targets.is_empty() {
        rank(&mut ranking, batches)?;
    }
    let Ranked { selected, coverage, replaced, comparison } = ranking.finish();
    let mass = coverage.read();
    if !targets.is_empty() && mass.as_ref().is_none_or(|mass| !mass.overall.is_finite()) {
        let narrow = targets.iter().any(|spec| parameters.get(&spec.name).kind() != Kind::Float);
        let remedy = if narrow { "set model.dtype = \"f32\"" } else { "check the model's weights" };
        bail!("the gradient of the first batch is not finite, so it cannot select components; {remedy}");
    }
    let parameter = |spec: &ParameterSpec, selected| TrainableParameter {
        name: spec.name.clone(),
        weights: parameters.get(&spec.name),
        selected,
    };
    let sparse = targets.iter().zip(selected).map(|(spec, selected)| parameter(spec, Some(selected)));
    let dense = parameters.specs().iter().filter(of_role(Role::Dense)).map(|spec| parameter(spec, None));
    let replaced = replaced.read();
    Ok(Selection { parameters: sparse.chain(dense).collect(), coverage, mass, replaced, comparison })
}

/// Ranks the components of the targets by their gradients over all batches, one matrix at a time.
fn rank(ranking: &mut Ranking, batches: &[Batch]) -> Result<(), DistributedError> {
    let (network, options) = (ranking.network, ranking.options);
    let names = ranking.targets.iter().map(|spec| spec.name.as_str());
    let grad_targets = GradTargets::new(&network.parameters, names);
    let total: usize = batches.iter().map(|batch| batch.labels.count()).sum();
    for (micro, batch) in batches.iter().enumerate() {
        let last = micro + 1 == batches.len();
        let part = BatchPart::of(batch, options.world);
        let _numbered = part.numbered();
        let batch = DeviceBatch::new(&part.batch, network.parameters.device());
        // Dense gradients take whole inputs. Where training keeps parts of them, selecting must not take more memory than it.
        let checkpointing = options.backward.checkpointing || options.rules.structure.narrows_inputs();
        let backward =
            BackwardOptions { seed: mixed(options.backward.seed, micro as u64), checkpointing, ..options.backward };
        let (chain, objective) =
            (network.segments(&batch.inputs), network.objective(&batch.targets, part.weight / total as f64));
        let mut summed = Ok(());
        let mut take = |slot: usize, gradient: Tensor| {
            // Many ranks' gradients in bf16 would lose in their sum what tells components apart.
            let gradient = if options.world.is_alone() { gradient } else { widened(gradient) };
            // One target at a time: a rank never has the dense gradients of several.
            if summed.is_ok() {
                summed = options.world.all_reduce(&gradient);
            }
            let gradient = narrow(gradient);
            match last {
                true => ranking.select(slot, &gradient),
                false => ranking.add(slot, &gradient),
            }
        };
        let _ = backward::gradients(&*chain, &grad_targets, backward, &objective, &mut |gradients| {
            for gradient in gradients {
                match gradient {
                    Gradient::Linear { slots, x, dy } => {
                        if let Some(slot) = slots.weight {
                            take(slot, selecting_gradient(&x, &dy));
                        }
                        if let Some(slot) = slots.bias {
                            let kind = if dy.device() == Device::Cpu { Kind::Double } else { Kind::Float };
                            take(slot, dy.sum_dim_intlist(Some(&[0i64][..]), false, kind));
                        }
                    }
                    Gradient::Leaf { slot, gradient } => take(slot, gradient.contiguous()),
                }
            }
        });
        summed?;
        if let Some(offload) = &network.offload {
            offload.outcome()?;
        }
    }
    Ok(())
}

/// The dense gradient; on a CPU in double precision: sums of any number of ranks are the same then once they are rounded, and so is what
/// is selected. On a GPU, where that would take too long, components of almost the same score may change places.
fn selecting_gradient(x: &Tensor, dy: &Tensor) -> Tensor {
    if x.device() != Device::Cpu {
        return sampled::dense_gradient(x, dy);
    }
    // A part of the tokens at a time: copies of all would be larger than what finding the largest components takes.
    let parts = x.split(WIDE_TOKENS, 0).into_iter().zip(dy.split(WIDE_TOKENS, 0));
    let wide = parts.map(|(x, dy)| sampled::dense_gradient(&x.to_kind(Kind::Double), &dy.to_kind(Kind::Double)));
    let sum = wide.reduce(|mut sum, part| sum.g_add_(&part));
    sum.unwrap_or_else(|| sampled::dense_gradient(x, dy))
}

fn widened(gradient: Tensor) -> Tensor {
    if gradient.kind() == Kind::Double { gradient } else { gradient.to_kind(Kind::Float) }
}

fn narrow(gradient: Tensor) -> Tensor {
    if gradient.kind() == Kind::Double { gradient.to_kind(Kind::Float) } else { gradient }
}

/// Ranks the components of each target by their gradients over all batches.
struct Ranking<'a> {
    network: &'a Network,
    options: &'a SelectionOptions<'a>,
    targets: &'a [&'a ParameterSpec],
    /// What the criterion keeps of the batches so far. With a single batch no gradient is kept.
    sums: Vec<GradientSum>,
    selected: Vec<Option<Selected>>,
    /// With a budget over all targets, which are selected at the end.
    global: Option<GlobalBudget>,
    /// Squared norms of the gradients: fp32 scalars on the device.
    squares: Vec<Option<Tensor>>,
    coverage: Coverage,
    replaced: Coverage,
    compared: Vec<Coverage>,
    compared_in: Duration,
}

/// The selected components of each target, and what they cover.
struct Ranked {
    selected: Vec<Selected>,
    coverage: Coverage,
    replaced: Coverage,
    comparison: Comparison,
}

impl<'a> Ranking<'a> {
    fn new(network: &'a Network, options: &'a SelectionOptions<'a>, targets: &'a [&'a ParameterSpec]) -> Ranking<'a> {
        let total = targets.iter().map(|spec| options.rules.budget(&spec.shape)).sum();
        Ranking {
            network,
            options,
            targets,
            sums: targets.iter().map(|_| GradientSum::default()).collect(),
            selected: targets.iter().map(|_| None).collect(),
            global: (options.budget == Budget::Global).then(|| GlobalBudget::new(targets.len(), total)),
            squares: targets.iter().map(|_| None).collect(),
            coverage: Coverage::new(targets.len()),
            replaced: Coverage::new(targets.len()),
            compared: options.compared.iter().map(|_| Coverage::new(targets.len())).collect(),
            compared_in: Duration::ZERO,
        }
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
        let gradient = sum.gradient(criterion);
        match &mut self.global {
            Some(global) => {
                add_to_global(global, target, (criterion, rules.structure), &weights, &sum, seed);
                self.squares[target] = Some(gradient.square().sum(Kind::Float));
            }
            None => {
                let selected = select(criterion, rules.structure, rules.rate, &weights, &sum, seed);
                let selected = selected.to_device(gradient.device());
                self.coverage.measure(target, &gradient, &selected.gather(&gradient));
                self.selected[target] = Some(selected);
            }
        }
        if let Some(replaced) = self.options.replaced.get(target) {
            self.replaced.measure(target, &gradient, &replaced.gather(&gradient));
        }
        self.compare(target, &gradient);
    }

    /// Measures what each compared structure would cover of a target's gradient.
    fn compare(&mut self, target: usize, gradient: &Tensor) {
        if self.compared.is_empty() {
            return;
        }
        let settle = || {
            if let Device::Cuda(index) = gradient.device() {
                Cuda::synchronize(index as i64);
            }
        };
        settle();
        let start = Instant::now();
        let square = gradient.square();
        let all = square.sum(Kind::Float);
        for (structure, coverage) in self.options.compared.iter().zip(&mut self.compared) {
            coverage.put(target, &structure.covered(&square, self.options.rules.rate), &all);
        }
        settle();
        self.compared_in += start.elapsed();
    }

    fn finish(mut self) -> Ranked {
        let SelectionOptions { rules, compared, .. } = *self.options;
        if let Some(global) = self.global.take() {
            for (target, chosen) in global.finish().into_iter().enumerate() {
                let (Some(chosen), Some(all)) = (chosen, &self.squares[target]) else { continue };
                self.coverage.put(target, &chosen.squares.sum(Kind::Float), all);
                self.selected[target] = Some(chosen.selected(rules.structure, &self.targets[target].shape));
            }
        }
        let components = |structure: Structure| -> i64 {
            self.targets.iter().map(|spec| structure.components(&spec.shape, rules.rate)).sum()
        };
        let structures = compared
            .iter()
            .zip(&self.compared)
            .filter_map(|(structure, coverage)| Some((*structure, components(*structure) as u64, coverage.read()?)));
        Ranked {
            comparison: Comparison { structures: structures.collect(), time: self.compared_in },
            selected: self.selected.into_iter().flatten().collect(),
            coverage: self.coverage,
            replaced: self.replaced,
        }
    }
}
