//! Gradients on their way from the backward pass into the trained state: dense, or of the selected components only.

use std::ops::Range;

use tch::Tensor;
use tracing::trace_span;

use crate::distributed::{DistributedError, World};
use crate::model::Network;
use crate::model::backward::Gradient;
use crate::sift::sampled::{self, GradientSampler, SampledLayer, SamplingPlan};
use crate::sift::{Coverage, Selected, Slot, SlotGradient, Values, bias_gradient};

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
    values: &'a mut Values,
    plans: &'a [Option<SamplingPlan>],
    sampler: &'a mut GradientSampler,
    coverage: &'a mut Coverage,
    /// Sparse slots whose gradient mass is measured.
    probed: &'a Range<usize>,
    world: &'a World,
    /// Whether the ranks have added up what is measured.
    summed: Result<(), DistributedError>,
    /// Gradients that are not accumulated yet, and their bytes.
    pending: Vec<(usize, SlotGradient)>,
    bytes: usize,
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
        values: &'a mut Values,
        plans: &'a [Option<SamplingPlan>],
        sampler: &'a mut GradientSampler,
        coverage: &'a mut Coverage,
        probed: &'a Range<usize>,
        world: &'a World,
    ) -> GradientSink<'a> {
        let (summed, pending) = (Ok(()), Vec::new());
        GradientSink { values, plans, sampler, coverage, probed, world, summed, pending, bytes: 0 }
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

    /// Whether all ranks took part.
    ///
    /// # Errors
    /// One that is gone or does not answer.
    pub fn finish(self) -> Result<(), DistributedError> {
        self.summed
    }

    /// The gradient of a linear layer's weight; `None` if it is sampled at the selected components.
    fn of_weight(&self, slot: usize, x: &Tensor, dy: &Tensor) -> Option<SlotGradient> {
        let probed = self.probed.contains(&slot);
        let selected = self.values.slots()[slot].selected.as_ref().filter(|_| !probed);
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
        // Sparse slots come first, so slot and target have the same number.
        let probed = self.pending.iter().filter_map(|(slot, gradient)| match gradient {
            SlotGradient::Whole(whole) if self.probed.contains(slot) => Some((*slot, whole)),
            _ => None,
        });
        let (targets, whole): (Vec<usize>, Vec<(usize, &Tensor)>) =
            probed.map(|(slot, whole)| (slot, (slot, whole))).unzip();
        if !targets.is_empty() {
            let summed = whole.iter().map(|(slot, whole)| {
                // The rank's own part is accumulated below.
                let all = if self.world.is_alone() { whole.shallow_clone() } else { whole.contiguous().copy() };
                self.world.all_reduce(&all).map(|()| (*slot, all))
            });
            match summed.collect::<Result<Vec<(usize, Tensor)>, DistributedError>>() {
                Ok(all) => {
                    let all: Vec<(usize, &Tensor)> = all.iter().map(|(slot, all)| (*slot, all)).collect();
                    self.coverage.put_all(&targets, &self.values.squares(&all));
                }
                Err(error) => self.summed = Err(error),
            }
        }
        self.values.accumulate(&self.pending);
        self.pending.clear();
        self.bytes = 0;
    }
}

fn share(shared: &mut Vec<SharedInput>, slot: usize, x: Tensor, dy: Tensor) {
    match shared.iter_mut().find(|shared| shared.x.data_ptr() == x.data_ptr()) {
        Some(shared) => shared.layers.push((slot, dy)),
        None => shared.push(SharedInput { x, layers: vec![(slot, dy)] }),
    }
}
