//! The gradient of a linear layer's weight: dense, or at selected components only.
//!
//! With x `[tokens, in]` the layer's input and dy `[tokens, out]` the gradient of its output, dW = dyᵀ·x. A component
//! dW[i, j] = Σ_t dy[t, i] · x[t, j] is a dot product of two columns (a sampled matrix product, SDDMM). At the rates of sparse
//! fine-tuning, computing all components is a waste.
//!
//! Tokens are processed in chunks ([`CHUNK`]): a thread transposes a chunk of x and of dy into columns, which stay in its caches,
//! and adds to each component the dot product of two of them, in the order of a [`SamplingPlan`]. Each operand is read from memory
//! once, x for all layers that share it, and neither is ever transposed as a whole.

mod column;
mod loops;
mod plan;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};
use tracing::trace_span;

use crate::kernels::InstructionSet;
use crate::kernels::slices::{as_f32, as_f32_mut};
use column::{CHUNK, Column};
pub use plan::SamplingPlan;

/// Strips that the tokens are summed in, each by its own tasks: at most so many, of at least so many chunks. They do not depend on the
/// number of threads: sums would, too.
const STRIPS: usize = 8;
const STRIP_CHUNKS: usize = 4;

/// Components that a task sums over the strips at a time: 16 KiB.
const SUMS: usize = 4096;

/// Up to this rate sampling was faster in every measurement on a CPU, by at least three tenths (`cargo bench --bench sampled`).
/// On a GPU the dense product is faster.
const MAX_RATE: f64 = 0.25;

/// The dense gradient dW, `[out, in]`, in the dtype of x `[tokens, in]` and dy `[tokens, out]`.
pub fn dense_gradient(x: &Tensor, dy: &Tensor) -> Tensor {
    dy.tr().matmul(x)
}

/// Whether a [`GradientSampler`] computes `selected` components of a weight `[out, in]` faster than [`dense_gradient`].
pub fn is_faster(device: Device, selected: i64, [out, width]: [i64; 2]) -> bool {
    device == Device::Cpu && (selected as f64) <= MAX_RATE * (out * width) as f64
}

/// Computes selected components of gradients on the CPU. Its buffers are kept between calls.
pub struct GradientSampler {
    instructions: InstructionSet,
    /// Sums over each strip of tokens, strip by strip.
    strips: Vec<f32>,
}

/// One of the linear layers that have the same input.
#[derive(Clone, Copy)]
pub struct SampledLayer<'a> {
    /// The gradient of its output, `[tokens, out]`.
    pub dy: &'a Tensor,
    /// The selected components of its weight `[out, in]`.
    pub plan: &'a SamplingPlan,
}

impl Default for GradientSampler {
    fn default() -> GradientSampler {
        GradientSampler::new(InstructionSet::best())
    }
}

impl GradientSampler {
    /// A sampler with these instructions, which this machine must have.
    pub fn new(instructions: InstructionSet) -> GradientSampler {
        GradientSampler { instructions, strips: Vec::new() }
    }

    /// The instructions it computes with.
    pub fn instructions(&self) -> InstructionSet {
        self.instructions
    }

    /// The gradients of linear layers with one input x `[tokens, in]`, at their selected components: fp32 `[k]` for each layer, in
    /// its plan's order. Operands are on the CPU, of any float dtype and strides; sums are fp32.
    ///
    /// Only the number of tokens decides the order of a component's sum, so that results do not depend on the number of threads.
    ///
    /// # Panics
    /// If a plan's shape is not `[out, in]`.
    pub fn sample(&mut self, x: &Tensor, layers: &[SampledLayer<'_>]) -> Vec<Tensor> {
        let fp32 = |tensor: &Tensor| tensor.to_kind(Kind::Float).contiguous();
        let (x, gradients) = (fp32(x), layers.iter().map(|layer| fp32(layer.dy)).collect::<Vec<_>>());
        let x = Rows::of(&x);
        let layers: Vec<Layer> = gradients
            .iter()
            .zip(layers)
            .map(|(dy, layer)| Layer { dy: Rows::of(dy), plan: layer.plan })
            .inspect(|layer| assert_eq!((layer.dy.width, x.width), layer.plan.shape(), "a plan of another shape"))
            .collect();
        self.sum(x, &layers)
    }

    fn sum(&mut self, x: Rows, layers: &[Layer]) -> Vec<Tensor> {
        let chunks = x.tokens().div_ceil(CHUNK);
        let strips = (chunks / STRIP_CHUNKS).clamp(1, STRIPS);
        let total: usize = layers.iter().map(|layer| layer.plan.components()).sum();
        // Each task zeroes its sums, so old values do not matter.
        self.strips.resize(strips * total, 0.0);
        let blocks = rayon::current_num_threads().div_ceil(strips);
        let mut tasks = Vec::with_capacity(strips * blocks);
        for (strip, mut rest) in self.strips.chunks_exact_mut(total.max(1)).enumerate() {
            let tokens = CHUNK * (chunks * strip / strips)..(CHUNK * (chunks * (strip + 1) / strips)).min(x.tokens());
            let mut by_block: Vec<Vec<RowSums>> = (0..blocks).map(|_| Vec::with_capacity(layers.len())).collect();
            for layer in layers {
                for (block, row_sums) in by_block.iter_mut().enumerate() {
                    let height = layer.dy.width;
                    let rows = height * block / blocks..height * (block + 1) / blocks;
                    let (sums, after) = rest.split_at_mut(layer.plan.components_of_rows(&rows).len());
                    rest = after;
                    row_sums.push(RowSums { layer, rows, sums });
                }
            }
            tasks.extend(by_block.into_iter().map(|row_sums| Task { tokens: tokens.clone(), row_sums }));
        }
        let instructions = self.instructions;
        let _span = trace_span!("launch sampled gradients").entered();
        tasks.into_par_iter().for_each(|task| task.run(instructions, x));

        let mut start = 0;
        let gradient = |layer: &Layer| {
            let components = layer.plan.components();
            let mut gradient = Tensor::zeros([components as i64], (Kind::Float, Device::Cpu));
            let first = start;
            start += components;
            as_f32_mut(&mut gradient).par_chunks_mut(SUMS).enumerate().for_each(|(number, sums)| {
                for strip in self.strips.chunks_exact(total.max(1)) {
                    let strip = &strip[first + number * SUMS..][..sums.len()];
                    sums.iter_mut().zip(strip).for_each(|(sum, of_strip)| *sum += of_strip);
                }
            });
            gradient
        };
        layers.iter().map(gradient).collect()
    }
}

/// A matrix `[tokens, width]`, row by row.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [f32],
    width: usize,
}

struct Layer<'a> {
    dy: Rows<'a>,
    plan: &'a SamplingPlan,
}

/// Some rows of a layer's weight, and the sums of the components in them over a strip of tokens.
struct RowSums<'a> {
    layer: &'a Layer<'a>,
    rows: Range<usize>,
    sums: &'a mut [f32],
}

impl Rows<'_> {
    fn of(matrix: &Tensor) -> Rows<'_> {
        Rows { data: as_f32(matrix), width: matrix.size().last().map_or(0, |&width| width as usize) }
    }

    fn tokens(&self) -> usize {
        self.data.len().checked_div(self.width).unwrap_or(0)
    }
}

thread_local! {
    /// Columns of x and dy. Kept, because a thread needs them again at once.
    static COLUMNS: RefCell<Vec<Column>> = const { RefCell::new(Vec::new()) };
}

/// Sums over a strip of tokens, of some rows of each layer.
struct Task<'a> {
    tokens: Range<usize>,
    row_sums: Vec<RowSums<'a>>,
}

impl Task<'_> {
    fn run(mut self, instructions: InstructionSet, x: Rows) {
        let height = self.row_sums.iter().map(|row_sums| row_sums.rows.len()).max().unwrap_or(0);
        self.row_sums.iter_mut().for_each(|row_sums| row_sums.sums.fill(0.0));
        COLUMNS.with_borrow_mut(|columns| {
            columns.resize(columns.len().max(x.width + height), Column::ZERO);
            let (of_x, of_dy) = columns.split_at_mut(x.width);
            for start in self.tokens.clone().step_by(CHUNK) {
                let chunk = start..(start + CHUNK).min(self.tokens.end);
                loops::transpose(instructions, x.data, x.width, chunk.clone(), 0..x.width, of_x);
                for RowSums { layer, rows, sums } in &mut self.row_sums {
                    let of_dy = &mut of_dy[..rows.len()];
                    loops::transpose(instructions, layer.dy.data, layer.dy.width, chunk.clone(), rows.clone(), of_dy);
                    loops::accumulate(instructions, layer.plan, rows.clone(), of_x, of_dy, sums);
                }
            }
        });
    }
}
