//! Gradients on their way from the backward pass into the trained state: dense, or of the selected components only.

use std::ops::Range;

use tch::{Kind, Tensor};
use tracing::trace_span;

use crate::model::Network;
use crate::model::backward::Gradient;
use crate::sift::sampled::{self, GradientSampler, SampledLayer, SamplingPlan};
use crate::sift::{Coverage, Selected, Slot, Values};

/// How the gradient of a slot's single components is sampled; `None` where the dense gradient is faster, or a product of parts of
/// it is.
pub(super) fn sampling_plan(network: &Network, slot: &Slot) -> Option<SamplingPlan> {
    let linear = network.parameters.specs().iter().any(|spec| spec.name == slot.name && spec.is_linear());
    let (Some(Selected::Entries(indices)), &[out, width]) = (&slot.selected, &slot.shape[..]) else { return None };
    let faster = sampled::is_faster(network.parameters.device(), slot.trained(), [out, width]);
    (linear && faster).then(|| SamplingPlan::new(indices, out, width))
}

/// Accumulates the gradients of one micro-batch.
pub(super) struct GradientSink<'a> {
    pub values: &'a mut Values,
    pub plans: &'a [Option<SamplingPlan>],
    pub sampler: &'a mut GradientSampler,
    pub coverage: &'a mut Coverage,
    /// Sparse slots whose gradient mass is measured.
    pub probed: &'a Range<usize>,
}

/// Layers with the same input, whose gradients are sampled together.
struct SharedInput {
    /// `[tokens, in]`
    x: Tensor,
    /// Slots, each with the gradient of the layer's output, `[tokens, out]`.
    layers: Vec<(usize, Tensor)>,
}

impl GradientSink<'_> {
    /// Takes the gradients of one segment.
    pub fn take(&mut self, gradients: Vec<Gradient>) {
        // Query, key and value have the same input, which is prepared once for all three.
        let mut sampled: Vec<SharedInput> = Vec::new();
        for gradient in gradients {
            match gradient {
                Gradient::Linear { slots, x, dy } => {
                    if let Some(slot) = slots.bias {
                        self.accumulate_whole(slot, &dy.sum_dim_intlist(Some(&[0i64][..]), false, Kind::Float));
                    }
                    let Some(slot) = slots.weight else { continue };
                    let probed = self.probed.contains(&slot);
                    let selected = self.values.slots()[slot].selected.as_ref().filter(|_| !probed);
                    let product = selected.and_then(|selected| {
                        let _span = trace_span!("sample gradients").entered();
                        selected.product(&x, &dy)
                    });
                    if let Some(product) = product {
                        self.values.accumulate(slot, &product);
                        continue;
                    }
                    if self.plans[slot].is_none() || probed {
                        self.accumulate_whole(slot, &sampled::dense_gradient(&x, &dy));
                        continue;
                    }
                    match sampled.iter_mut().find(|shared| shared.x.data_ptr() == x.data_ptr()) {
                        Some(shared) => shared.layers.push((slot, dy)),
                        None => sampled.push(SharedInput { x, layers: vec![(slot, dy)] }),
                    }
                }
                Gradient::Leaf { slot, gradient } => self.accumulate_whole(slot, &gradient),
            }
        }
        for SharedInput { x, layers } in sampled {
            let _span = trace_span!("sample gradients").entered();
            let plans = layers.iter().filter_map(|(slot, _)| self.plans[*slot].as_ref());
            let planned: Vec<SampledLayer> =
                layers.iter().zip(plans).map(|((_, dy), plan)| SampledLayer { dy, plan }).collect();
            for ((slot, _), gradient) in layers.iter().zip(self.sampler.sample(&x, &planned)) {
                self.values.accumulate(*slot, &gradient);
            }
        }
    }

    /// Adds a whole gradient, or of a sparse slot its selected components.
    fn accumulate_whole(&mut self, number: usize, gradient: &Tensor) {
        let _span = trace_span!("accumulate gradients").entered();
        let Some(selected) = &self.values.slots()[number].selected else {
            return self.values.accumulate(number, gradient);
        };
        let selected = selected.gather(gradient);
        // Sparse slots come first, so slot and target have the same number.
        if self.probed.contains(&number) {
            self.coverage.measure(number, gradient, &selected);
        }
        self.values.accumulate(number, &selected);
    }
}
