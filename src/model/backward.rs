//! Gradients of chosen parameters without autograd ever holding one of a weight.
//!
//! Backward walks the segments from last to first. Each starts from a detached leaf and is differentiated alone, through
//! the scalar Σ h·dh whose gradient is exactly dh, so that the graph and the gradients of one segment live at a time.
//! A linear layer tells what went in (x) and the gradient of what came out (dy); the visitor makes of them what it needs.

use std::collections::{HashMap, HashSet};

use tch::{Kind, Tensor, no_grad};

use super::Segments;
use super::objective::{Differentiated, Objective};
use super::tape::Pass;
use super::weights::Parameters;

/// The parameters whose gradient is wanted.
pub struct GradTargets {
    /// Linear layers, by name without `.weight`.
    modules: HashSet<String>,
    /// Others, per segment: they are leaves of its graph.
    leaves: HashMap<usize, Vec<(String, Tensor)>>,
    /// The table that the objective uses, and the segment that uses it too, if one does.
    table: Option<(String, usize)>,
    /// Segments before this one are never walked back.
    lowest: usize,
}

/// A gradient, or what it is made of.
pub enum Gradient {
    /// Of a linear layer: dW = dyᵀ·x, db = Σ dy.
    Linear {
        /// The layer's name without `.weight`.
        module: String,
        /// What went in, `[tokens, in]`.
        x: Tensor,
        /// The gradient of what came out, `[tokens, out]`.
        dy: Tensor,
    },
    /// Of any other parameter, in its shape.
    Leaf {
        /// The parameter's name.
        name: String,
        /// Its gradient.
        gradient: Tensor,
    },
}

/// How to walk.
#[derive(Clone, Copy, Debug)]
pub struct BackwardOptions {
    /// Whether there is dropout.
    pub training: bool,
    /// Whether to keep only what enters each segment and compute the rest again on the way back.
    pub checkpointing: bool,
    /// Decides what is dropped, together with the segment's number. The same seed drops the same again, now and after
    /// a restart: libtorch's own generator cannot be saved.
    pub seed: u64,
}

impl GradTargets {
    /// For the parameters of these names; those that are no linear layer's are made to require a gradient.
    pub fn new<'a>(parameters: &Parameters, names: impl IntoIterator<Item = &'a str>) -> GradTargets {
        let names: HashSet<&str> = names.into_iter().collect();
        let mut wanted =
            GradTargets { modules: HashSet::new(), leaves: HashMap::new(), table: None, lowest: usize::MAX };
        for spec in parameters.specs().iter().filter(|spec| names.contains(spec.name.as_str())) {
            wanted.lowest = wanted.lowest.min(spec.segment);
            if spec.objective {
                wanted.table = Some((spec.name.clone(), spec.segment));
            }
            match spec.name.rsplit_once('.') {
                Some((module, _)) if spec.linear => {
                    wanted.modules.insert(module.to_owned());
                }
                _ => {
                    let leaf = parameters.get(&spec.name).set_requires_grad(true);
                    wanted.leaves.entry(spec.segment).or_default().push((spec.name.clone(), leaf));
                }
            }
        }
        wanted
    }
}

/// Runs the network forward and back. The loss comes back, on the device and outside any graph. `visit` is given the
/// gradients of one segment at a time, the last segment's first.
pub fn gradients(
    network: &dyn Segments,
    wanted: &GradTargets,
    walk: BackwardOptions,
    objective: &Objective,
    visit: &mut dyn FnMut(Vec<Gradient>),
) -> Tensor {
    let last = network.count() - 1;
    let lowest = wanted.lowest.min(last);
    let mut hidden = no_grad(|| {
        (0..lowest).fold(Tensor::new(), |hidden, segment| {
            walk.forward(network, segment, &hidden, &mut Pass::silent(walk.training))
        })
    });
    let mut segments = Vec::new();
    for segment in lowest..=last {
        // With checkpointing the last segment's graph is needed at once, so it is kept.
        if walk.checkpointing && segment < last {
            let out = no_grad(|| walk.forward(network, segment, &hidden, &mut Pass::silent(walk.training)));
            segments.push(Run::Again { segment, input: std::mem::replace(&mut hidden, out) });
        } else {
            let graph = Graph::record(network, wanted, walk, segment, &hidden, segment > lowest);
            hidden = graph.output.detach();
            segments.push(Run::Recorded(segment, graph));
        }
    }

    let Differentiated { loss, by_output: mut incoming, by_table } =
        objective.differentiate(&hidden, wanted.table.is_some());
    let mut table = wanted.table.as_ref().zip(by_table).map(|((name, segment), by_table)| (name, *segment, by_table));
    if let Some((name, _, gradient)) = table.take_if(|(_, segment, _)| *segment > last) {
        visit(vec![Gradient::Leaf { name: name.clone(), gradient }]);
    }
    while let Some(run) = segments.pop() {
        let (segment, graph) = match run {
            Run::Recorded(segment, graph) => (segment, graph),
            Run::Again { segment, input } => {
                (segment, Graph::record(network, wanted, walk, segment, &input, segment > lowest))
            }
        };
        let (mut gradients, below) = graph.backward(&incoming);
        incoming = below;
        // A table that is an embedding too has two parts to its gradient.
        if let Some((name, _, part)) = table.take_if(|(_, of, _)| *of == segment) {
            for gradient in &mut gradients {
                match gradient {
                    Gradient::Leaf { name: of, gradient } if of == name => *gradient += &part,
                    _ => {}
                }
            }
        }
        visit(gradients);
    }
    loss
}

impl BackwardOptions {
    fn forward(&self, network: &dyn Segments, segment: usize, hidden: &Tensor, pass: &mut Pass) -> Tensor {
        if self.training {
            tch::manual_seed(mixed(self.seed, segment as u64) as i64);
        }
        network.forward(segment, hidden, pass)
    }
}

/// A well spread 64-bit number of two others (the finalizer of SplitMix64).
pub fn mixed(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A segment on the way forward.
enum Run {
    Recorded(usize, Graph),
    /// Only its input was kept.
    Again {
        segment: usize,
        input: Tensor,
    },
}

/// A segment with its graph.
struct Graph {
    /// What came in, as a leaf; requires a gradient where a segment below is walked back too.
    input: Tensor,
    output: Tensor,
    records: Vec<super::Record>,
    leaves: Vec<(String, Tensor)>,
}

impl Graph {
    fn record(
        network: &dyn Segments,
        wanted: &GradTargets,
        walk: BackwardOptions,
        segment: usize,
        input: &Tensor,
        below: bool,
    ) -> Graph {
        // A linear layer's own parameters ask for no gradient, so y is part of a graph only if x is.
        let input = if segment > 0 { input.detach().set_requires_grad(true) } else { Tensor::new() };
        let mut pass = Pass::recording(walk.training, &wanted.modules);
        let output = walk.forward(network, segment, &input, &mut pass);
        let leaves = wanted.leaves.get(&segment).into_iter().flatten();
        let leaves = leaves.map(|(name, leaf)| (name.clone(), leaf.shallow_clone())).collect();
        let input = if below { input } else { Tensor::new() };
        Graph { input, output, records: pass.into_records(), leaves }
    }

    /// The wanted gradients, and that of what came in where a segment below needs it. `incoming` is that of the output.
    fn backward(self, incoming: &Tensor) -> (Vec<Gradient>, Tensor) {
        let mut inputs: Vec<&Tensor> = self.records.iter().map(|record| &record.output).collect();
        inputs.extend(self.leaves.iter().map(|(_, leaf)| leaf));
        if self.input.defined() {
            inputs.push(&self.input);
        }
        if inputs.is_empty() {
            return (Vec::new(), Tensor::new());
        }
        let scalar = (&self.output * incoming).sum(self.output.kind());
        let mut found = Tensor::run_backward(&[&scalar], &inputs, false, false).into_iter();
        let mut gradients = Vec::with_capacity(self.records.len() + self.leaves.len());
        let flat = |tensor: Tensor| tensor.reshape([-1, tensor.size().last().copied().unwrap_or(1)]);
        for (record, dy) in self.records.into_iter().zip(found.by_ref()) {
            gradients.push(Gradient::Linear { module: record.module, x: flat(record.input), dy: flat(dy) });
        }
        for ((name, leaf), gradient) in self.leaves.into_iter().zip(found.by_ref()) {
            // A row of an embedding that no token asked for, at the limit all of them.
            let gradient = if gradient.defined() { gradient } else { leaf.zeros_like().to_kind(Kind::Float) };
            gradients.push(Gradient::Leaf { name, gradient });
        }
        (gradients, found.next().unwrap_or_default())
    }
}
