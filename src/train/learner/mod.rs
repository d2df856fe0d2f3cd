//! A network and its trained state: one optimizer step, top to bottom.

mod gradients;
mod options;
mod own_parts;
mod reduction;

use std::collections::HashMap;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};
use tracing::trace_span;

use super::batch_part::BatchPart;
use super::not_finite::NotFinite;
use crate::data::Batch;
use crate::distributed::{DistributedError, World};
use crate::eval::DeviceBatch;
use crate::model::Network;
use crate::model::backward::{self, BackwardOptions, GradTargets, mixed};
use crate::quantity::bytes;
use crate::sift::sampled::{GradientSampler, SamplingPlan};
use crate::sift::{
    self, Coverage, FlatGradient, Retired, SavedRetired, Selected, Slot, State, TrainableParameter, UpdateGate, Values,
    relative_updates,
};
use gradients::{GradientSink, SinkRanks, sampling_plan};
pub use options::{LearnerOptions, StepResult};
use own_parts::OwnParts;
use reduction::{Buckets, Reduction};

/// A network under training.
pub struct Learner {
    /// Its weights are up to date whenever [`Learner::launch`] returns.
    pub network: Network,
    /// What this process trains: with weights that are spread over ranks, those in its rows.
    values: Values,
    /// Its part of all trained components; `None` where it trains all of them.
    own: Option<OwnParts>,
    /// Of all trained components.
    gradient: FlatGradient,
    targets: GradTargets,
    /// Of each slot whose gradient is sampled at the selected components.
    plans: Vec<Option<SamplingPlan>>,
    sampler: GradientSampler,
    coverage: Coverage,
    options: LearnerOptions,
    /// The ranks that take the same steps, each on its part of every micro-batch.
    world: Arc<World>,
    /// Parts of the gradient that the ranks sum one by one; none in a world of one.
    buckets: Buckets,
    pending: Vec<PendingStep>,
    /// Whether loss and gradient of all pending steps are finite: bool scalar on the device. After one that is not, the
    /// device skips the updates of the steps that follow.
    finite: Tensor,
    updating: bool,
}

/// All trained components.
pub struct TrainedState {
    pub state: State,
    /// Of each sparse slot those that have left its selection; empty if none has.
    pub retired: Vec<SavedRetired>,
}

/// A step that was launched, whose results are still on the device.
struct PendingStep {
    step: u64,
    learning_rate: f64,
    tokens: u64,
    /// Loss and gradient norm: fp32 `[2]`.
    numbers: Tensor,
    /// The gradient mass of the step's probed targets as it was before the step.
    coverage_before: Vec<Option<Tensor>>,
}

/// What comes of a rank's part of a micro-batch.
struct ComputedPart {
    /// Its part of the loss, on the device.
    loss: Tensor,
    /// Without padding.
    tokens: u64,
}

impl Learner {
    /// Prepares training of these parameters.
    pub fn new(network: Network, parameters: &[TrainableParameter], options: LearnerOptions) -> Learner {
        // A GPU computes gradients in the type of the weights. A single one needs no wider type to be summed in.
        let narrow = network.parameters.device().is_cuda() && options.micro_batches == 1;
        // The adapters of bf16 weights are fp32.
        let mut kinds = parameters.iter().map(|parameter| parameter.weights.kind());
        let kind = kinds.next().filter(|first| narrow && kinds.all(|kind| kind == *first)).unwrap_or(Kind::Float);
        let device = network.parameters.device();
        release(&network);
        let off = |name: &str| {
            network.own_rows(name).is_none() && network.offload.as_ref().is_some_and(|offload| offload.has(name))
        };
        let (slots, kernels) = (Slot::in_order(parameters, device), sift::kernels(device));
        let (trained, own) = own_parts::own(&network, parameters, &slots);
        let values = Values::on(device, &trained, kernels.clone(), off);
        let gradient = FlatGradient::new(slots, kind, device, &kernels);
        let sparse = gradient.slots().iter().filter(|slot| slot.selected.is_some()).count();
        let mut learner = Learner {
            targets: GradTargets::new(&network.parameters, gradient.slots().iter().map(|slot| slot.name.as_str())),
            own,
            gradient,
            plans: Vec::new(),
            sampler: GradientSampler::default(),
            coverage: Coverage::new(sparse),
            options,
            world: Arc::new(World::ALONE),
            buckets: Buckets::default(),
            pending: Vec::new(),
            finite: Tensor::ones([], (Kind::Bool, network.parameters.device())),
            updating: false,
            network,
            values,
        };
        learner.plan_gradients();
        learner.overlay();
        learner
    }

    /// The same learner as one of these ranks.
    pub fn among(self, world: Arc<World>) -> Learner {
        let mut learner = Learner { world, ..self };
        learner.plan_buckets();
        learner
    }

    /// Decides which parts of the gradient the ranks sum together.
    fn plan_buckets(&mut self) {
        if !self.world.is_alone() {
            let element_size = self.gradient.sum().kind().elt_size_in_bytes() as i64;
            let specs = self.network.parameters.specs();
            let segments: HashMap<&str, usize> = specs.iter().map(|spec| (spec.name.as_str(), spec.segment)).collect();
            let segment = |name: &str| segments.get(name).copied().unwrap_or(0);
            self.buckets = Buckets::new(self.gradient.slots(), element_size, segment);
        }
    }

    /// Has the trained values written into the copies of weights that are off the device.
    fn overlay(&self) {
        if let Some(offload) = &self.network.offload {
            let current = self.values.overlay();
            offload.set_overlay(Box::new(move |name, weights| {
                if let Some(values) = current.get(name) {
                    values.write(weights);
                }
            }));
        }
    }

    /// Decides how the gradient of each slot is computed, and what of the layers' inputs that needs.
    fn plan_gradients(&mut self) {
        self.plans = self.gradient.slots().iter().map(|slot| sampling_plan(&self.network, slot)).collect();
        self.keep_columns(0..self.gradient.slots().len());
        self.plan_buckets();
    }

    /// Keeps of the inputs of these slots' layers what the gradients of their selected components need.
    fn keep_columns(&mut self, slots: Range<usize>) {
        for (number, slot) in self.gradient.slots().iter().enumerate().skip(slots.start).take(slots.len()) {
            self.targets.keep_columns(number, slot.selected.as_ref().and_then(Selected::columns));
        }
    }

    /// What this process trains.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// All trained parameters, sparse ones first.
    pub fn slots(&self) -> &[Slot] {
        self.gradient.slots()
    }

    /// Trained components of sparse parameters.
    pub fn sparse(&self) -> i64 {
        self.slots().iter().filter(|slot| slot.selected.is_some()).map(Slot::trained).sum()
    }

    /// Trained components of all parameters.
    pub fn total(&self) -> i64 {
        self.slots().iter().map(Slot::trained).sum()
    }

    /// Bytes of the indices, and of all vectors of trained components, on this process's device.
    pub fn bytes(&self) -> (u64, u64) {
        let (mut indices, vectors) = self.values.bytes();
        if self.own.is_some() {
            // Beside the indices of what this rank trains.
            indices += self.slots().iter().filter_map(|slot| slot.selected.as_ref()).map(Selected::bytes).sum::<u64>();
        }
        let gradient = self.gradient.sum();
        (indices, vectors + (gradient.numel() * gradient.kind().elt_size_in_bytes()) as u64)
    }

    /// Whether each rank keeps and trains a part of the weights, so that all of them are needed for whatever computes with weights.
    pub fn is_sharded(&self) -> bool {
        self.network.offload.as_ref().is_some_and(|offload| offload.is_spread())
    }

    /// What the first rank says, where the ranks have to do something together; what this one says where they do not.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn agreed(&self, own: bool) -> Result<bool, DistributedError> {
        if !self.is_sharded() {
            return Ok(own);
        }
        Ok(self.world.broadcast(vec![u8::from(own)])? == [1])
    }

    /// Relative update of each sparse slot ([`Values::updates`]).
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn updates(&self) -> Result<Vec<f64>, DistributedError> {
        let Some(own) = &self.own else { return Ok(self.values.updates()) };
        let [update, size] = self.values.update_squares();
        Ok(relative_updates(&own.sum(&update, &self.world)?, &own.sum(&size, &self.world)?))
    }

    /// All trained components, in host memory.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn state(&self) -> Result<TrainedState, DistributedError> {
        let state = self.values.state();
        let retired = self.values.retired().iter().map(|Retired { indices, values, .. }| SavedRetired {
            indices: indices.shallow_clone(),
            values: values.shallow_clone(),
        });
        let retired: Vec<SavedRetired> = retired.collect();
        let copied = |tensor: &Tensor| match &self.own {
            Some(own) => own.whole(tensor, &self.world),
            None if tensor.device() == Device::Cpu => Ok(tensor.copy()),
            None => Ok(tensor.to_device(Device::Cpu).contiguous()),
        };
        let births = state.births.as_ref().map(copied).transpose()?;
        Ok(TrainedState {
            state: State {
                master: copied(&state.master)?,
                first_moment: copied(&state.first_moment)?,
                second_moment: copied(&state.second_moment)?,
                updates: state.updates,
                births,
            },
            retired: match &self.own {
                Some(own) => own.whole_retired(retired, &self.world)?,
                None => retired,
            },
        })
    }

    /// Number of components of each sparse slot that have left its selection; none if none has.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn retired(&self) -> Result<Vec<u64>, DistributedError> {
        self.over_ranks(self.values.retired().iter().map(|retired| retired.indices.numel() as f64).collect())
    }

    /// Counts of sparse slots, added up over the ranks that have different components of them.
    fn over_ranks(&self, own: Vec<f64>) -> Result<Vec<u64>, DistributedError> {
        let counts = self.own.as_ref().map_or_else(|| Ok(own.clone()), |parts| parts.sum(&own, &self.world))?;
        Ok(counts.into_iter().map(|count| count as u64).collect())
    }

    /// Gradient mass measured so far.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// How gradients are computed, for the log: `sampled gradients for 24/24 matrices (0.8 % of components, avx512)`.
    pub fn gradient_summary(&self) -> String {
        let matrices = || self.gradient.slots().iter().filter(|slot| slot.selected.is_some() && slot.shape.len() == 2);
        let structured = |slot: &&Slot| !matches!(slot.selected, Some(Selected::Entries(_)));
        let (structured, matrices) = (matrices().filter(structured).count(), matrices().count());
        let plans = || self.plans.iter().flatten();
        match plans().count() {
            0 if structured > 0 => format!("products of columns, rows or blocks for {structured}/{matrices} matrices"),
            0 => format!("whole gradients for {matrices}/{matrices} matrices"),
            sampled => {
                let selected: usize = plans().map(SamplingPlan::components).sum();
                let of: usize = plans().map(|plan| plan.shape().0 * plan.shape().1).sum();
                let (rate, instructions) = (100.0 * selected as f64 / of as f64, self.sampler.instructions().name());
                format!(
                    "sampled gradients for {sampled}/{matrices} matrices ({rate:.1} % of components, {instructions})"
                )
            }
        }
    }

    /// What the ranks add up in each step, for the log: `each step adds up 113 KiB of gradients in 1 bucket, and on average 1.2 MiB of
    /// dense gradients to measure the gradient mass`. `None` in a world of one.
    pub fn reduction_summary(&self) -> Option<String> {
        if self.world.is_alone() {
            return None;
        }
        let element_size = self.gradient.sum().kind().elt_size_in_bytes() as f64;
        let targets = self.gradient.slots().iter().filter(|slot| slot.selected.is_some());
        let dense = targets.map(Slot::components).sum::<i64>() as f64 / self.options.probe_every as f64;
        let (buckets, total) = (self.buckets.count(), self.total() as f64);
        let plural = if buckets == 1 { "" } else { "s" };
        let mass = match dense > 0.0 {
            true => format!(
                ", and on average {} of dense gradients to measure the gradient mass",
                bytes(dense * element_size)
            ),
            false => String::new(),
        };
        Some(format!(
            "each step adds up {} of gradients in {buckets} bucket{plural}{mass}",
            bytes(total * element_size)
        ))
    }

    /// Restores the state and the gradient mass of a checkpoint with the same selection.
    pub fn restore(&mut self, state: &State, coverage: &Tensor) {
        release(&self.network);
        match &self.own {
            None => self.values.restore(state),
            Some(own) => self.values.restore(&State {
                master: own.of(&state.master),
                first_moment: own.of(&state.first_moment),
                second_moment: own.of(&state.second_moment),
                updates: state.updates,
                births: state.births.as_ref().map(|births| own.of(births)),
            }),
        }
        self.coverage.restore(coverage, self.network.parameters.device());
    }

    /// Restores the components of each target that have left the selection.
    pub fn restore_retired(&mut self, saved: &[SavedRetired]) {
        release(&self.network);
        match &self.own {
            None => self.values.restore_retired(saved),
            Some(own) => self.values.restore_retired(&own.own_retired(saved)),
        }
    }

    /// Trains the components of another selection of the same targets from the next step on ([`Values::reselect`]), with the
    /// gradient mass that it covers. No step may be pending. Returns how many components stay of each target.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn reselect(
        &mut self,
        parameters: &[TrainableParameter],
        coverage: Coverage,
    ) -> Result<Vec<u64>, DistributedError> {
        debug_assert!(self.pending.is_empty(), "steps of the earlier selection are pending");
        let device = self.network.parameters.device();
        let slots = Slot::in_order(parameters, device);
        let (trained, own) = own_parts::own(&self.network, parameters, &slots);
        let selected: Vec<Selected> = trained.iter().filter_map(|parameter| parameter.selected.clone()).collect();
        release(&self.network);
        let kept = self.values.reselect(&selected).into_iter().map(|kept| kept as f64).collect();
        self.own = own;
        let (kind, kernels) = (self.gradient.sum().kind(), sift::kernels(device));
        self.gradient = FlatGradient::new(slots, kind, device, &kernels);
        self.plan_gradients();
        self.overlay();
        self.coverage = coverage;
        self.over_ranks(kept)
    }

    /// The backward pass of the first micro-batch of a step, counted from 0.
    pub fn backward(&self, step: u64) -> BackwardOptions {
        self.options.backward(step)
    }

    /// Takes one optimizer step, counted from 0, on these micro-batches, and waits for its result.
    ///
    /// # Errors
    /// A loss or gradient that is not finite. The weights are unchanged then.
    pub fn step(&mut self, step: u64, batches: &[Batch], learning_rate: f64) -> Result<StepResult> {
        self.launch(step, batches, learning_rate)?;
        let (mut results, outcome) = self.read();
        outcome?;
        results.pop().context("a step was launched")
    }

    /// Launches one optimizer step, counted from 0, on these micro-batches, without waiting for the device. The loss is a
    /// mean over the targets of all micro-batches, so that accumulation gives the same step as one large batch.
    ///
    /// # Errors
    /// A rank that is gone or does not answer. The step is not taken then.
    pub fn launch(&mut self, step: u64, batches: &[Batch], learning_rate: f64) -> Result<(), DistributedError> {
        let targets: usize = batches.iter().map(|batch| batch.labels.count()).sum();
        let begin = self.world.begin_step();
        let coverage_before = self.coverage.latest(self.probed(step));
        self.gradient.zero();
        let mut losses = Vec::with_capacity(batches.len());
        let mut own_tokens = 0;
        for (micro, batch) in batches.iter().enumerate() {
            let options = self.options.backward(step);
            let options = BackwardOptions { seed: mixed(options.seed, micro as u64), ..options };
            // Each step probes a few targets, so that no step is slow and a round covers all of them.
            let probed = if micro == 0 { self.probed(step) } else { 0..0 };
            // A dense gradient takes the whole input.
            probed.clone().for_each(|slot| self.targets.keep_columns(slot, None));
            let last = micro + 1 == batches.len();
            let part = self.accumulate(batch, targets, options, &probed, last);
            self.keep_columns(probed);
            let part = part?;
            own_tokens += part.tokens;
            losses.push(part.loss);
        }

        let clip = trace_span!("clip").entered();
        let loss = Tensor::stack(&losses, 0).sum(Kind::Float);
        self.world.all_reduce(&loss)?;
        let norm = self.gradient.norm();
        let numbers = Tensor::stack(&[&loss, &norm], 0);
        self.finite = self.finite.logical_and(&numbers.isfinite().all());
        // The constant is that of PyTorch's `clip_grad_norm_`.
        let scale = match self.options.clip {
            Some(most) => (most / (norm + 1e-6)).clamp_max(1.0),
            None => norm.ones_like(),
        };
        let gate = UpdateGate { scale, apply: self.finite.shallow_clone() };
        drop(clip);
        self.updating = true;
        trace_span!("adamw").in_scope(|| {
            let own = self.own.as_ref().map(|own| own.of(self.gradient.sum()));
            let gradient = own.as_ref().unwrap_or(self.gradient.sum());
            self.values.update(gradient, &self.options.adamw, learning_rate, &gate);
        });
        self.updating = false;
        if let Some(offload) = &self.network.offload {
            offload.refresh();
        }
        self.world.end_step(begin, step + 1, own_tokens);
        let tokens = batches.iter().map(|batch| batch.tokens).sum();
        self.pending.push(PendingStep { step, learning_rate, tokens, numbers, coverage_before });
        Ok(())
    }

    /// Steps that were launched and not read.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether the latest step ends a probe round. Its gradient mass has to be read before the next step.
    pub fn probe_round_ended(&self) -> bool {
        self.pending.last().is_some_and(|pending| self.ends_round(pending.step))
    }

    /// Whether an update was interrupted by a panic, which leaves the state unusable.
    pub fn update_interrupted(&self) -> bool {
        self.updating
    }

    /// Waits for the pending steps and returns their results.
    ///
    /// # Errors
    /// A loss or gradient that is not finite. That step and those after it were not taken, and are not among the results.
    pub fn read(&mut self) -> (Vec<StepResult>, Result<(), NotFinite>) {
        let pending = mem::take(&mut self.pending);
        if pending.is_empty() {
            return (Vec::new(), Ok(()));
        }
        // The only point at which the host waits for the device.
        let numbers = Tensor::stack(&pending.iter().map(|pending| &pending.numbers).collect::<Vec<_>>(), 0);
        let numbers = numbers.to_device(Device::Cpu);
        let mut results = Vec::with_capacity(pending.len());
        for (number, &PendingStep { step, learning_rate, tokens, .. }) in pending.iter().enumerate() {
            let [loss, grad_norm] = [0, 1].map(|which| numbers.double_value(&[number as i64, which]));
            if !loss.is_finite() || !grad_norm.is_finite() {
                self.discard(pending.into_iter().skip(number));
                return (results, Err(NotFinite { step: step + 1, loss, grad_norm, learning_rate }));
            }
            let mass = if number + 1 == pending.len() && self.ends_round(step) { self.coverage.read() } else { None };
            results.push(StepResult { step, learning_rate, tokens, loss, grad_norm, mass });
        }
        (results, Ok(()))
    }

    /// Undoes what the host counted for steps that the device skipped.
    fn discard(&mut self, steps: impl DoubleEndedIterator<Item = PendingStep> + ExactSizeIterator) {
        self.values.discount(steps.len() as i64);
        for PendingStep { step, coverage_before, .. } in steps.rev() {
            self.coverage.put_back(self.probed(step), coverage_before);
        }
        self.finite = self.finite.ones_like();
    }

    fn ends_round(&self, step: u64) -> bool {
        (step + 1).is_multiple_of(self.options.probe_every)
    }

    /// Sparse slots whose gradient mass is measured in a step.
    fn probed(&self, step: u64) -> Range<usize> {
        let targets = self.gradient.slots().iter().filter(|slot| slot.selected.is_some()).count();
        let (position, round) = ((step % self.options.probe_every) as usize, self.options.probe_every as usize);
        targets * position / round..targets * (position + 1) / round
    }

    /// Adds the gradient of this rank's part of a micro-batch. After the `last` one of a step, the gradient is that of all ranks.
    fn accumulate(
        &mut self,
        batch: &Batch,
        targets: usize,
        options: BackwardOptions,
        probed: &Range<usize>,
        last: bool,
    ) -> Result<ComputedPart, DistributedError> {
        let world = &*self.world;
        let part = BatchPart::of(batch, world);
        let _numbered = part.numbered();
        let tokens = part.tokens();
        let batch = DeviceBatch::new(&part.batch, self.network.parameters.device());
        let chain = self.network.segments(&batch.inputs);
        let objective = self.network.objective(&batch.targets, part.weight / targets as f64);
        let (gradient, plans, sampler) = (&mut self.gradient, &self.plans, &mut self.sampler);
        let summed = last && !world.is_alone();
        let reduction = summed.then(|| Reduction::new(&self.buckets, gradient.sum().shallow_clone(), world));
        let ranks = SinkRanks { world, reduction };
        let mut sink = GradientSink::new(gradient, plans, sampler, &mut self.coverage, probed, ranks);
        let loss =
            backward::gradients(&*chain, &self.targets, options, &objective, &mut |gradients| sink.take(gradients));
        sink.finish()?;
        if let Some(offload) = &self.network.offload {
            offload.outcome()?;
        }
        Ok(ComputedPart { loss, tokens })
    }
}

/// Makes the weights that are off the device those in host memory, before they are read or written there.
fn release(network: &Network) {
    if let Some(offload) = &network.offload {
        offload.release();
    }
}
