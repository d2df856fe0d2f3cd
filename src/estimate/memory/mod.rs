//! The memory of a training run, computed from shapes alone: nothing is loaded.
//!
//! Weights, optimizer state and indices follow to the byte ([`crate::sift::Values`]). Activations and workspace are derived
//! from what is alive at the peak of real steps ([`peak`]). `finesift bench --plan` prints them beside measurements on this
//! machine. The process itself comes on top: what libtorch takes before and while it computes.

mod peak;
mod step_shape;
#[cfg(test)]
mod tests;

use super::report::{MemoryPart, ModelEstimate};
use crate::model::{Layout, NetworkShape, OffloadBytes, ParameterSpec, is_offloaded};
use crate::sift::{Role, Rules};
use peak::StepMemory;
pub use step_shape::StepShape;

/// Resident bytes of the program with libtorch before a model is loaded, and the parts of libtorch that a step touches.
const PROCESS: u64 = 145 << 20;

/// A CUDA context and the libraries' workspaces. A guess: drivers and GPUs differ.
const CUDA: u64 = 550 << 20;

/// Upper limit of the search for the largest micro-batch.
const MOST_ROWS: u64 = 1 << 20;

impl ModelEstimate {
    /// Counts the components that the rules select in a network, and estimates the memory of its training steps.
    pub fn of(network: NetworkShape<'_>, rules: &Rules, step: StepShape) -> ModelEstimate {
        let (layout, layers) = Layout::with_layers(network);
        let (step, shards) = (step.of_rank(), step.shards());
        let size = |spec: &ParameterSpec| spec.shape.iter().product::<i64>();
        let of_role = |role: Role| layout.parameters.iter().filter(move |spec| rules.role(&spec.name) == role);
        let selected = of_role(Role::Sparse).map(|spec| rules.budget(&spec.shape) as u64).sum::<u64>();
        let of = of_role(Role::Sparse).map(|spec| size(spec) as u64).sum::<u64>();
        let dense = of_role(Role::Dense).map(|spec| size(spec) as u64).sum::<u64>();
        let index_bytes = |spec: &ParameterSpec| rules.structure.index_bytes(&spec.shape, rules.rate);
        let indices = of_role(Role::Sparse).map(index_bytes).sum::<u64>();
        let gradient = if step.gpu && step.micro_batches == 1 { step.dtype } else { 4 };
        let parameters = layout.components() as u64;
        let adapters =
            layout.parameters.iter().filter(|spec| spec.is_adapter()).map(|spec| size(spec) as u64).sum::<u64>();
        // What this process trains of them: where weights are sharded, about its share of those in blocks.
        let own = |spec: &ParameterSpec, trained: u64| match shards {
            Some(ranks) if is_offloaded(spec, layout.blocks) => trained.div_ceil(ranks as u64),
            _ => trained,
        };
        let own_selected = of_role(Role::Sparse).map(|spec| own(spec, rules.budget(&spec.shape) as u64)).sum::<u64>();
        let own_dense = of_role(Role::Dense).map(|spec| own(spec, size(spec) as u64)).sum::<u64>();
        // Beside the indices of all, an index of each of its own, and their gradients in a vector of their own.
        let (own_indices, own_gradients) = match shards {
            Some(_) => (own_selected * 4, (own_selected + own_dense) * gradient),
            None => (0, 0),
        };
        let reselections = if selected > 0 { step.reselections } else { 0 };
        // The update at which each component started, once there has been another selection.
        let birth = if reselections > 0 { 4 } else { 0 };
        // On a GPU they are in host memory unless each step needs them.
        let pretrained = if step.gpu && !step.decays { 0 } else { step.dtype };
        // Old and new vectors exist together while values are moved, beside the new indices.
        let moved = (own_selected + own_dense) * (3 * 4 + birth)
            + (selected + dense) * gradient
            + own_selected * (pretrained + 8)
            + indices
            + own_indices;
        let peak = StepMemory::new(network.config, &layout, &layers, rules, step)
            .peak(selected, (reselections > 0).then_some(moved));
        let off = match (step.offload, shards) {
            (false, None) => OffloadBytes::default(),
            (_, ranks) => OffloadBytes::of(&layout.parameters, layout.blocks, step.dtype, ranks),
        };
        let exact = |name, bytes| MemoryPart { name, bytes, estimated: false };
        let estimated = |name, bytes| MemoryPart { name, bytes, estimated: true };
        let mut memory = vec![
            // Adapters are fp32 in any case. Of blocks whose weights are off the device, two at a time are there.
            exact("weights", (parameters - adapters) * step.dtype + adapters * 4 - off.elsewhere + off.device),
            // Master values, two moments and gradients of all trained components. Sparse ones may have their pre-trained value
            // in the weights' type, and each one or each set of them has an index.
            MemoryPart {
                name: "sparse optimizer",
                bytes: own_selected * (3 * 4 + birth + pretrained) + selected * gradient + indices + own_indices,
                // How many of the components are in a rank's rows is not known before.
                estimated: shards.is_some(),
            },
            exact("dense optimizer", own_dense * (3 * 4 + birth) + dense * gradient),
            estimated("activations", peak.activations),
            estimated("workspace", peak.workspace + own_gradients),
            estimated("process", if step.gpu { CUDA } else { PROCESS }),
        ];
        if step.selection_batches.unwrap_or(step.micro_batches) > 1 {
            memory.push(estimated("selection", of * 4));
        }
        if reselections > 0 && !step.gpu {
            // In host memory: index, value and pre-trained value. How many selections share is not known before: none, at worst.
            let deselected = selected.saturating_mul(reselections).min(of.saturating_sub(selected));
            memory.push(estimated("deselected, at most", deselected * (8 + 4 + step.dtype)));
        }
        ModelEstimate {
            parameters,
            selected,
            of,
            dense,
            adapters,
            memory,
            offloaded: if step.offload { off.elsewhere } else { 0 },
            fits: Vec::new(),
            layout: Vec::new(),
        }
    }
}

/// Rows of the largest micro-batch with which a run takes at most `limit` bytes; 0 if there is none.
pub fn largest_batch(network: NetworkShape<'_>, rules: &Rules, step: StepShape, limit: u64) -> u64 {
    let fits = |rows: u64| ModelEstimate::of(network, rules, StepShape { rows, ..step }).bytes() <= limit;
    let (mut below, mut above) = (0, MOST_ROWS + 1);
    while above - below > 1 {
        let rows = below + (above - below) / 2;
        if fits(rows) { below = rows } else { above = rows }
    }
    below
}
