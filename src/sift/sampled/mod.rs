//! The gradient of a linear layer's weight, whole or at chosen components only.
//!
//! With x `[tokens, in]` the layer's input and dy `[tokens, out]` the gradient of its output, dW = dyᵀ·x. A component
//! dW[i, j] = Σ_t dy[t, i] · x[t, j] is a dot product of two columns (a sampled matrix product, SDDMM), and at the rates that sparse
//! fine-tuning is about the sum over all of them is never needed.
//!
//! Tokens are taken a few at a time ([`CHUNK`]): a thread turns that part of x and of dy into columns, which stay in its
//! caches, and adds to each component the product of two of them, in the order of a [`SamplingPlan`]. Each operand is read from
//! memory once, x for all layers that share it, and no transposed copy of either is ever made.

mod plan;
#[cfg(test)]
mod tests;
mod vector;

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

pub use plan::SamplingPlan;
pub use vector::Instructions;
use vector::{CHUNK, Column};

/// Tokens are summed in this many parts at most, by as many tasks. It does not depend on the number of threads, since sums would too.
const STRIPS: usize = 8;

/// Components of a gradient that a task adds up over the strips at a time: 16 KiB.
const SUMS: usize = 4096;

/// Up to this share of a weight's components sampling was the faster way in every measurement on a CPU, by three tenths at least
/// (`cargo bench --bench sampled`). A GPU is given the whole product.
const WORTHWHILE: f64 = 0.25;

/// dW, `[out, in]`, in the type of its operands.
pub fn whole(x: &Tensor, dy: &Tensor) -> Tensor {
    dy.tr().matmul(x)
}

/// Whether a [`Sampler`] is the faster way to `selected` components of a weight `[out, in]`, rather than [`whole`].
pub fn worthwhile(device: Device, selected: i64, [out, width]: [i64; 2]) -> bool {
    device == Device::Cpu && (selected as f64) <= WORTHWHILE * (out * width) as f64
}

/// What computes chosen components on the CPU. It keeps what it needs besides its operands from call to call.
pub struct Sampler {
    instructions: Instructions,
    /// Sums over each strip of tokens, strip by strip.
    strips: Vec<f32>,
}

impl Default for Sampler {
    fn default() -> Sampler {
        Sampler::new(Instructions::best())
    }
}

impl Sampler {
    /// With these instructions, which this machine must have.
    pub fn new(instructions: Instructions) -> Sampler {
        Sampler { instructions, strips: Vec::new() }
    }

    /// What it computes with.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// dW of linear layers with one input x `[tokens, in]`, at the components of their plans: for each dy `[tokens, out]`
    /// fp32 `[k]`, in the plan's order. Operands are on the CPU and of any float type and strides; sums are fp32.
    ///
    /// Each component is summed in an order that only the number of tokens decides: results do not depend on the number of threads.
    ///
    /// # Panics
    /// If a plan's shape is not `[out, in]`.
    pub fn at(&mut self, x: &Tensor, layers: &[(&Tensor, &SamplingPlan)]) -> Vec<Tensor> {
        let fp32 = |tensor: &Tensor| tensor.to_kind(Kind::Float).contiguous();
        let (x, gradients) = (fp32(x), layers.iter().map(|(dy, _)| fp32(dy)).collect::<Vec<_>>());
        let x = Rows::of(&x);
        let layers: Vec<Layer> = gradients
            .iter()
            .zip(layers)
            .map(|(dy, &(_, plan))| Layer { dy: Rows::of(dy), plan })
            .inspect(|layer| assert_eq!((layer.dy.width, x.width), layer.plan.shape(), "a plan of another shape"))
            .collect();
        self.sum(x, &layers)
    }

    fn sum(&mut self, x: Rows, layers: &[Layer]) -> Vec<Tensor> {
        let chunks = x.tokens().div_ceil(CHUNK);
        let strips = chunks.clamp(1, STRIPS);
        let total: usize = layers.iter().map(|layer| layer.plan.components()).sum();
        // What was there before is overwritten.
        self.strips.resize(strips * total, 0.0);
        let blocks = rayon::current_num_threads().div_ceil(strips);
        let mut tasks = Vec::with_capacity(strips * blocks);
        for (strip, mut rest) in self.strips.chunks_exact_mut(total.max(1)).enumerate() {
            let tokens = CHUNK * (chunks * strip / strips)..(CHUNK * (chunks * (strip + 1) / strips)).min(x.tokens());
            let mut parts: Vec<Vec<Part>> = (0..blocks).map(|_| Vec::with_capacity(layers.len())).collect();
            for layer in layers {
                for (block, parts) in parts.iter_mut().enumerate() {
                    let height = layer.dy.width;
                    let rows = height * block / blocks..height * (block + 1) / blocks;
                    let (sums, after) = rest.split_at_mut(layer.plan.of_rows(&rows).len());
                    rest = after;
                    parts.push(Part { layer, rows, sums });
                }
            }
            tasks.extend(parts.into_iter().map(|parts| (tokens.clone(), parts)));
        }
        let instructions = self.instructions;
        tasks.into_par_iter().for_each(|(tokens, parts)| add_up(instructions, x, tokens, parts));

        let mut start = 0;
        let gradient = |layer: &Layer| {
            let components = layer.plan.components();
            let mut gradient = Tensor::zeros([components as i64], (Kind::Float, Device::Cpu));
            let place = start;
            start += components;
            as_f32_mut(&mut gradient).par_chunks_mut(SUMS).enumerate().for_each(|(number, sums)| {
                for strip in self.strips.chunks_exact(total.max(1)) {
                    let strip = &strip[place + number * SUMS..][..sums.len()];
                    sums.iter_mut().zip(strip).for_each(|(sum, part)| *sum += part);
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

/// Some rows of a layer's weight, and where the sums over a strip of tokens of the components in them go.
struct Part<'a> {
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
    /// Parts of x and dy by their columns. A thread needs it again at once.
    static COLUMNS: RefCell<Vec<Column>> = const { RefCell::new(Vec::new()) };
}

fn add_up(instructions: Instructions, x: Rows, tokens: Range<usize>, mut parts: Vec<Part>) {
    let height = parts.iter().map(|part| part.rows.len()).max().unwrap_or(0);
    parts.iter_mut().for_each(|part| part.sums.fill(0.0));
    COLUMNS.with_borrow_mut(|columns| {
        columns.resize(columns.len().max(x.width + height), Column::ZERO);
        let (of_x, of_dy) = columns.split_at_mut(x.width);
        for start in tokens.clone().step_by(CHUNK) {
            let chunk = start..(start + CHUNK).min(tokens.end);
            instructions.transpose(x.data, x.width, chunk.clone(), 0..x.width, of_x);
            for Part { layer, rows, sums } in &mut parts {
                let of_dy = &mut of_dy[..rows.len()];
                instructions.transpose(layer.dy.data, layer.dy.width, chunk.clone(), rows.clone(), of_dy);
                instructions.accumulate(layer.plan, rows.clone(), of_x, of_dy, sums);
            }
        }
    });
}

fn as_f32(tensor: &Tensor) -> &[f32] {
    debug_assert!(tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous());
    if tensor.numel() == 0 {
        return &[];
    }
    // SAFETY: a contiguous fp32 CPU tensor is `numel` floats from its data pointer on, and the borrow keeps it alive.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), tensor.numel()) }
}

/// Of a tensor that nothing else shares.
fn as_f32_mut(tensor: &mut Tensor) -> &mut [f32] {
    debug_assert!(tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous());
    if tensor.numel() == 0 {
        return &mut [];
    }
    // SAFETY: as above, and the caller made the tensor and has shared it with nobody.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), tensor.numel()) }
}
