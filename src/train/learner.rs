//! A model and what is trained of it, joined by names: one optimizer step, top to bottom.

use std::mem;
use std::ops::Range;

use anyhow::{Context, Result, anyhow};
use tch::{Device, Kind, Tensor};

use crate::data::Batch;
use crate::eval::DeviceBatch;
use crate::model::Network;
use crate::model::backward::{self, BackwardOptions, GradTargets, Gradient, mixed};
use crate::sift::sampled::{self, GradientSampler, SampledLayer, SamplingPlan};
use crate::sift::{AdamW, Coverage, GradientMass, Role, Slot, State, TrainableParameter, UpdateGate, Values};

/// A model under training.
pub struct Learner {
    /// The model; its weights are current whenever [`Learner::launch`] returns.
    pub network: Network,
    values: Values,
    wanted: GradTargets,
    /// Of each slot whose gradient is computed at its selected components only, in which order.
    plans: Vec<Option<SamplingPlan>>,
    sampler: GradientSampler,
    coverage: Coverage,
    settings: Settings,
    /// Steps that the host knows nothing of yet.
    unread: Vec<Unread>,
    /// Whether all of them had a finite loss and gradient: bool scalar on the device. Those after one that had not are
    /// left out as well.
    sound: Tensor,
    /// Whether an update is under way.
    updating: bool,
}

/// A step whose numbers are on the device.
struct Unread {
    step: u64,
    learning_rate: f64,
    tokens: u64,
    /// Loss and norm of the gradient: fp32 `[2]`.
    numbers: Tensor,
    /// What was known before of the gradient mass that it measured.
    covered: Vec<Option<Tensor>>,
}

/// How to train.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The optimizer.
    pub adamw: AdamW,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    /// Whether to drop out as the model's config says.
    pub dropout: bool,
    /// Whether to compute activations twice instead of keeping them.
    pub checkpointing: bool,
    /// Steps in which each target's gradient mass is measured once.
    pub probe_every: u64,
    /// Micro-batches of a step.
    pub micro_batches: usize,
    /// Decides what is dropped.
    pub seed: u64,
}

/// A step that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Which, counted from 0.
    pub step: u64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// Its tokens, padding left out.
    pub tokens: u64,
    /// Mean loss over the step's examples, before the update.
    pub loss: f64,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: f64,
    /// How much of the gradient each sparse slot covers; in the last step of a round of probes.
    pub mass: Option<GradientMass>,
}

impl Settings {
    /// The walk of a step, counted from 0: everything random in it follows from the seed and the step.
    pub fn walk(&self, step: u64) -> BackwardOptions {
        BackwardOptions { training: self.dropout, checkpointing: self.checkpointing, seed: mixed(self.seed, step) }
    }
}

impl Learner {
    /// Takes up training of the chosen parameters.
    pub fn new(network: Network, choices: &[TrainableParameter], settings: Settings) -> Learner {
        // A GPU computes a gradient in the type of the weights. One that is a step's only one need not be held in a wider.
        let narrow = network.parameters.device().is_cuda() && settings.micro_batches == 1;
        let kind = choices.first().filter(|_| narrow).map_or(Kind::Float, |choice| choice.weights.kind());
        let values = Values::new(choices, kind);
        let sparse = values.slots().iter().filter(|slot| slot.role == Role::Sparse).count();
        let wanted = GradTargets::new(&network.parameters, values.slots().iter().map(|slot| slot.name.as_str()));
        let plans = values.slots().iter().map(|slot| plan(&network, &values, slot)).collect();
        let coverage = Coverage::new(sparse);
        let sound = Tensor::ones([], (Kind::Bool, network.parameters.device()));
        Learner {
            network,
            values,
            wanted,
            plans,
            sampler: GradientSampler::default(),
            coverage,
            settings,
            unread: Vec::new(),
            sound,
            updating: false,
        }
    }

    /// What is trained.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Gradient mass measured so far.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// How gradients are had, for the reader of the log.
    pub fn ways(&self) -> String {
        let weights = self.values.slots().iter().filter(|slot| slot.role == Role::Sparse && slot.shape.len() == 2);
        let weights = weights.count();
        let plans = || self.plans.iter().flatten();
        match plans().count() {
            0 => format!("gradients: {weights} of {weights} weights as a whole"),
            sampled => {
                let selected: usize = plans().map(SamplingPlan::components).sum();
                let of: usize = plans().map(|plan| plan.shape().0 * plan.shape().1).sum();
                let (rate, with) = (100.0 * selected as f64 / of as f64, self.sampler.instructions().name());
                format!("gradients: {sampled} of {weights} weights by sampling ({rate:.1} % of them, {with})")
            }
        }
    }

    /// Goes on from a kept state, of the same choices, and from the gradient mass measured so far.
    pub fn restore(&mut self, state: &State, coverage: &Tensor) {
        self.values.restore(state);
        self.coverage.restore(coverage, self.network.parameters.device());
        self.write_weights();
    }

    /// Takes one optimizer step, counted from 0, upon these micro-batches, and reads what it came to.
    ///
    /// # Errors
    /// A loss or gradient that is not finite; nothing was changed then.
    pub fn step(&mut self, step: u64, batches: &[Batch], learning_rate: f64) -> Result<Taken> {
        self.launch(step, batches, learning_rate);
        let (mut taken, outcome) = self.read();
        outcome?;
        taken.pop().context("a step was launched")
    }

    /// Launches one optimizer step, counted from 0, upon these micro-batches, and does not wait for the device to take it.
    /// The loss is a mean over all their targets together, so that a step in parts is the step as a whole.
    pub fn launch(&mut self, step: u64, batches: &[Batch], learning_rate: f64) {
        let targets: usize = batches.iter().map(|batch| batch.targets.count()).sum();
        let covered = self.coverage.latest(self.probed(step));
        self.values.zero_gradient();
        let mut losses = Vec::with_capacity(batches.len());
        for (micro, batch) in batches.iter().enumerate() {
            let walk = self.settings.walk(step);
            let walk = BackwardOptions { seed: mixed(walk.seed, micro as u64), ..walk };
            // Each step probes a few targets, so that no step is slow and all are seen in a round.
            let probed = if micro == 0 { self.probed(step) } else { 0..0 };
            losses.push(self.accumulate(batch, targets, walk, &probed));
        }

        let (loss, norm) = (Tensor::stack(&losses, 0).sum(Kind::Float), self.values.gradient_norm());
        let numbers = Tensor::stack(&[&loss, &norm], 0);
        self.sound = self.sound.logical_and(&numbers.isfinite().all());
        // The constant is PyTorch's, of `clip_grad_norm_`.
        let scale = match self.settings.clip {
            Some(most) => (most / (norm + 1e-6)).clamp_max(1.0),
            None => norm.ones_like(),
        };
        let gate = UpdateGate { scale, apply: self.sound.shallow_clone() };
        self.updating = true;
        self.values.update(&self.settings.adamw, learning_rate, &gate);
        self.write_weights();
        self.updating = false;
        let tokens = batches.iter().map(|batch| batch.tokens).sum();
        self.unread.push(Unread { step, learning_rate, tokens, numbers, covered });
    }

    /// Steps launched and not read.
    pub fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Whether the latest step ended a round of probes: what was measured is told with it, and measured anew after it.
    pub fn round_ended(&self) -> bool {
        self.unread.last().is_some_and(|unread| self.ends_round(unread.step))
    }

    /// Whether an update was cut off, so that what was reached is no more to be had.
    pub fn torn(&self) -> bool {
        self.updating
    }

    /// Waits for the steps that were launched, and reads what they came to.
    ///
    /// # Errors
    /// A loss or gradient that is not finite. That step and those after it were left out.
    pub fn read(&mut self) -> (Vec<Taken>, Result<()>) {
        let unread = mem::take(&mut self.unread);
        if unread.is_empty() {
            return (Vec::new(), Ok(()));
        }
        // The one time that the host waits for the device.
        let numbers = Tensor::stack(&unread.iter().map(|unread| &unread.numbers).collect::<Vec<_>>(), 0);
        let numbers = numbers.to_device(Device::Cpu);
        let mut taken = Vec::with_capacity(unread.len());
        for (number, &Unread { step, learning_rate, tokens, .. }) in unread.iter().enumerate() {
            let [loss, grad_norm] = [0, 1].map(|which| numbers.double_value(&[number as i64, which]));
            if !loss.is_finite() || !grad_norm.is_finite() {
                self.forget(unread.into_iter().skip(number));
                let error = anyhow!(
                    "step {}: the loss is {loss} and the norm of the gradient {grad_norm}; this step was not taken. A \
                     lower train.learning_rate (now {learning_rate:e}), a longer train.warmup or model.dtype = \"f32\" \
                     may help",
                    step + 1
                );
                return (taken, Err(error));
            }
            let mass = if number + 1 == unread.len() && self.ends_round(step) { self.coverage.read() } else { None };
            taken.push(Taken { step, learning_rate, tokens, loss, grad_norm, mass });
        }
        (taken, Ok(()))
    }

    /// Takes back what the host has noted of steps that were left out.
    fn forget(&mut self, steps: impl DoubleEndedIterator<Item = Unread> + ExactSizeIterator) {
        self.values.discount(steps.len() as i64);
        for Unread { step, covered, .. } in steps.rev() {
            self.coverage.put_back(self.probed(step), covered);
        }
        self.sound = self.sound.ones_like();
    }

    fn ends_round(&self, step: u64) -> bool {
        (step + 1).is_multiple_of(self.settings.probe_every)
    }

    /// Makes the model's weights those of the masters.
    fn write_weights(&self) {
        for slot in self.values.slots() {
            self.values.write_into(slot, &self.network.parameters.get(&slot.name));
        }
    }

    /// Sparse slots whose gradient mass is measured in a step.
    fn probed(&self, step: u64) -> Range<usize> {
        let targets = self.values.slots().iter().filter(|slot| slot.role == Role::Sparse).count();
        let (place, round) = ((step % self.settings.probe_every) as usize, self.settings.probe_every as usize);
        targets * place / round..targets * (place + 1) / round
    }

    /// Adds a micro-batch's gradient and returns its part of the loss, on the device.
    fn accumulate(&mut self, batch: &Batch, targets: usize, walk: BackwardOptions, probed: &Range<usize>) -> Tensor {
        let loaded = DeviceBatch::new(batch, self.network.parameters.device());
        let chain = self.network.segments(&loaded.inputs);
        let objective = self.network.objective(&loaded.targets, 1.0 / targets as f64);
        let mut sink = Sink {
            values: &mut self.values,
            plans: &self.plans,
            sampler: &mut self.sampler,
            coverage: &mut self.coverage,
            probed,
        };
        backward::gradients(&*chain, &self.wanted, walk, &objective, &mut |gradients| sink.take(gradients))
    }
}

/// How a slot's gradient is sampled, where that is the faster way.
fn plan(network: &Network, values: &Values, slot: &Slot) -> Option<SamplingPlan> {
    let linear = network.parameters.specs().iter().any(|spec| spec.name == slot.name && spec.is_linear());
    let &[out, width] = slot.shape.as_slice() else { return None };
    let worthwhile = sampled::is_faster(network.parameters.device(), slot.trained(), [out, width]);
    (slot.role == Role::Sparse && linear && worthwhile).then(|| SamplingPlan::new(&values.selected(slot), out, width))
}

/// Where gradients go.
struct Sink<'a> {
    values: &'a mut Values,
    plans: &'a [Option<SamplingPlan>],
    sampler: &'a mut GradientSampler,
    coverage: &'a mut Coverage,
    probed: &'a Range<usize>,
}

impl Sink<'_> {
    /// Takes the gradients of one segment.
    fn take(&mut self, gradients: Vec<Gradient>) {
        // Query, key and value have one input: what is made of it is made once.
        let mut sampled: Vec<(Tensor, Vec<(usize, Tensor)>)> = Vec::new();
        for gradient in gradients {
            match gradient {
                Gradient::Linear { slots, x, dy } => {
                    if let Some(number) = slots.bias {
                        self.whole(number, &dy.sum_dim_intlist(Some(&[0i64][..]), false, Kind::Float));
                    }
                    let Some(number) = slots.weight else { continue };
                    if self.plans[number].is_none() || self.probed.contains(&number) {
                        self.whole(number, &sampled::dense_gradient(&x, &dy));
                        continue;
                    }
                    match sampled.iter_mut().find(|(input, _)| input.data_ptr() == x.data_ptr()) {
                        Some((_, layers)) => layers.push((number, dy)),
                        None => sampled.push((x, vec![(number, dy)])),
                    }
                }
                Gradient::Leaf { slot, gradient } => self.whole(slot, &gradient),
            }
        }
        for (x, layers) in sampled {
            let plans = layers.iter().filter_map(|(number, _)| self.plans[*number].as_ref());
            let planned: Vec<SampledLayer> =
                layers.iter().zip(plans).map(|((_, dy), plan)| SampledLayer { dy, plan }).collect();
            for ((number, _), gradient) in layers.iter().zip(self.sampler.sample(&x, &planned)) {
                self.values.accumulate(*number, &gradient);
            }
        }
    }

    /// Takes a gradient that is there as a whole.
    fn whole(&mut self, number: usize, gradient: &Tensor) {
        let slot: &Slot = &self.values.slots()[number];
        if slot.role == Role::Dense {
            return self.values.accumulate(number, gradient);
        }
        let selected = gradient.flatten(0, -1).index_select(0, &self.values.selected(slot));
        // Sparse slots come first, so a slot's number is its target's.
        if self.probed.contains(&number) {
            self.coverage.measure(number, gradient, &selected);
        }
        self.values.accumulate(number, &selected);
    }
}
