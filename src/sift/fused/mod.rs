//! The method's bookkeeping for all targets at once. As tensor operations it is a dozen launches for each target, which is what a
//! step of a small model waits for on a GPU, and a dozen passes over memory for each vector of a large one. As a kernel it is one launch
//! for the gradients of a segment, and one pass for the optimizer's step, with the weights written in it.

mod arguments;
#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::ptr;

use tch::{Device, Kind, Tensor};
use tracing::trace_span;

use super::adamw::{AdamW, SparseDecay, UpdateGate};
use super::selected::Places;
use super::state::{Slot, State};
use super::targets::Role;
use crate::kernels::cuda::{CHUNK, Kernel, Processor, Program, data, kind_number};
use arguments::{
    BiasArguments, BiasEntry, GRADIENTS, GatherArguments, GradientEntry, PARTS, PlacesEntry, SlotEntry,
    SquaresArguments, UpdateArguments,
};

/// The kernels.
pub static METHOD: Program =
    Program::new("method", include_str!("method.cu"), &[GATHER.name, BIAS_GRADIENTS.name, SQUARES.name, UPDATE.name]);

const GATHER: Kernel<GatherArguments> = Kernel { name: c"finesift_gather", on_cpu: finesift_gather };
const BIAS_GRADIENTS: Kernel<BiasArguments> =
    Kernel { name: c"finesift_bias_gradients", on_cpu: finesift_bias_gradients };
const SQUARES: Kernel<SquaresArguments> = Kernel { name: c"finesift_squares", on_cpu: finesift_squares };
const UPDATE: Kernel<UpdateArguments> = Kernel { name: c"finesift_update", on_cpu: finesift_update };

unsafe extern "C" {
    fn finesift_gather(arguments: &GatherArguments, block: i64);
    fn finesift_bias_gradients(arguments: &BiasArguments, block: i64);
    fn finesift_squares(arguments: &SquaresArguments, block: i64);
    fn finesift_update(arguments: &UpdateArguments, block: i64);
}

/// A micro-batch's gradient of a parameter.
pub enum SlotGradient {
    /// Of all components, in the parameter's shape.
    Whole(Tensor),
    /// Of the trained components, `[k]`, in their order.
    Trained(Tensor),
    /// Of a linear layer's bias, as the gradient of the layer's output: `[tokens, out]`.
    Output(Tensor),
}

/// The kernels on the parameters of a training.
pub struct Fused {
    processor: Processor,
    device: Device,
    /// A [`SlotEntry`] for each slot, on the device.
    table: Tensor,
    slots: i32,
    /// What the table points to.
    _kept: Vec<Tensor>,
}

impl Fused {
    /// For these slots, each with its parameter, which is `None` where it is off the device and not to be written; `None` for
    /// parameters that the kernels do not take. `kinds` are the types of the flat gradient and of the pre-trained values.
    pub fn new(
        (processor, device): (Processor, Device),
        slots: &[Slot],
        weights: &[Option<&Tensor>],
        kinds: [Kind; 2],
    ) -> Option<Fused> {
        if slots.is_empty() || kinds.into_iter().any(|kind| kind_number(kind).is_none()) {
            return None;
        }
        let mut kept: Vec<Tensor> = weights.iter().flatten().map(|weights| weights.shallow_clone()).collect();
        let mut entries = Vec::with_capacity(slots.len());
        for (slot, weights) in slots.iter().zip(weights) {
            let taken = |weights: &&Tensor| weights.is_contiguous() && weights.device() == device;
            if !weights.as_ref().is_none_or(taken) || u32::try_from(slot.components()).is_err() {
                return None;
            }
            let places = slot.selected.as_ref().map(|selected| selected.places()).unwrap_or_default();
            let lists = [places.indices, places.rows, places.columns];
            kept.extend(lists.into_iter().flatten().map(Tensor::shallow_clone));
            entries.push(SlotEntry {
                start: slot.range.start,
                end: slot.range.end,
                weights: weights.map_or(ptr::null_mut(), data),
                places: entry(&places),
                kind: weights.map_or(Some(0), |weights| kind_number(weights.kind()))?,
                decay: match slot.role() {
                    _ if !slot.decays() => 0,
                    Role::Sparse => 1,
                    _ => 2,
                },
            });
        }
        // SAFETY: the entries are plain numbers and pointers, `size_of_val` bytes of them.
        let bytes = unsafe { std::slice::from_raw_parts(entries.as_ptr().cast::<u8>(), size_of_val(&entries[..])) };
        let table = Tensor::from_data_size(bytes, &[bytes.len() as i64], Kind::Uint8).to_device(device);
        Some(Fused { processor, device, table, slots: i32::try_from(slots.len()).ok()?, _kept: kept })
    }

    /// Adds gradients of trained components to the flat vector `sums`, fp32 or bf16.
    pub fn accumulate(&self, slots: &[Slot], sums: &Tensor, gradients: &[(usize, SlotGradient)]) {
        let (mut gathered, mut biases) = (Vec::new(), Vec::new());
        for (number, gradient) in gradients {
            let slot = &slots[*number];
            match gradient {
                SlotGradient::Whole(whole) => gathered.push((*number, contiguous(whole), slot.selected.is_some())),
                SlotGradient::Trained(trained) => gathered.push((*number, contiguous(trained), false)),
                SlotGradient::Output(dy) if reads_columns(slot, dy) => biases.push((*number, contiguous(dy))),
                SlotGradient::Output(dy) => gathered.push((*number, bias_gradient(dy), slot.selected.is_some())),
            }
        }
        let sums_kind = kind_number(sums.kind()).unwrap_or_else(|| panic!("gradients of {:?}", sums.kind()));
        for part in gathered.chunks(GRADIENTS) {
            let (mut entries, mut blocks) = ([GradientEntry::NONE; GRADIENTS], 0);
            for (entry, (slot, values, is_whole)) in entries.iter_mut().zip(part) {
                *entry = gradient_entry(*slot, values, *is_whole, blocks);
                blocks += (slots[*slot].trained() + CHUNK - 1) / CHUNK;
            }
            let arguments = GatherArguments {
                slots: data(&self.table),
                sums: data(sums),
                sums_kind,
                count: part.len() as i32,
                gradients: entries,
            };
            // SAFETY: the gradients have the components of their slots, and no two of them the same slot.
            trace_span!("launch gather").in_scope(|| unsafe { self.processor.launch(&GATHER, blocks, &arguments) });
        }
        for part in biases.chunks(GRADIENTS) {
            let (mut entries, mut blocks) = ([BiasEntry::NONE; GRADIENTS], 0);
            for (entry, (slot, dy)) in entries.iter_mut().zip(part) {
                let &[tokens, stride] = &dy.size()[..] else { panic!("a gradient of {:?}", dy.size()) };
                let (dy, kind) = (data(dy), kind_number(dy.kind()).unwrap_or_default());
                *entry =
                    BiasEntry { dy, tokens, stride, kind, slot: *slot as i32, first_block: blocks as i32, unused: 0 };
                blocks += slots[*slot].trained();
            }
            let arguments = BiasArguments {
                slots: data(&self.table),
                sums: data(sums),
                sums_kind,
                count: part.len() as i32,
                gradients: entries,
            };
            // SAFETY: each output has a column for each component of its bias.
            trace_span!("launch bias gradients")
                .in_scope(|| unsafe { self.processor.launch(&BIAS_GRADIENTS, blocks, &arguments) });
        }
    }

    /// The squared norms of the trained components and of all components of whole gradients: fp32 `[gradients, 2]`.
    pub fn squares(&self, gradients: &[(usize, &Tensor)]) -> Tensor {
        let kept: Vec<(usize, Tensor)> =
            gradients.iter().map(|(slot, gradient)| (*slot, contiguous(gradient))).collect();
        let sums = Tensor::empty([kept.len() as i64, 2, PARTS], (Kind::Float, self.device));
        for (number, part) in kept.chunks(GRADIENTS).enumerate() {
            let (mut entries, mut components) = ([GradientEntry::NONE; GRADIENTS], [0; GRADIENTS]);
            for (place, (slot, gradient)) in part.iter().enumerate() {
                entries[place] = gradient_entry(*slot, gradient, true, 0);
                components[place] = gradient.numel() as i64;
            }
            let arguments = SquaresArguments {
                slots: data(&self.table),
                sums: data(&sums.get((number * GRADIENTS) as i64)),
                count: part.len() as i32,
                unused: 0,
                gradients: entries,
                components,
            };
            // SAFETY: the gradients have the components of their slots' parameters, and `sums` a place for each block.
            trace_span!("launch squares")
                .in_scope(|| unsafe { self.processor.launch(&SQUARES, 2 * PARTS * part.len() as i64, &arguments) });
        }
        sums.sum_dim_intlist(Some(&[-1i64][..]), false, Kind::Float)
    }

    /// Takes the optimizer's step, which `state` has counted, and writes the master values into the weights.
    pub fn update(
        &self,
        adamw: &AdamW,
        state: &State,
        [gradient, pretrained]: [&Tensor; 2],
        gate: &UpdateGate,
        learning_rate: f64,
    ) {
        let ((beta1, beta2), total) = (adamw.betas, state.master.numel() as i64);
        let (first, second) = adamw.corrections(state.updates);
        let sparse_decay = match adamw.sparse_decay {
            SparseDecay::None => 0.0,
            SparseDecay::TowardPretrained(rate) => rate,
        };
        let (scale, apply) = (gate.scale.to_kind(Kind::Float), gate.apply.to_kind(Kind::Bool));
        let kind = |tensor: &Tensor| kind_number(tensor.kind()).unwrap_or_default();
        let arguments = UpdateArguments {
            slots: data(&self.table),
            total,
            master: data(&state.master),
            first_moment: data(&state.first_moment),
            second_moment: data(&state.second_moment),
            gradient: data(gradient),
            pretrained: data(pretrained),
            births: state.births.as_ref().map_or(ptr::null(), |births| data::<i32>(births).cast_const()),
            scale: data(&scale),
            apply: data(&apply),
            updates: state.updates,
            slot_count: self.slots,
            gradient_kind: kind(gradient),
            pretrained_kind: kind(pretrained),
            learning_rate: learning_rate as f32,
            first_share: (1.0 - beta1) as f32,
            second_kept: beta2 as f32,
            second_share: (1.0 - beta2) as f32,
            eps: adamw.eps as f32,
            rate: (learning_rate / first) as f32,
            correction: second.sqrt() as f32,
            first_log: beta1.ln() as f32,
            second_log: beta2.ln() as f32,
            sparse_decay: (learning_rate * sparse_decay) as f32,
            dense_decay: (learning_rate * adamw.dense_decay) as f32,
        };
        // SAFETY: all vectors have `total` components, the pre-trained values those of the sparse slots, which come first; the slots'
        // ranges cover them, and their places are within their weights.
        trace_span!("launch update")
            .in_scope(|| unsafe { self.processor.launch(&UPDATE, (total + CHUNK - 1) / CHUNK, &arguments) });
    }
}

/// The gradient of a bias, from that of the layer's output: fp32 `[out]`.
pub fn bias_gradient(dy: &Tensor) -> Tensor {
    dy.sum_dim_intlist(Some(&[0i64][..]), false, Kind::Float)
}

/// Whether columns of dy, each on its own, are less to read than all of it: a processor reads memory in lines of some elements.
fn reads_columns(slot: &Slot, dy: &Tensor) -> bool {
    16 * slot.trained() <= slot.components() && kind_number(dy.kind()).is_some()
}

/// In a type that the kernels take.
fn contiguous(gradient: &Tensor) -> Tensor {
    match kind_number(gradient.kind()) {
        Some(_) => gradient.contiguous(),
        None => gradient.to_kind(Kind::Float).contiguous(),
    }
}

fn gradient_entry(slot: usize, values: &Tensor, is_whole: bool, first_block: i64) -> GradientEntry {
    GradientEntry {
        values: data::<c_void>(values).cast_const(),
        kind: kind_number(values.kind()).unwrap_or_default(),
        is_whole: is_whole.into(),
        slot: slot as i32,
        first_block: first_block as i32,
    }
}

fn entry(places: &Places<'_>) -> PlacesEntry {
    let pointer = |list: Option<&Tensor>| list.map_or(ptr::null(), |list| data::<c_void>(list).cast_const());
    let narrow = |list: &&Tensor| list.kind() == Kind::Int;
    PlacesEntry {
        indices: pointer(places.indices.filter(narrow)),
        wide_indices: pointer(places.indices.filter(|list| !narrow(list))),
        rows: pointer(places.rows),
        columns: pointer(places.columns),
        across: places.across,
        width: places.width,
    }
}
