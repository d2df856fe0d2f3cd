//! A decoder writes: the likeliest token each time, or one drawn by chance.

use rand::SeedableRng;
use rand::distr::Distribution;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::decoder::{Cache, Decoder};

/// How the next token is chosen, by the names of `generate` in `transformers`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Flattens the distribution above 1 and sharpens it below; at 0 the likeliest token is taken each time.
    pub temperature: f64,
    /// Only so many of the likeliest tokens may be drawn; 0 for any.
    pub top_k: usize,
    /// Only the likeliest tokens that together have this probability may be drawn; 1 for any.
    pub top_p: f64,
    /// Decides what is drawn.
    pub seed: u64,
}

/// Takes the likeliest token each time.
pub const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };

/// A text being written, token by token. It ends behind the last token asked for, or before one that ends texts.
pub struct Writer<'a> {
    decoder: &'a Decoder,
    cache: Cache,
    /// Read, but not yet by the network: the prompt, then the token written last.
    unread: Vec<i64>,
    left: usize,
    stop: &'a [i64],
    sampling: &'a Sampling,
    random: ChaCha8Rng,
}

impl<'a> Writer<'a> {
    /// Goes on from a prompt of at least one token, for `most` tokens or until one of `stop`.
    pub fn new(
        decoder: &'a Decoder,
        prompt: &[i64],
        most: usize,
        stop: &'a [i64],
        sampling: &'a Sampling,
    ) -> Writer<'a> {
        Writer {
            cache: Cache::new(decoder, 1, (prompt.len() + most) as i64),
            decoder,
            unread: prompt.to_vec(),
            left: most,
            stop,
            sampling,
            random: ChaCha8Rng::seed_from_u64(sampling.seed),
        }
    }
}

impl Iterator for Writer<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        let device = self.decoder.table().device();
        let read = Tensor::from_slice(&self.unread).unsqueeze(0).to_device(device);
        let hidden = self.decoder.read_on(&read, &mut self.cache);
        let logits = tch::no_grad(|| self.decoder.logits(&hidden)).squeeze_dim(0).to_kind(Kind::Float);
        let token = if self.sampling.temperature == 0.0 {
            logits.argmax(-1, false).int64_value(&[])
        } else {
            let logits: Vec<f32> = Vec::try_from(logits.to_device(Device::Cpu)).unwrap_or_default();
            draw(&logits, self.sampling, &mut self.random)
        };
        if self.stop.contains(&token) {
            self.left = 0;
            return None;
        }
        self.unread = vec![token];
        Some(token)
    }
}

/// Draws an index: first the temperature, then `top_k`, then `top_p`, as transformers orders them.
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
    let mut place = uniform * sum;
    for (&index, weight) in order.iter().zip(&weights[..kept]) {
        place -= weight;
        if place < 0.0 {
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
    fn ties_and_extremes_are_no_trouble() {
        let one = Sampling { temperature: 1e-3, top_k: 1, top_p: 1e-9, seed: 0 };
        assert_eq!(drawn(&[5.0, 5.0], &one), [1.0, 0.0]);
        let counts = drawn(&[f32::NEG_INFINITY, 0.0], &Sampling { temperature: 1.0, top_k: 0, ..one });
        assert_eq!(counts, [0.0, 1.0]);
    }
}
