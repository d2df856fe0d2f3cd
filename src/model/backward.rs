//! Gradients of chosen parameters, without autograd ever holding the dense gradient of a linear layer's weight.
//!
//! The backward pass goes over the segments from last to first. Each starts from a detached leaf and is differentiated on its
//! own, so that only one segment's graph and gradients are alive at a time. A linear layer yields its input x and the gradient dy of its output; the visitor makes of them what it needs.

use std::collections::HashMap;

use tch::{Kind, Tensor, no_grad};
use tracing::trace_span;

use super::objective::{LossGradients, Objective};
use super::parameters::Parameters;
use super::seeds::mixed;
use super::segments::Segments;
use super::tape::{ForwardPass, LinearSlots, RecordedLayer, Tape};
use crate::device::autograd;

/// The parameters whose gradient is computed, each with the number of its slot.
pub struct GradTargets {
    /// Linear layers by name.
    linear: HashMap<String, RecordedLayer>,
    /// Other parameters, per segment: they are leaves of its graph.
    leaves: HashMap<usize, Vec<Leaf>>,
    lm_head: Option<LmHeadTarget>,
    /// Segments before this one have no backward pass.
    lowest: usize,
    /// Whether blocks have to be computed again: their weights are off the device.
    offloaded: bool,
}

/// A parameter that is a leaf of a segment's graph.
struct Leaf {
    slot: usize,
    tensor: Tensor,
}

/// The table that makes logits, where it is trained.
#[derive(Clone, Copy)]
struct LmHeadTarget {
    slot: usize,
    /// The segment that uses it as well, or one past the last.
    segment: usize,
}

/// The gradient of a parameter, or what it is made of.
pub enum Gradient {
    /// Of a linear layer: dW = dyᵀ·x, db = Σ dy.
    Linear {
        /// The slots of its weight and bias.
        slots: LinearSlots,
        /// The layer's input, `[tokens, in]`; or `[tokens, c]`, if [`GradTargets::keep_columns`] has named the columns that are
        /// needed of it.
        x: Tensor,
        /// The gradient of its output, `[tokens, out]`.
        dy: Tensor,
    },
    /// Of any other parameter.
    Leaf {
        /// The parameter's slot.
        slot: usize,
        /// The gradient, in the parameter's shape.
        gradient: Tensor,
    },
}

/// How forward and backward run.
#[derive(Clone, Copy, Debug)]
pub struct BackwardOptions {
    /// Whether dropout is on.
    pub training: bool,
    /// Gradient checkpointing: keep only each segment's input, and compute the rest again in the backward pass.
    pub checkpointing: bool,
    /// Seed of the dropout masks, together with the segment's number. The same seed gives the same masks, now and after
    /// a restart.
    pub seed: u64,
}

impl GradTargets {
    /// Targets for the parameters of these names; a parameter's slot is its place among them. Parameters that are no linear
    /// layer's are made to require a gradient.
    pub fn new<'a>(parameters: &Parameters, names: impl IntoIterator<Item = &'a str>) -> GradTargets {
        let slots: HashMap<&str, usize> = names.into_iter().zip(0..).collect();
        let mut targets = GradTargets {
            linear: HashMap::new(),
            leaves: HashMap::new(),
            lm_head: None,
            lowest: usize::MAX,
            offloaded: parameters.are_offloaded(),
        };
        for spec in parameters.specs() {
            let Some(&slot) = slots.get(spec.name.as_str()) else { continue };
            targets.lowest = targets.lowest.min(spec.segment);
            if spec.lm_head {
                targets.lm_head = Some(LmHeadTarget { slot, segment: spec.segment });
            }
            match spec.name.rsplit_once('.') {
                Some((layer, _)) if spec.is_linear() => {
                    let none = LinearSlots { weight: None, bias: None };
                    let layer = targets.linear.entry(layer.to_owned());
                    let slots = &mut layer.or_insert(RecordedLayer { slots: none, columns: None }).slots;
                    if spec.is_bias() { slots.bias = Some(slot) } else { slots.weight = Some(slot) }
                }
                _ => {
                    let tensor = parameters.get(&spec.name).set_requires_grad(true);
                    targets.leaves.entry(spec.segment).or_default().push(Leaf { slot, tensor });
                }
            }
        }
        // The gradient of a bias is made of dy alone.
        for layer in targets.linear.values_mut().filter(|layer| layer.slots.weight.is_none()) {
            layer.columns = Some(Tensor::zeros([0], (Kind::Int64, parameters.device())));
        }
        targets
    }

    /// Says which columns of its input the gradient of a linear layer's weight is made of, int64 `[c]`, so that no others are
    /// kept for the backward pass; `None` for all of them. Other parameters are not affected.
    pub fn keep_columns(&mut self, slot: usize, columns: Option<&Tensor>) {
        for layer in self.linear.values_mut().filter(|layer| layer.slots.weight == Some(slot)) {
            layer.columns = columns.map(Tensor::shallow_clone);
        }
    }
}

/// Runs the network forward and backward. Returns the loss, on the device and outside any graph. `visit` gets the gradients
/// of one segment at a time, from the last segment to the first.
pub fn gradients(
    network: &dyn Segments,
    targets: &GradTargets,
    options: BackwardOptions,
    objective: &Objective,
    visit: &mut dyn FnMut(Vec<Gradient>),
) -> Tensor {
    let forward = trace_span!("forward").entered();
    let last = network.count() - 1;
    let lowest = targets.lowest.min(last);
    let mut hidden = no_grad(|| {
        (0..lowest).fold(Tensor::new(), |hidden, segment| {
            network.forward(segment, &hidden, &mut ForwardPass::without_tape(options.dropout(segment)))
        })
    });
    let mut segments = Vec::new();
    for segment in lowest..=last {
        // With checkpointing the last segment's graph is needed right away, so it is kept.
        if (options.checkpointing || targets.offloaded) && segment < last {
            let mut pass = ForwardPass::without_tape(options.dropout(segment));
            let output = no_grad(|| network.forward(segment, &hidden, &mut pass));
            segments.push(SegmentRun::Checkpointed { segment, input: std::mem::replace(&mut hidden, output) });
        } else {
            let graph = SegmentGraph::record(network, targets, options, segment, &hidden);
            hidden = graph.output.detach();
            segments.push(SegmentRun::Recorded { segment, graph });
        }
    }

    let LossGradients { loss, output: mut incoming, lm_head } =
        objective.differentiate(&hidden, targets.lm_head.is_some());
    drop(forward);
    let mut lm_head = targets.lm_head.zip(lm_head);
    if let Some((LmHeadTarget { slot, .. }, gradient)) = lm_head.take_if(|(target, _)| target.segment > last) {
        visit(vec![Gradient::Leaf { slot, gradient }]);
    }
    while let Some(run) = segments.pop() {
        let backward = trace_span!("backward").entered();
        let (segment, graph) = match run {
            SegmentRun::Recorded { segment, graph } => (segment, graph),
            SegmentRun::Checkpointed { segment, input } => {
                (segment, SegmentGraph::record(network, targets, options, segment, &input))
            }
        };
        let (mut gradients, below) = graph.backward(&incoming);
        incoming = below;
        // The gradient of an embedding that serves as lm_head has two parts.
        if let Some((target, part)) = lm_head.take_if(|(target, _)| target.segment == segment) {
            for gradient in &mut gradients {
                match gradient {
                    Gradient::Leaf { slot, gradient } if *slot == target.slot => *gradient += &part,
                    _ => {}
                }
            }
        }
        drop(backward);
        visit(gradients);
    }
    loss
}

impl BackwardOptions {
    /// The seed of a segment's dropout, where it is on.
    fn dropout(&self, segment: usize) -> Option<u64> {
        self.training.then(|| mixed(self.seed, segment as u64))
    }
}

/// A segment between its forward and its backward pass.
enum SegmentRun {
    Recorded { segment: usize, graph: SegmentGraph },
    Checkpointed { segment: usize, input: Tensor },
}

/// A segment's graph.
struct SegmentGraph {
    /// The segment's input as a leaf; undefined where no segment below has a backward pass.
    input: Tensor,
    output: Tensor,
    tape: Tape,
    leaves: Vec<Leaf>,
}

impl SegmentGraph {
    fn record(
        network: &dyn Segments,
        targets: &GradTargets,
        options: BackwardOptions,
        segment: usize,
        input: &Tensor,
    ) -> SegmentGraph {
        let input =
            if segment > 0 { input.detach().set_requires_grad(segment > targets.lowest) } else { Tensor::new() };
        let mut pass = ForwardPass::recording(options.dropout(segment), &targets.linear);
        let output = network.forward(segment, &input, &mut pass);
        let leaves = targets.leaves.get(&segment).into_iter().flatten();
        let leaves = leaves.map(|leaf| Leaf { slot: leaf.slot, tensor: leaf.tensor.shallow_clone() }).collect();
        let tape = pass.into_tape(&input);
        let input = if segment > targets.lowest { input } else { Tensor::new() };
        SegmentGraph { input, output, tape, leaves }
    }

    /// The gradients of the segment's targets, and that of its input where a segment below needs it. `incoming` is the
    /// gradient of its output.
    fn backward(self, incoming: &Tensor) -> (Vec<Gradient>, Tensor) {
        let SegmentGraph { input, output, tape, leaves } = self;
        let mut inputs: Vec<&Tensor> = leaves.iter().map(|leaf| &leaf.tensor).collect();
        inputs.extend(Some(&tape.end).filter(|_| !tape.records.is_empty()));
        inputs.extend(Some(&input).filter(|input| input.defined()));
        if inputs.is_empty() {
            return (Vec::new(), Tensor::new());
        }
        let mut found = autograd::gradients(&output, incoming, &inputs);
        let below = if input.defined() { found.pop().unwrap_or_default() } else { Tensor::new() };
        let mut gradients = Vec::with_capacity(tape.records.len() + leaves.len());
        let flat = |tensor: Tensor| tensor.flatten(0, -2);
        for mut record in tape.records {
            if let Some(dy) = record.take_gradient() {
                gradients.push(Gradient::Linear { slots: record.slots, x: flat(record.input), dy: flat(dy) });
            }
        }
        for (Leaf { slot, tensor }, gradient) in leaves.into_iter().zip(found) {
            // Undefined for a parameter that the batch does not use, such as a table of unused rows.
            let gradient = if gradient.defined() { gradient } else { tensor.zeros_like().to_kind(Kind::Float) };
            gradients.push(Gradient::Leaf { slot, gradient });
        }
        (gradients, below)
    }
}
