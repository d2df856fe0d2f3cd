//! A network and its trained state: one optimizer step, top to bottom.

mod gradients;
mod options;
mod own_parts;
mod reduction;
mod state;
mod summary;

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
use crate::model::backward::{self, BackwardOptions, GradTargets};
use crate::model::{Network, mixed};
use crate::sift::sampled::{GradientSampler, SamplingPlan};
use crate::sift::{self, Coverage, FlatGradient, Selected, Slot, TrainableParameter, UpdateGate, Values};
use gradients::{GradientSink, SinkRanks, sampling_plan};
pub use options::{LearnerOptions, StepResult};
use own_parts::OwnParts;
use reduction::{Buckets, Reduction};
pub use state::TrainedState;

/// A network under training.
pub struct Learner {
    /// Its weights are up to date whenever [`Learner::launch`] returns.
    pub network: Network,
    /// What this process trains: with weights that are sharded over ranks, those in its rows.
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
        let values = Values::on(device, &trained, kernels.clone(), options.adamw.sparse_decay, off);
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

    /// Gradient mass measured so far.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
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
        self.world.start_all_reduce(&loss)?.wait()?;
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
