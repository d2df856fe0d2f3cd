//! Gradients on their way from the backward pass into the trained state: dense, or of the selected components only.

use std::ops::Range;

use tch::Tensor;
use tracing::trace_span;

use super::reduction::Reduction;
use crate::distributed::{DistributedError, Work, World};
use crate::model::Network;
use crate::model::backward::Gradient;
use crate::sift::sampled::{self, GradientSampler, SampledLayer, SamplingPlan};
use crate::sift::{Coverage, FlatGradient, Selected, Slot, SlotGradient, bias_gradient};

/// How the gradient of a slot's single components is sampled; `None` where the dense gradient is faster, or a product of parts of
/// it is.
pub(super) fn sampling_plan(network: &Network, slot: &Slot) -> Option<SamplingPlan> {
    let linear = network.parameters.specs().iter().any(|spec| spec.name == slot.name && spec.is_linear());
    let (Some(Selected::Entries(indices)), &[out, width]) = (&slot.selected, &slot.shape[..]) else { return None };
    let faster = sampled::is_faster(network.parameters.device(), slot.trained(), [out, width]);
    (linear && faster).then(|| SamplingPlan::new(indices, out, width))
}

/// Bytes of gradients that are kept until they are accumulated together: as many as a segment of a small model has, whose steps wait
/// for launches.
const TOGETHER: usize = 16 << 20;

/// Accumulates the gradients of one micro-batch.
pub(super) struct GradientSink<'a> {
    gradient: &'a mut FlatGradient,
    plans: &'a [Option<SamplingPlan>],
    sampler: &'a mut GradientSampler,
    coverage: &'a mut Coverage,
    /// Sparse slots whose gradient mass is measured.
    probed: &'a Range<usize>,
    ranks: SinkRanks<'a>,
    /// Whether all ranks have taken part so far.
    summed: Result<(), DistributedError>,
    /// Dense gradients that are being summed over all ranks, to measure their mass.
    measured: Vec<Measured<'a>>,
    /// Gradients that are not accumulated yet, and their bytes.
    pending: Vec<(usize, SlotGradient)>,
    bytes: usize,
}

/// What the sink needs to know of the ranks.
pub(super) struct SinkRanks<'a> {
    pub world: &'a World,
    /// Sums the accumulated gradients; in the last micro-batch of a step only.
    pub reduction: Option<Reduction<'a>>,
}

/// The dense gradient of a probed slot on its way to that of all ranks.
struct Measured<'a> {
    slot: usize,
    gradient: Tensor,
    work: Work<'a>,
}

/// Layers with the same input, whose gradients are sampled together.
struct SharedInput {
    /// `[tokens, in]`
    x: Tensor,
    /// Slots, each with the gradient of the layer's output, `[tokens, out]`.
    layers: Vec<(usize, Tensor)>,
}

impl<'a> GradientSink<'a> {
    pub fn new(
        gradient: &'a mut FlatGradient,
        plans: &'a [Option<SamplingPlan>],
        sampler: &'a mut GradientSampler,
        coverage: &'a mut Coverage,
        probed: &'a Range<usize>,
        ranks: SinkRanks<'a>,
    ) -> GradientSink<'a> {
        let (summed, measured, pending) = (Ok(()), Vec::new(), Vec::new());
        GradientSink { gradient, plans, sampler, coverage, probed, ranks, summed, measured, pending, bytes: 0 }
    }

    /// Takes the gradients of one segment.
    pub fn take(&mut self, gradients: Vec<Gradient>) {
        // Query, key and value have the same input, which is prepared once for all three.
        let mut sampled: Vec<SharedInput> = Vec::new();
        for gradient in gradients {
            match gradient {
                Gradient::Linear { slots, x, dy } => {
                    if let Some(slot) = slots.weight {
                        match self.of_weight(slot, &x, &dy) {
                            Some(gradient) => self.put(slot, gradient),
                            None => share(&mut sampled, slot, x, dy.shallow_clone()),
                        }
                    }
                    if let Some(slot) = slots.bias {
                        let probed = self.probed.contains(&slot);
                        let gradient =
                            if probed { SlotGradient::Whole(bias_gradient(&dy)) } else { SlotGradient::Output(dy) };
                        self.put(slot, gradient);
                    }
                }
                Gradient::Leaf { slot, gradient } => self.put(slot, SlotGradient::Whole(gradient)),
            }
        }
        for SharedInput { x, layers } in sampled {
            let span = trace_span!("sample gradients").entered();
            let plans = layers.iter().filter_map(|(slot, _)| self.plans[*slot].as_ref());
            let planned: Vec<SampledLayer> =
                layers.iter().zip(plans).map(|((_, dy), plan)| SampledLayer { dy, plan }).collect();
            let gradients = self.sampler.sample(&x, &planned);
            drop(span);
            for ((slot, _), gradient) in layers.iter().zip(gradients) {
                self.put(*slot, SlotGradient::Trained(gradient));
            }
        }
        self.accumulate();
    }

    /// Waits until what all ranks add up is there.
    ///
    /// # Errors
    /// A rank that is gone or does not answer.
    pub fn finish(mut self) -> Result<(), DistributedError> {
        self.summed.clone()?;
        self.measure()?;
        self.ranks.reduction.map_or(Ok(()), Reduction::finish)
    }

    /// The gradient of a linear layer's weight; `None` if it is sampled at the selected components.
    fn of_weight(&self, slot: usize, x: &Tensor, dy: &Tensor) -> Option<SlotGradient> {
        let probed = self.probed.contains(&slot);
        let selected = self.gradient.slots()[slot].selected.as_ref().filter(|_| !probed);
        let product = selected.and_then(|selected| {
            let _span = trace_span!("sample gradients").entered();
            selected.product(x, dy)
        });
        match product {
            Some(product) => Some(SlotGradient::Trained(product)),
            None if self.plans[slot].is_none() || probed => Some(SlotGradient::Whole(sampled::dense_gradient(x, dy))),
            None => None,
        }
    }

    fn put(&mut self, slot: usize, gradient: SlotGradient) {
        if let SlotGradient::Whole(tensor) | SlotGradient::Trained(tensor) = &gradient {
            self.bytes += tensor.numel() * tensor.kind().elt_size_in_bytes();
        }
        self.pending.push((slot, gradient));
        if self.bytes >= TOGETHER {
            self.accumulate();
        }
    }

    /// Accumulates the pending gradients, and measures the gradient mass of those that are probed.
    fn accumulate(&mut self) {
        let _span = trace_span!("accumulate gradients").entered();
        if self.summed.is_ok() {
            self.summed = self.probe();
        }
        self.gradient.accumulate(&self.pending);
        let complete = self.pending.iter().map(|(slot, _)| *slot);
        if let (Ok(()), Some(reduction)) = (&self.summed, &mut self.ranks.reduction) {
            self.summed = reduction.complete(complete);
        }
        self.pending.clear();
        self.bytes = 0;
    }

    /// Measures the gradient mass of the pending gradients that are probed, or with several ranks starts to sum them, which is measured
    /// once they are needed next or at the end.
    fn probe(&mut self) -> Result<(), DistributedError> {
        // Sparse slots come first, so slot and target have the same number.
        let probed = self.pending.iter().filter_map(|(slot, gradient)| match gradient {
            SlotGradient::Whole(whole) if self.probed.contains(slot) => Some((*slot, whole)),
            _ => None,
        });
        let probed: Vec<(usize, &Tensor)> = probed.collect();
        if probed.is_empty() {
            return Ok(());
        }
        if self.ranks.world.is_alone() {
            let targets: Vec<usize> = probed.iter().map(|(slot, _)| *slot).collect();
            self.coverage.put_all(&targets, &self.gradient.squares(&probed));
            return Ok(());
        }
        let world = self.ranks.world;
        let started = probed.into_iter().map(|(slot, whole)| {
            // The rank's own gradient is accumulated.
            let gradient = whole.contiguous().copy();
            Ok(Measured { slot, work: world.start_all_reduce(&gradient)?, gradient })
        });
        let started = started.collect::<Result<Vec<Measured>, DistributedError>>()?;
        // Those of one segment at a time are kept.
        self.measure()?;
        self.measured = started;
        Ok(())
    }

    /// Measures the gradient mass of the dense gradients that are being summed.
    fn measure(&mut self) -> Result<(), DistributedError> {
        let mut summed = Vec::new();
        for Measured { slot, gradient, work } in self.measured.drain(..) {
            work.wait()?;
            summed.push((slot, gradient));
        }
        if !summed.is_empty() {
            let (targets, gradients): (Vec<usize>, Vec<(usize, &Tensor)>) =
                summed.iter().map(|(slot, gradient)| (*slot, (*slot, gradient))).unzip();
            self.coverage.put_all(&targets, &self.gradient.squares(&gradients));
        }
        Ok(())
    }
}

fn share(shared: &mut Vec<SharedInput>, slot: usize, x: Tensor, dy: Tensor) {
    match shared.iter_mut().find(|shared| shared.x.data_ptr() == x.data_ptr()) {
        Some(shared) => shared.layers.push((slot, dy)),
        None => shared.push(SharedInput { x, layers: vec![(slot, dy)] }),
    }
}
