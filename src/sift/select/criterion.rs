//! What makes a component worth training: its score, of which the largest are chosen.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

/// Keeps |g| / |w| finite where a weight is zero.
const SMALLEST_WEIGHT: f64 = 1e-8;

/// The score of a component with weight w and gradient g.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// |g|: SIFT (Song et al., ICML 2024, arXiv 2312.11875).
    Gradient,
    /// |g · w|, the first-order change of the loss when the weight is removed: SNIP (Lee et al., ICLR 2019, arXiv 1810.02340).
    GradientTimesWeight,
    /// The mean of g² over micro-batches, the diagonal of the empirical Fisher information: FISH mask (Sung et al.,
    /// NeurIPS 2021, arXiv 2111.09839), with a micro-batch in the place of an example.
    Fisher,
    /// A large gradient on a small weight, by the ratio |g| / |w|: GaLLoP (Choudhary et al., 2025, arXiv 2510.19778).
    Gallop,
    /// |w|.
    Magnitude,
    /// |w′| of the best approximation of the weight matrix of a low rank: LIFT (Liu et al., ICML 2025, arXiv 2506.00772). A vector
    /// has no rank: |w|.
    Lift {
        /// The rank, at most the smaller side of the matrix.
        rank: i64,
    },
    /// Uniformly at random.
    Random,
}

/// What a criterion keeps of the gradients of a target, micro-batch by micro-batch: fp32 in the target's shape.
#[derive(Default)]
pub struct GradientSum {
    sum: Option<Tensor>,
}

impl GradientSum {
    /// Adds the gradient of a micro-batch, of any float dtype.
    pub fn add(&mut self, criterion: Criterion, gradient: &Tensor) {
        let gradient = gradient.to_kind(Kind::Float);
        let term = if criterion == Criterion::Fisher { gradient.square() } else { gradient };
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + term,
            None => term,
        });
    }

    /// The gradient whose mass a selection covers: the sum, or for [`Criterion::Fisher`] the root of the summed squares.
    ///
    /// # Panics
    /// If no gradient was added.
    pub fn gradient(&self, criterion: Criterion) -> Tensor {
        let sum = self.sum();
        if criterion == Criterion::Fisher { sum.sqrt() } else { sum.shallow_clone() }
    }

    fn sum(&self) -> &Tensor {
        self.sum.as_ref().expect("a gradient was added")
    }
}

impl Criterion {
    /// The score of every component: fp32 in the target's shape, of which the magnitude counts.
    pub(super) fn score(self, weight: &Tensor, sum: &GradientSum, seed: u64) -> Tensor {
        let weight = || weight.to_kind(Kind::Float);
        match self {
            Criterion::Gradient | Criterion::Fisher => sum.sum().shallow_clone(),
            Criterion::GradientTimesWeight => sum.sum() * weight(),
            Criterion::Gallop => sum.sum() / (weight().abs() + SMALLEST_WEIGHT),
            Criterion::Magnitude => weight(),
            Criterion::Lift { rank } => low_rank(&weight(), rank),
            Criterion::Random => uniform(weight().numel(), seed).view_as(&weight()).to_device(weight().device()),
        }
    }
}

/// The best approximation of this rank of a matrix, in the Frobenius norm; anything else is unchanged.
fn low_rank(weight: &Tensor, rank: i64) -> Tensor {
    let [rows, columns] = weight.size()[..] else { return weight.shallow_clone() };
    let rank = rank.min(rows).min(columns);
    let (u, s, v) = weight.svd(true, true);
    (u.narrow(1, 0, rank) * s.narrow(0, 0, rank)).matmul(&v.narrow(1, 0, rank).tr())
}

/// Scores that are drawn uniformly, the same ones on every device: fp32 `[count]` on the CPU.
pub(super) fn uniform(count: usize, seed: u64) -> Tensor {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let scores: Vec<f32> = (0..count).map(|_| generator.random()).collect();
    Tensor::from_slice(&scores)
}
