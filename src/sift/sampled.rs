//! The gradient of a linear layer's weight, whole or at chosen components only.
//!
//! With x `[tokens, in]` the layer's input and dy `[tokens, out]` the gradient of its output, dW = dyᵀ·x. A component
//! dW[i, j] = Σ_t dy[t, i] · x[t, j] is a dot product of two columns (a sampled matrix product, SDDMM), and at the rates that sparse
//! fine-tuning is about the sum over all of them is never needed.

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Up to this share of a weight's components sampling beats the whole product on a CPU (`cargo bench`); never on a GPU.
const WORTHWHILE: f64 = 0.1;

/// Side of the squares that a transposition moves at a time: 2 x 4 KiB, well inside a first-level cache.
const TILE: usize = 32;

/// dW, `[out, in]`, in the type of its operands.
pub fn whole(x: &Tensor, dy: &Tensor) -> Tensor {
    dy.tr().matmul(x)
}

/// Whether to use [`Columns`] for `selected` of `components`, or [`whole`].
pub fn worthwhile(device: Device, selected: i64, components: i64) -> bool {
    device == Device::Cpu && (selected as f64) < WORTHWHILE * components as f64
}

/// A matrix `[tokens, width]` by its columns, each contiguous. Layers with the same input share it.
pub struct Columns {
    data: Vec<f32>,
    tokens: usize,
}

impl Columns {
    /// Transposes a CPU tensor `[tokens, width]` of any float type.
    pub fn of(matrix: &Tensor) -> Columns {
        let (tokens, width) = matrix.size2().unwrap_or((0, 0));
        let (tokens, width) = (tokens as usize, width as usize);
        let mut data = vec![0f32; tokens * width];
        if data.is_empty() {
            return Columns { data, tokens };
        }
        let rows = matrix.to_kind(Kind::Float).contiguous();
        let rows = as_f32(&rows);
        data.par_chunks_mut(TILE * tokens).enumerate().for_each(|(block, columns)| {
            let first = block * TILE;
            for top in (0..tokens).step_by(TILE) {
                for (column, out) in columns.chunks_exact_mut(tokens).enumerate() {
                    for token in top..(top + TILE).min(tokens) {
                        out[token] = rows[token * width + first + column];
                    }
                }
            }
        });
        Columns { data, tokens }
    }

    fn column(&self, number: usize) -> &[f32] {
        &self.data[number * self.tokens..(number + 1) * self.tokens]
    }

    fn width(&self) -> usize {
        self.data.len().checked_div(self.tokens).unwrap_or(0)
    }
}

/// dW at flat row-major `indices` (int32 or int64 `[k]`, on the CPU): fp32 `[k]`. Each component is summed by one thread in
/// a fixed order, so results do not depend on the number of threads.
pub fn at(indices: &Tensor, x: &Columns, dy: &Columns) -> Tensor {
    let indices: Vec<i64> = Vec::try_from(indices.to_kind(Kind::Int64)).unwrap_or_default();
    let width = x.width().max(1);
    let gradient: Vec<f32> = indices
        .par_iter()
        .with_min_len(256)
        .map(|&index| dot(dy.column(index as usize / width), x.column(index as usize % width)))
        .collect();
    Tensor::from_slice(&gradient)
}

/// Sixteen running sums let the compiler use vector registers, and keep rounding errors small besides.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let (a_chunks, b_chunks) = (a.chunks_exact(16), b.chunks_exact(16));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn as_f32(tensor: &Tensor) -> &[f32] {
    debug_assert!(tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous());
    // SAFETY: a contiguous fp32 CPU tensor is `numel` floats from its data pointer on, and the borrow keeps it alive.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), tensor.numel()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampled_components_are_those_of_the_whole() {
        tch::manual_seed(7);
        for (tokens, width, height) in [(1, 1, 1), (33, 70, 5), (100, 31, 64), (257, 96, 33)] {
            let x = Tensor::randn([tokens, width], (Kind::Float, Device::Cpu));
            let dy = Tensor::randn([tokens, height], (Kind::Float, Device::Cpu));
            let indices = super::super::select::random(width * height, 1 + width * height / 3, 5);
            let expected = whole(&x, &dy).flatten(0, -1).index_select(0, &indices);
            let got = at(&indices.to_kind(Kind::Int), &Columns::of(&x), &Columns::of(&dy));
            let difference = (got - expected).abs().max().double_value(&[]);
            assert!(difference < 1e-4, "{tokens}x{width}x{height}: {difference}");
        }
    }
}
