//! Rotary position embeddings (Su et al., arXiv 2104.09864): each pair of a head's components is rotated by an angle that
//! grows with the position.

use std::f64::consts::TAU;

use tch::{Kind, Tensor};

use crate::model::config::{DecoderConfig, RopeScaling};
use crate::model::fused::rotate;
use crate::model::unpadded::Unpadded;

/// Cosines and sines, `[rows, 1, length, head_dim / 2]` each, in the network's dtype.
pub(in crate::model) struct RotaryEmbedding {
    cos: Tensor,
    sin: Tensor,
}

impl RotaryEmbedding {
    /// For positions int64 `[rows or 1, length]`. Computed in fp32 whatever the network's dtype, as in transformers.
    pub fn new(config: &DecoderConfig, positions: &Tensor, kind: Kind) -> RotaryEmbedding {
        let frequencies = frequencies(config, positions);
        let angles = (positions.to_kind(Kind::Float).unsqueeze(-1) * frequencies).unsqueeze(1);
        let scale = match config.rope.scaling {
            RopeScaling::Yarn { attention_factor, .. } => attention_factor,
            _ => 1.0,
        };
        RotaryEmbedding { cos: (angles.cos() * scale).to_kind(kind), sin: (angles.sin() * scale).to_kind(kind) }
    }

    /// That of the tokens alone, of one for a whole batch.
    pub fn of_tokens(&self, unpadded: &Unpadded) -> RotaryEmbedding {
        let [cos, sin] = [&self.cos, &self.sin].map(|all| unpadded.unpad(&all.squeeze_dim(1)).unsqueeze(1));
        RotaryEmbedding { cos, sin }
    }

    /// Rotates queries or keys `[rows, heads, length, head_dim]`, whose pairs are those of Hugging Face's checkpoints.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        rotate(x, &self.cos, &self.sin)
    }
}

/// fp32 `[head_dim / 2]`, in radians per position.
fn frequencies(config: &DecoderConfig, positions: &Tensor) -> Tensor {
    let device = positions.device();
    let exponents = Tensor::arange_start_step(0, config.head_dim, 2, (Kind::Float, device)) / config.head_dim as f64;
    let with_base = |base: f64| Tensor::pow_scalar(base, &exponents).reciprocal();
    let plain = with_base(config.rope.theta);
    match config.rope.scaling {
        RopeScaling::Default => plain,
        RopeScaling::Linear { factor } => plain / factor,
        RopeScaling::Dynamic { factor } => {
            let (dim, trained) = (config.head_dim as f64, config.max_position_embeddings as f64);
            // Only this kind depends on the length of the text.
            let length = (positions.max().int64_value(&[]) + 1).max(config.max_position_embeddings) as f64;
            let scale = factor * length / trained - (factor - 1.0);
            with_base(config.rope.theta * scale.powf(dim / (dim - 2.0)))
        }
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
            let original = original_max_position_embeddings;
            let wavelengths = plain.reciprocal() * TAU;
            let smooth = (wavelengths.reciprocal() * original - low_freq_factor) / (high_freq_factor - low_freq_factor);
            let between = (smooth.neg() + 1.0) * (&plain / factor) + &smooth * &plain;
            let low = wavelengths.gt(original / low_freq_factor);
            let high = wavelengths.lt(original / high_freq_factor);
            let mixed = between.where_self(&low.logical_or(&high).logical_not(), &plain);
            (&plain / factor).where_self(&low, &mixed)
        }
        RopeScaling::Yarn { factor, beta_fast, beta_slow, original_max_position_embeddings, truncate, .. } => {
            let dim = config.head_dim as f64;
            // The number of the pair that has so many rotations within the original context.
            let pair = |rotations: f64| {
                dim * (original_max_position_embeddings / (rotations * TAU)).ln() / (2.0 * config.rope.theta.ln())
            };
            let (low, high) = match truncate {
                true => (pair(beta_fast).floor(), pair(beta_slow).ceil()),
                false => (pair(beta_fast), pair(beta_slow)),
            };
            let (low, high) = (low.max(0.0), high.min(dim - 1.0));
            let width = if low == high { 0.001 } else { high - low };
            let numbers = Tensor::arange(config.head_dim / 2, (Kind::Float, device));
            let scaled = ((numbers - low) / width).clamp(0.0, 1.0);
            (&plain / factor) * &scaled + plain * (scaled.neg() + 1.0)
        }
    }
}
