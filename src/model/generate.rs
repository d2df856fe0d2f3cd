//! Text generation with a decoder: greedy, or by sampling.

use rand::SeedableRng;
use rand::distr::Distribution;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::decoder::{Decoder, KvCache};

/// How the next token is chosen, by the names of `generate` in transformers.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Above 1 it flattens the distribution, below it sharpens it. 0 is greedy: the most likely token each time.
    pub temperature: f64,
    /// Only this many of the most likely tokens may be drawn; 0 for any.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities add up to this may be drawn; 1 for any.
    pub top_p: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// Greedy decoding: the most likely token each time.
pub const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };

/// Generates a completion token by token. It ends after the last token asked for, or before a stop token.
pub struct Generator<'a> {
    decoder: &'a Decoder,
    cache: KvCache,
    /// Tokens that the network has not read yet: the prompt, then the latest token.
    unread: Vec<i64>,
    remaining: usize,
    stop: &'a [i64],
    sampling: &'a Sampling,
    random: ChaCha8Rng,
}

impl<'a> Generator<'a> {
    /// Continues a prompt of at least one token, for `max_new_tokens` or until one of the tokens `stop`.
    pub fn new(
        decoder: &'a Decoder,
        prompt: &[i64],
        max_new_tokens: usize,
        stop: &'a [i64],
        sampling: &'a Sampling,
    ) -> Generator<'a> {
        Generator {
            cache: decoder.kv_cache(1, (prompt.len() + max_new_tokens) as i64),
            decoder,
            unread: prompt.to_vec(),
            remaining: max_new_tokens,
            stop,
            sampling,
            random: ChaCha8Rng::seed_from_u64(sampling.seed),
        }
    }
}

impl Iterator for Generator<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.remaining = self.remaining.checked_sub(1)?;
        let device = self.decoder.lm_head().device();
        let read = Tensor::from_slice(&self.unread).unsqueeze(0).to_device(device);
        let hidden = self.decoder.forward_cached(&read, &mut self.cache);
        let logits = tch::no_grad(|| self.decoder.logits(&hidden)).squeeze_dim(0).to_kind(Kind::Float);
        let token = if self.sampling.temperature == 0.0 {
            logits.argmax(-1, false).int64_value(&[])
        } else {
            let logits: Vec<f32> = Vec::try_from(logits.to_device(Device::Cpu)).unwrap_or_default();
            draw(&logits, self.sampling, &mut self.random)
        };
        if self.stop.contains(&token) {
            self.remaining = 0;
            return None;
        }
        self.unread = vec![token];
        Some(token)
    }
}

/// Draws an index: temperature, then `top_k`, then `top_p`, in the order of transformers.
fn draw(logits: &[f32], sampling: &Sampling, random: &mut ChaCha8Rng) -> i64 {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    // Ties go to the lower index, so that a seed draws the same everywhere.
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    if sampling.top_k > 0 {
        order.truncate(sampling.top_k);
    }
    let Some(&likeliest) = order.first() else { return 0 };
    let weight = |index: usize| (f64::from(logits[index] - logits[likeliest]) / sampling.temperature).exp();
    let weights: Vec<f64> = order.iter().map(|&index| weight(index)).collect();
    let all: f64 = weights.iter().sum();
    let (mut kept, mut sum) = (0, 0.0);
    while kept == 0 || (kept < weights.len() && sum < sampling.top_p * all) {
        sum += weights[kept];
        kept += 1;
    }
    let uniform: f64 = rand::distr::StandardUniform.sample(random);
    let mut rest = uniform * sum;
    for (&index, weight) in order.iter().zip(&weights[..kept]) {
        rest -= weight;
        if rest < 0.0 {
            return index as i64;
        }
    }
    order[kept - 1] as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(logits: &[f32], sampling: &Sampling) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut counts = vec![0; logits.len()];
        for _ in 0..20_000 {
            counts[draw(logits, sampling, &mut random) as usize] += 1;
        }
        counts.into_iter().map(|count| f64::from(count) / 20_000.0).collect()
    }

    #[test]
    fn tokens_are_drawn_with_their_probabilities() {
        let logits = [0.0, 1.0, 2.0, -1.0].map(f32::ln_1p).map(|x| if x.is_finite() { x } else { -30.0 });
        // Weights 1, 2, 3 and almost 0.
        let close = |counts: &[f64], expected: [f64; 4]| {
            counts.iter().zip(expected).all(|(count, expected)| (count - expected).abs() < 0.02)
        };
        let any = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 0 };
        let counts = drawn(&logits, &any);
        assert!(close(&counts, [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0, 0.0]), "{counts:?}");
        let counts = drawn(&logits, &Sampling { temperature: 0.5, ..any });
        assert!(close(&counts, [1.0 / 14.0, 4.0 / 14.0, 9.0 / 14.0, 0.0]), "{counts:?}");
        let counts = drawn(&logits, &Sampling { top_k: 2, ..any });
        assert!(close(&counts, [0.0, 0.4, 0.6, 0.0]), "{counts:?}");
        // The first has half of it all, so the second is needed for more.
        assert_eq!(drawn(&logits, &Sampling { top_p: 0.49, ..any })[2], 1.0);
        let counts = drawn(&logits, &Sampling { top_p: 0.51, ..any });
        assert!(close(&counts, [0.0, 0.4, 0.6, 0.0]), "{counts:?}");
    }

    #[test]
    fn ties_and_extreme_settings_draw_the_most_likely_token() {
        let one = Sampling { temperature: 1e-3, top_k: 1, top_p: 1e-9, seed: 0 };
        assert_eq!(drawn(&[5.0, 5.0], &one), [1.0, 0.0]);
        let counts = drawn(&[f32::NEG_INFINITY, 0.0], &Sampling { temperature: 1.0, top_k: 0, ..one });
        assert_eq!(counts, [0.0, 1.0]);
    }
}
